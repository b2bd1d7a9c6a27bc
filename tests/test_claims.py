"""One reader a study, also where two want it in the same instant."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import NoResultFound

from app.db.models import User, now
from app.db.reading import Claim
from app.services import Services
from app.worklist import claims
from app.worklist.claims import StudyClaimedError
from clinic import new_study

ON_EVERY_DATABASE = True

MINUTES = 30
READERS = tuple(f"reader-{number}" for number in range(6))


@pytest.fixture
def study_id(services: Services) -> str:
    """A study, and readers who want it; their ids are their names."""
    with services.database.write() as session:
        session.add_all(
            User(id=name, username=name, password_hash="", role="reader") for name in READERS
        )
        study = new_study()
        session.add(study)
        session.flush()
        return study.id


def take(services: Services, study_id: str, reader: str, over_from: str = "") -> None:
    with services.database.write() as session:
        claims.take(session, study_id, reader, MINUTES, over_from=over_from)


def held_by(services: Services, study_id: str) -> str | None:
    with services.database.read() as session:
        holder = claims.holder_of(session, study_id, MINUTES)
        return holder.username if holder else None


def let_claim_lapse(services: Services, study_id: str) -> None:
    with services.database.write() as session:
        session.get_one(Claim, study_id).taken_at = now() - timedelta(minutes=MINUTES, seconds=1)


def race(services: Services, study_id: str, over_from: str = "") -> tuple[list[str], list[str]]:
    """All but the first reader want it at once: who got it, and whom the others were told of."""
    start = threading.Barrier(len(READERS) - 1)
    won: list[str] = []
    told: list[str] = []

    def want(reader: str) -> None:
        start.wait()
        try:
            take(services, study_id, reader, over_from)
        except StudyClaimedError as error:
            told.append(error.holder.username)
        else:
            won.append(reader)

    threads = [threading.Thread(target=want, args=(reader,)) for reader in READERS[1:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return won, told


def test_of_all_who_want_a_study_at_once_one_gets_it(services: Services, study_id: str) -> None:
    won, told = race(services, study_id)

    assert len(won) == 1
    assert told == won * (len(READERS) - 2)
    assert held_by(services, study_id) == won[0]


def test_a_lapsed_claim_goes_to_one_of_all_who_want_it(services: Services, study_id: str) -> None:
    take(services, study_id, READERS[0])
    let_claim_lapse(services, study_id)

    won, told = race(services, study_id)

    assert len(won) == 1
    assert told == won * (len(READERS) - 2)


def test_a_study_is_taken_over_once(services: Services, study_id: str) -> None:
    take(services, study_id, READERS[0])

    won, told = race(services, study_id, over_from=READERS[0])

    assert len(won) == 1
    assert told == won * (len(READERS) - 2)


def test_a_claimed_study_is_refused_to_others(services: Services, study_id: str) -> None:
    take(services, study_id, "reader-0")

    with pytest.raises(StudyClaimedError, match="reader-0 is reading study"):
        take(services, study_id, "reader-1")

    assert held_by(services, study_id) == "reader-0"


def test_a_claim_lapses(services: Services, study_id: str) -> None:
    take(services, study_id, "reader-0")

    let_claim_lapse(services, study_id)

    assert held_by(services, study_id) is None
    take(services, study_id, "reader-1")
    assert held_by(services, study_id) == "reader-1"


def test_who_takes_a_study_again_keeps_it_longer(services: Services, study_id: str) -> None:
    take(services, study_id, "reader-0")
    let_claim_lapse(services, study_id)

    take(services, study_id, "reader-0")

    assert held_by(services, study_id) == "reader-0"


def test_what_is_released_is_free(services: Services, study_id: str) -> None:
    take(services, study_id, "reader-0")

    with services.database.write() as session:
        claims.release(session, study_id)

    with services.database.read() as session:
        assert session.scalars(select(Claim)).all() == []
    take(services, study_id, "reader-1")


def test_there_is_no_claim_on_what_does_not_exist(services: Services, study_id: str) -> None:
    with pytest.raises(NoResultFound, match="No row"):
        take(services, "none", "reader-0")
