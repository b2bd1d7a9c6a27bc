"""Whose word counts for a study, on every database."""

from typing import Any

import pytest

from app.db.models import Review, Study, User
from app.services import Services
from app.site import SiteSettings, setting_history, site_settings
from app.study_state import refresh_study
from app.verdicts.record import (
    ADJUDICATION,
    FIRST_IMPRESSION,
    VERDICT,
    WITHDRAWAL,
    Standing,
    finding_hidden,
    may_adjudicate,
    of_impression,
    reviews_of,
    said,
    shown_to,
    standing,
)
from clinic import turn_on
from model.labels import SUBTYPES
from read_study import ReadStudy, add_read_study

ON_EVERY_DATABASE = True


@pytest.fixture
def read(services: Services) -> ReadStudy:
    with services.database.write() as session:
        session.add_all(
            User(id=name, username=name, password_hash="", role="reader")
            for name in ("rita", "rob", "tom")
        )
    return add_read_study(services)


def store(services: Services, read: ReadStudy, user: str, **more: Any) -> Review:
    facts = {"kind": VERDICT, "verdicts": {}, "reasons": {}, "comment": "", **more}
    facts |= {"study_id": read.study, "series_id": read.series, "analysis_id": read.analysis}
    with services.database.write() as session:
        row = Review(user_id=user, **facts)
        session.add(row)
        session.flush()
        refresh_study(session, read.study)
    return row


def standing_of(services: Services, read: ReadStudy) -> Standing:
    with services.database.read() as session:
        return standing(reviews_of(session, read.study), read.series)


def reviewed(services: Services, read: ReadStudy) -> bool:
    with services.database.read() as session:
        return session.get_one(Study, read.study).reviewed_at is not None


def disputed(services: Services, read: ReadStudy) -> bool:
    with services.database.read() as session:
        return session.get_one(Study, read.study).disputed


def test_of_each_reader_the_newest_counts_until_it_is_withdrawn(
    services: Services, read: ReadStudy
) -> None:
    first = store(services, read, "rita", verdicts={"any": "present"})
    others = store(services, read, "rob", verdicts={"any": "present"})
    second = store(services, read, "rita", verdicts={"any": "absent"})
    assert {row.id for row in standing_of(services, read).readers} == {second.id, others.id}
    assert standing_of(services, read).disagreements == ["any"]

    store(services, read, "rita", kind=WITHDRAWAL, withdraws=second.id)

    assert {row.id for row in standing_of(services, read).readers} == {first.id, others.id}
    assert standing_of(services, read).disagreements == []

    store(services, read, "rita", kind=WITHDRAWAL, withdraws=first.id)
    assert reviewed(services, read)
    store(services, read, "rob", kind=WITHDRAWAL, withdraws=others.id)
    assert not reviewed(services, read)


def test_a_first_impression_is_no_verdict(services: Services, read: ReadStudy) -> None:
    turn_on(services, image_first=True)
    with services.database.read() as session:
        assert finding_hidden(session, read.study, "rita")

    store(services, read, "rita", kind=FIRST_IMPRESSION, verdicts={"any": "undecided"})

    with services.database.read() as session:
        assert not finding_hidden(session, read.study, "rita")
        assert finding_hidden(session, read.study, "rob")
    assert standing_of(services, read).readers == []
    assert not reviewed(services, read)


def test_an_adjudication_settles_the_labels_that_it_speaks_of(
    services: Services, read: ReadStudy
) -> None:
    for user, word in (("rita", "present"), ("rob", "absent")):
        store(services, read, user, verdicts={"subdural": word, "epidural": word})
    before = standing_of(services, read)
    assert disputed(services, read)
    assert may_adjudicate(before, "tom", "reader")
    assert may_adjudicate(before, "rita", "administrator")
    assert not may_adjudicate(before, "rita", "reader")

    store(services, read, "tom", kind=ADJUDICATION, verdicts={"subdural": "absent"})

    after = standing_of(services, read)
    assert after.disagreements == ["epidural"]
    assert after.settled == {"subdural": "absent"}
    assert disputed(services, read)
    store(
        services,
        read,
        "tom",
        kind=ADJUDICATION,
        verdicts=dict.fromkeys(before.disagreements, "absent"),
    )
    assert not disputed(services, read)


def test_a_wanted_second_reader_decides_before_he_is_told(
    services: Services, read: ReadStudy
) -> None:
    turn_on(services, second_reader=True)
    store(services, read, "rita", verdicts={"any": "present"})
    assert not reviewed(services, read)

    def seen_by(user: str) -> int:
        with services.database.read() as session:
            return len(shown_to(session, reviews_of(session, read.study), user))

    assert (seen_by("rita"), seen_by("rob")) == (1, 0)

    store(services, read, "rob", verdicts={"any": "absent"})

    assert (seen_by("rob"), seen_by("tom")) == (2, 2)
    assert reviewed(services, read)


def test_a_verdict_means_what_follows_from_it(services: Services, read: ReadStudy) -> None:
    def meant(**verdicts: str) -> dict[str, str]:
        store(services, read, "rita", verdicts=verdicts)
        return said(standing_of(services, read).readers[-1])

    nothing = dict.fromkeys(("any", *SUBTYPES), "absent")
    assert meant(any="disagree") == nothing  # the finding was flagged
    assert meant(**dict.fromkeys(SUBTYPES, "absent")) == nothing
    assert meant(subarachnoid="disagree") == {"subarachnoid": "present", "any": "present"}
    assert meant(epidural="agree") == {}  # indeterminate
    assert of_impression("probably absent") == "absent"
    assert of_impression("undecided") == ""


def test_choices_of_the_site_are_followed_not_changed(services: Services, read: ReadStudy) -> None:
    assert turn_on(services, image_first=True) == ["image_first"]
    assert turn_on(services, image_first=True) == []
    assert turn_on(services, second_reader=True) == ["image_first", "second_reader"]

    with services.database.read() as session:
        assert site_settings(session) == SiteSettings(second_reader=True)
        told = [(row.key, row.value, row.user.username) for row in setting_history(session)]
    assert told[-1] == ("image_first", True, "rita")
    assert len(told) == 3
