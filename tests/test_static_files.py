"""Scripts and styles: browsers keep them until their contents, and so their address, change."""

import re

from flask.testing import FlaskClient


def test_a_static_file_is_kept_for_a_year_whoever_asks(reader: FlaskClient) -> None:
    address = re.search(r'"(/static/[0-9a-f]{12}/falx\.css)"', reader.get("/").text)
    assert address is not None

    with reader.get(address.group(1)) as answer:
        assert answer.headers["Cache-Control"] == "public, max-age=31536000"
        assert "Vary" not in answer.headers
        assert "Set-Cookie" not in answer.headers
