"""What a site has chosen on its pages, typed, and who may still choose on what he saw."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session, joinedload

from app import display_windows
from app.audit.log import SETTING_CHANGED, record
from app.db.site import SiteSetting
from app.operating_points import NAMES as NAMES_OF_POINTS
from model.windowing import Window


@dataclass(frozen=True)
class SiteSettings:
    """The choices that hold."""

    image_first: bool = False
    """Readers look before the finding is shown to them."""
    second_reader: bool = False
    """A study is done when two readers have decided, neither knowing of the other."""
    windows: tuple[Window, ...] = display_windows.DEFAULTS
    """In which slices are shown; what the network sees never depends on it."""
    operating_points: Mapping[str, str] = field(default_factory=dict)
    """Label -> one of `app.operating_points.CHOICES`; for analyses from the choice on."""
    retention_days: int = 0
    """Studies are removed after so many days; 0 keeps them."""


NAMES: Final = tuple(one.name for one in fields(SiteSettings))


class SettingsChangedError(Exception):
    """Somebody chose in between; the message says who."""


def site_settings(session: Session) -> SiteSettings:
    """The choices that hold now; what was never chosen is as `SiteSettings` has it."""
    newest = (
        select(func.max(SiteSetting.id)).where(SiteSetting.key.in_(NAMES)).group_by(SiteSetting.key)
    )
    rows = session.scalars(select(SiteSetting).where(SiteSetting.id.in_(newest)))
    chosen = {row.key: row.value for row in rows}
    if "windows" in chosen:
        chosen["windows"] = display_windows.from_json(chosen["windows"])
    return SiteSettings(**chosen)


def choose(session: Session, settings: SiteSettings, user_id: str) -> list[str]:
    """Store what differs from what holds; returns the names of what was changed."""
    held = site_settings(session)
    changed = [name for name in NAMES if getattr(settings, name) != getattr(held, name)]
    for name in changed:
        value = _stored(name, settings)
        session.add(SiteSetting(key=name, value=value, changed_by=user_id))
        record(session, SETTING_CHANGED, user_id=user_id, **{name: value})
    return changed


def newest_choice(session: Session) -> int:
    """Id of what was chosen last, 0 if nothing was: what a page remembers until it is sent."""
    return session.scalar(select(func.max(SiteSetting.id))) or 0


def check_unchanged(session: Session, seen: int) -> None:
    """Keep others from choosing until this transaction ends; nobody may have since `seen`.

    Of two administrators who choose at the same time one waits, and is told of the other.

    Parameters
    ----------
    seen
        `newest_choice` as it was when the page was made.

    Raises
    ------
    SettingsChangedError
        Somebody has chosen.
    """
    if session.get_bind().dialect.name == "postgresql":
        # SQLite has one writer at a time.
        session.execute(text("LOCK TABLE site_setting IN SHARE ROW EXCLUSIVE MODE"))
    newest = session.scalar(
        select(SiteSetting)
        .where(SiteSetting.id > seen)
        .options(joinedload(SiteSetting.user))
        .order_by(SiteSetting.id.desc())
        .limit(1)
    )
    if newest is not None:
        raise SettingsChangedError(
            f"Nothing was saved: {newest.user.username} changed the settings after you opened "
            "this page. It shows what holds now; choose again."
        )


def setting_history(session: Session) -> list[SiteSetting]:
    """Every choice with its author, the newest first."""
    return list(
        session.scalars(
            select(SiteSetting)
            .options(joinedload(SiteSetting.user))
            .order_by(SiteSetting.id.desc())
            .limit(100)
        )
    )


def in_words(choice: SiteSetting) -> str:
    """What was chosen, as a reader reads it."""
    value = choice.value
    if choice.key == "windows":
        return ", ".join(f"{one['name']} {one['center']}/{one['width']}" for one in value)
    if choice.key == "operating_points":
        told = (f"{label}: {NAMES_OF_POINTS[name]} point alone" for label, name in value.items())
        return ", ".join(told) or "both points everywhere"
    if choice.key == "retention_days":
        return f"{value} days" if value else "off"
    return "on" if value else "off"


def _stored(name: str, settings: SiteSettings) -> Any:
    if name == "windows":
        return display_windows.to_json(settings.windows)
    return getattr(settings, name)
