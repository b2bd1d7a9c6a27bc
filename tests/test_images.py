"""A slice's Hounsfield units over HTTP: those stored, kept by the reader's browser alone."""

import gzip

import numpy as np
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app.db.models import Instance
from app.reading.viewer_state import file_window
from app.render import hu_gzip
from app.services import Services
from app.storage import HU
from clinic import upload
from ct_factory import block_hu, ct_file


@pytest.fixture
def instance(reader: FlaskClient, services: Services) -> Instance:
    """One stored slice of 64 rows and 80 columns, air to bone."""
    upload(reader, ("slice.dcm", ct_file(WindowCenter="35\\500", WindowWidth="90\\2000")))
    with services.database.read() as session:
        return session.scalars(select(Instance)).one()


def test_a_slice_comes_as_it_was_stored(
    reader: FlaskClient, services: Services, instance: Instance
) -> None:
    answer = reader.get(f"/instances/{instance.id}/hu")

    assert (answer.headers["X-Rows"], answer.headers["X-Columns"]) == ("64", "80")
    assert answer.headers["Content-Encoding"] == "gzip"
    sent = np.frombuffer(gzip.decompress(answer.data), "<i2").reshape(64, 80)
    np.testing.assert_array_equal(sent, services.storage.read_array(HU, instance.id))
    np.testing.assert_array_equal(sent, block_hu())


def test_the_browser_keeps_a_slice_and_nobody_else_does(
    reader: FlaskClient, instance: Instance
) -> None:
    first = reader.get(f"/instances/{instance.id}/hu")

    again = reader.get(
        f"/instances/{instance.id}/hu", headers={"If-None-Match": first.headers["ETag"]}
    )

    assert first.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert (again.status_code, again.data) == (304, b"")


def test_a_visitor_gets_no_slice(client: FlaskClient) -> None:
    assert client.get("/instances/x/hu").status_code == 302


def test_a_slice_that_does_not_exist_is_not_found(reader: FlaskClient) -> None:
    assert reader.get("/instances/x/hu").status_code == 404


def test_the_bytes_are_little_endian_whatever_the_array_is() -> None:
    hu = np.array([[-1024, 3071], [1, 256]], dtype=">i2")

    assert gzip.decompress(hu_gzip(hu)) == b"\x00\xfc\xff\x0b\x01\x00\x00\x01"


@pytest.mark.parametrize(
    ("attributes", "window"),
    [
        ({"WindowCenter": "35\\500", "WindowWidth": "90\\2000"}, {"center": 35, "width": 90}),
        ({"WindowCenter": "35"}, None),
        ({"WindowCenter": "35", "WindowWidth": "0"}, None),
        ({"WindowCenter": "nan", "WindowWidth": "80"}, None),
        ({"WindowCenter": "forty", "WindowWidth": "80"}, None),
    ],
)
def test_the_files_own_window_is_its_first_if_it_is_one(
    attributes: dict[str, str], window: dict[str, float] | None
) -> None:
    assert file_window(attributes) == window
