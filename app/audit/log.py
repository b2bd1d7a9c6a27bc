"""Who did what, and when: each event is written once, beside what it tells of."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.audit import AuditEvent
from app.db.models import Analysis, now
from app.db.session import Database

LOGIN, LOGIN_FAILED, LOGOUT = "login", "login failed", "logout"
STUDY_OPENED, FINDING_ASKED_FOR = "study opened", "finding asked for"
IMPRESSION_STORED, VERDICT_SAVED = "first impression stored", "verdict saved"
ADJUDICATED, VERDICT_UNDONE = "disagreement settled", "verdict undone"
CLAIMED, RELEASED, TAKEN_OVER = "study claimed", "study released", "study taken over"
SETTING_CHANGED = "setting changed"
USER_ADDED, USER_BLOCKED, USER_UNBLOCKED = "user added", "user blocked", "user unblocked"
ROLE_CHANGED = "role changed"
PASSWORD_RESET, PASSWORD_CHANGED = "password reset", "password changed"
UPLOADED, LABELS_EXPORTED, AUDIT_EXPORTED = "upload", "labels exported", "audit exported"
REPORT_DOWNLOADED, WORKLIST_EXPORTED = "report downloaded", "worklist exported"
STUDY_REMOVED = "study removed"

ACTIONS: Final = (
    LOGIN, LOGIN_FAILED, LOGOUT, STUDY_OPENED, FINDING_ASKED_FOR, IMPRESSION_STORED,
    VERDICT_SAVED, ADJUDICATED, VERDICT_UNDONE, CLAIMED, RELEASED, TAKEN_OVER,
    SETTING_CHANGED, USER_ADDED, USER_BLOCKED, USER_UNBLOCKED, ROLE_CHANGED,
    PASSWORD_RESET, PASSWORD_CHANGED, UPLOADED, REPORT_DOWNLOADED, WORKLIST_EXPORTED,
    LABELS_EXPORTED, AUDIT_EXPORTED, STUDY_REMOVED,
)  # fmt: skip

OF_REVIEW: Final = {
    "verdict": VERDICT_SAVED,
    "adjudication": ADJUDICATED,
    "withdrawal": VERDICT_UNDONE,
    "first impression": IMPRESSION_STORED,
    "impression skipped": FINDING_ASKED_FOR,
}
"""Kind of a stored review (`app.verdicts.record.KINDS`) -> action."""

LEAFING: Final = timedelta(minutes=10)
"""Within it, the same study opened again as it was is one event: slices are pages, too."""


def record(
    session: Session,
    action: str,
    *,
    user_id: str | None = None,
    study_id: str | None = None,
    **details: Any,
) -> None:
    """Add an event to the session's transaction: both become true together, or neither.

    Parameters
    ----------
    action
        One of `ACTIONS`.
    user_id
        Who did it; None for a command, and for a login under a name that is no account.
    details
        What else is to be known, as JSON; never a patient's name.
    """
    session.add(AuditEvent(action=action, user_id=user_id, study_id=study_id, details=details))


def record_opened(
    database: Database,
    user_id: str,
    study_id: str,
    shown: Sequence[Analysis],
    *,
    hidden: bool = False,
    form: str = "page",
) -> None:
    """Tell which analyses of a study a user was shown, with model and thresholds.

    Parameters
    ----------
    shown
        The analyses that the answer tells of.
    hidden
        Whether the finding was kept from the user (image first).
    form
        As what the study was sent: page or JSON.
    """
    details = _shown_details(shown, hidden=hidden, form=form)
    with database.read() as session:
        newest = session.scalar(
            select(AuditEvent)
            .where(AuditEvent.user_id == user_id, AuditEvent.at >= now() - LEAFING)
            .order_by(AuditEvent.id.desc())
            .limit(1)
        )
    if newest and (newest.study_id, newest.details) == (study_id, details):
        return
    with database.write() as session:
        record(session, STUDY_OPENED, user_id=user_id, study_id=study_id, **details)


def record_downloaded(
    database: Database, user_id: str, study_id: str, told: Sequence[Analysis], *, form: str
) -> None:
    """Tell that a user took a study's report along, each time, with the analyses that it tells of.

    Parameters
    ----------
    form
        The kind of file: PDF or JSON.
    """
    details = _shown_details(told, hidden=False, form=form)
    with database.write() as session:
        record(session, REPORT_DOWNLOADED, user_id=user_id, study_id=study_id, **details)


def _shown_details(shown: Sequence[Analysis], *, hidden: bool, form: str) -> dict[str, Any]:
    found = "shown" if shown else "none yet"
    return {
        "finding": "hidden" if hidden else found,
        "as": form,
        "analyses": [_facts(analysis) for analysis in shown],
    }


def _facts(analysis: Analysis) -> dict[str, Any]:
    return {
        "analysis": analysis.id,
        "model_version": analysis.model_version,
        "model_sha256": analysis.model_sha256,
        "thresholds": {
            label: [points[name]["threshold"] for name in ("screen", "alert")]
            for label, points in analysis.thresholds.items()
        },
    }
