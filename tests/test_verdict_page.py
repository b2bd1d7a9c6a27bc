"""The reading page with verdicts on it: stored, taken back, differing and settled."""

import json
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from markupsafe import escape
from sqlalchemy import select

from app.db.models import Review, Study, User
from app.db.reading import Claim
from app.services import Services
from app.site import SiteSettings, site_settings
from app.worklist import claims
from clinic import csrf_token, log_in, new_reader, turn_on
from read_study import COLUMNS, ReadStudy, add_read_study, give_verdict, send


@pytest.fixture
def read(services: Services) -> ReadStudy:
    return add_read_study(services)


def rows(services: Services) -> list[Review]:
    with services.database.read() as session:
        return list(session.scalars(select(Review).order_by(Review.created_at)))


def is_reviewed(services: Services, read: ReadStudy) -> bool:
    with services.database.read() as session:
        return session.get_one(Study, read.study).reviewed_at is not None


def region(read: ReadStudy, **changes: Any) -> str:
    box = {"x0": 10.25, "y0": 5, "x1": 30, "y1": 20}
    return json.dumps([{"instance": read.slices[2], "label": "subdural", **box, **changes}])


def test_a_verdict_speaks_of_series_slices_and_regions(
    reader: FlaskClient, services: Services, read: ReadStudy
) -> None:
    answer = give_verdict(
        reader,
        read,
        any_verdict="agree",
        subdural_here="present",
        instance=read.slices[1],
        slice_verdicts=json.dumps({"subdural": {read.slices[0]: "absent"}}),
        regions=region(read),
        comment="Thin.",
    )

    assert "The verdict is saved." in answer.text
    (kept,) = rows(services)
    assert kept.kind == "verdict"
    assert kept.series_id == read.series
    assert kept.slice_verdicts == {
        "subdural": {read.slices[0]: "absent", read.slices[1]: "present"}
    }
    (marked,) = kept.regions
    assert marked == {
        "instance": read.slices[2],
        "label": "subdural",
        "x0": 10.25,
        "y0": 5.0,
        "x1": 30.0,
        "y1": 20.0,
    }
    assert "subdural: present on 2; absent on 1" in answer.text
    assert "subdural: marked on 3" in answer.text


def test_a_verdict_ends_the_claim_on_the_study(
    reader: FlaskClient, services: Services, read: ReadStudy
) -> None:
    with services.database.write() as session:
        user = session.scalars(select(User).where(User.username == "rita")).one()
        claims.take(session, read.study, user.id, 30)

    give_verdict(reader, read, any_verdict="agree")

    with services.database.read() as session:
        assert session.get(Claim, read.study) is None


def test_what_is_wrong_is_told_and_nothing_typed_is_lost(
    reader: FlaskClient, services: Services, read: ReadStudy
) -> None:
    foreign = add_read_study(services).slices[0]
    wrong = [
        ({"any_verdict": "perhaps"}, "any: Not a valid choice"),
        ({"slice_verdicts": "{"}, "did not arrive as they were sent"),
        ({"any_here": "present", "instance": foreign}, "does not belong to this series"),
        ({"regions": region(read, x1=COLUMNS + 1)}, "does not lie inside its"),
        ({"regions": region(read), "any_verdict": "absent"}, "any is said to be absent"),
    ]

    for fields, told in wrong:
        answer = give_verdict(
            reader, read, comment="What I typed.", epidural_reason="motion", **fields
        )
        assert answer.status_code == 400
        assert told in answer.text
        assert "What I typed.</textarea>" in answer.text
        assert '<option selected value="motion">' in answer.text
        assert escape(fields.get("regions", "")) in answer.text
    assert rows(services) == []


def test_the_form_begins_with_the_own_verdict(
    reader: FlaskClient, app: Flask, read: ReadStudy
) -> None:
    give_verdict(reader, read, any_verdict="agree", any_reason="other", comment="Mine.")

    page = reader.get(f"{read.path}?series={read.series}").text
    others = new_reader(app, "rob").get(f"{read.path}?series={read.series}").text

    assert '<option selected value="agree">agree</option>' in page
    assert "Mine.</textarea>" in page
    assert '<option selected value="agree">' not in others


def test_one_button_agrees_or_disagrees_with_a_reason(
    reader: FlaskClient, services: Services, read: ReadStudy
) -> None:
    give_verdict(reader, read, quick="agree")
    address = f"{read.path}/reviews?series={read.series}&label=subdural"
    send(reader, address, analysis=read.analysis, quick="disagree:artefact")

    agreed, disagreed = rows(services)
    assert agreed.verdicts == {"any": "agree"}
    assert (disagreed.verdicts, disagreed.reasons) == (
        {"subdural": "disagree"},
        {"subdural": "artefact"},
    )


def test_one_button_says_that_the_rest_is_absent(
    reader: FlaskClient, services: Services, read: ReadStudy
) -> None:
    give_verdict(reader, read, subdural_verdict="agree", quick="rest absent")

    (kept,) = rows(services)
    absent = ("epidural", "intraparenchymal", "intraventricular", "subarachnoid")
    assert kept.verdicts == {"any": "present", "subdural": "agree"} | dict.fromkeys(
        absent, "absent"
    )


def test_undo_withdraws_the_newest_own_verdict_and_keeps_both_rows(
    reader: FlaskClient, services: Services, read: ReadStudy
) -> None:
    give_verdict(reader, read, any_verdict="agree")
    give_verdict(reader, read, any_verdict="disagree")

    page = send(reader, f"{read.path}/reviews/undo").text

    first, second, withdrawal = rows(services)
    assert withdrawal.withdraws == second.id
    assert re.search(r"\(withdrawn\):\s+any <em>disagree", page)
    assert re.search(r"\(counts\):\s+any <em>agree", page)
    assert is_reviewed(services, read)

    send(reader, f"{read.path}/reviews/undo")

    assert rows(services)[-1].withdraws == first.id
    assert not is_reviewed(services, read)


def test_nobody_withdraws_what_another_said(
    reader: FlaskClient, app: Flask, services: Services, read: ReadStudy
) -> None:
    give_verdict(reader, read, any_verdict="agree")

    page = send(new_reader(app, "rob"), f"{read.path}/reviews/undo").text

    assert "There is no verdict of yours to withdraw." in page
    assert len(rows(services)) == 1


def test_a_study_whose_verdict_was_taken_back_is_next_again(
    reader: FlaskClient, read: ReadStudy
) -> None:
    give_verdict(reader, read, **{"any-verdict": "agree"})
    assert reader.get("/next").location == "/"

    send(reader, f"{read.path}/reviews/undo")

    assert reader.get("/next").location == read.path


POSTS = ("reviews", "reviews/undo", "impression", "impression/skip")


def test_without_its_token_nothing_is_stored(
    reader: FlaskClient, services: Services, read: ReadStudy
) -> None:
    for path in POSTS:
        data = {"any-verdict": "agree", "any": "undecided"}
        assert reader.post(f"{read.path}/{path}", data=data).status_code == 400
    assert rows(services) == []


def test_a_visitor_stores_nothing(client: FlaskClient, services: Services, read: ReadStudy) -> None:
    data = {"csrf_token": csrf_token(client, "/login"), "any-verdict": "agree", "any": "undecided"}
    for path in POSTS:
        answer = client.post(f"{read.path}/{path}", data=data)
        assert "/login" in answer.headers["Location"]
    assert rows(services) == []


# ----------------------------------------------------------------------------- second reader


def test_a_second_reader_stands_beside_the_first(
    reader: FlaskClient, app: Flask, read: ReadStudy
) -> None:
    give_verdict(reader, read, any_verdict="present", subdural_verdict="present")
    page = give_verdict(new_reader(app, "rob"), read, any_verdict="absent").text

    assert page.count("(counts)") == 2
    assert re.search(r"Readers disagree</strong> on any, subdural", page)
    assert "rita and rob: 0 % alike" in page.replace("  ", " ")


def test_an_adjudication_settles_what_readers_differ_on(
    reader: FlaskClient, app: Flask, services: Services, read: ReadStudy
) -> None:
    give_verdict(reader, read, any_verdict="present")
    give_verdict(new_reader(app, "rob"), read, any_verdict="absent")
    third = new_reader(app, "tom")
    assert "Save as adjudication" in third.get(read.path).text

    page = give_verdict(third, read, any_verdict="present", kind="adjudication").text

    assert "Readers disagree" not in page
    assert rows(services)[-1].kind == "adjudication"

    page = send(third, f"{read.path}/reviews/undo").text

    assert "Readers disagree" in page


def test_who_disagrees_does_not_settle_it_but_an_administrator_may(
    reader: FlaskClient, app: Flask, services: Services, read: ReadStudy
) -> None:
    give_verdict(reader, read, any_verdict="present")
    administrator = log_in(app.test_client(), "ada")
    give_verdict(administrator, read, any_verdict="absent")

    refused = give_verdict(reader, read, any_verdict="present", kind="adjudication")
    accepted = give_verdict(administrator, read, any_verdict="absent", kind="adjudication")

    assert refused.status_code == 403
    assert accepted.status_code == 200
    assert [row.kind for row in rows(services)] == ["verdict", "verdict", "adjudication"]


def test_without_a_disagreement_nothing_is_settled(reader: FlaskClient, read: ReadStudy) -> None:
    assert give_verdict(reader, read, any_verdict="agree", kind="adjudication").status_code == 403


def test_a_wanted_second_reader_is_not_told_what_the_first_said(
    reader: FlaskClient, app: Flask, services: Services, read: ReadStudy
) -> None:
    turn_on(services, second_reader=True)
    give_verdict(reader, read, any_verdict="agree", comment="Clear as day.")
    second = new_reader(app, "rob")

    before = second.get(read.path).text
    interface = second.get(f"/api/studies/{read.study}").get_json()

    assert "Clear as day." not in before
    assert "Another reader has decided." in before
    assert interface["reviews"] == []
    assert not is_reviewed(services, read)

    after = give_verdict(second, read, any_verdict="agree").text

    assert "Clear as day." in after
    assert is_reviewed(services, read)


def test_the_interface_tells_what_readers_said(reader: FlaskClient, read: ReadStudy) -> None:
    give_verdict(reader, read, any_here="present", instance=read.slices[0], regions=region(read))

    (review,) = reader.get(f"/api/studies/{read.study}").get_json()["reviews"]

    assert review["username"] == "rita"
    (uid,) = review["slice_verdicts"]["any"]
    assert uid.endswith(".1.1")
    assert review["regions"][0]["sop_instance_uid"].endswith(".1.3")


# -------------------------------------------------------------------------------- settings


def test_a_choice_of_the_site_is_kept_with_its_history(
    administrator: FlaskClient, services: Services
) -> None:
    send(administrator, "/admin/settings", seen="0", image_first="y")
    page = send(administrator, "/admin/settings", seen="1", second_reader="y").text

    assert page.count("<td>ada</td>") == 3
    assert "tells how urgent a study is" in page
    with services.database.read() as session:
        assert site_settings(session) == SiteSettings(image_first=False, second_reader=True)


def test_readers_choose_nothing_for_the_site(reader: FlaskClient, services: Services) -> None:
    assert reader.get("/admin/settings").status_code == 403
    assert reader.get("/admin/agreement").status_code == 403
    assert send(reader, "/admin/settings", seen="0", image_first="y").status_code == 403
    assert "Settings" not in reader.get("/account").text


def test_without_its_token_no_setting_changes(
    administrator: FlaskClient, services: Services
) -> None:
    data = {"seen": "0", "image_first": "y"}
    assert administrator.post("/admin/settings", data=data).status_code == 400
