"""What a site has chosen on its pages, typed: image first, and a second reader."""

from dataclasses import dataclass, fields
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from app.audit.log import SETTING_CHANGED, record
from app.db.site import SiteSetting


@dataclass(frozen=True)
class SiteSettings:
    """The choices that hold."""

    image_first: bool = False
    """Readers look before the finding is shown to them."""
    second_reader: bool = False
    """A study is done when two readers have decided, neither knowing of the other."""


NAMES: Final = tuple(field.name for field in fields(SiteSettings))


def site_settings(session: Session) -> SiteSettings:
    """The choices that hold now; what was never chosen is off."""
    rows = session.scalars(
        select(SiteSetting).where(SiteSetting.key.in_(NAMES)).order_by(SiteSetting.id)
    )
    return SiteSettings(**{row.key: bool(row.value) for row in rows})


def choose(session: Session, settings: SiteSettings, user_id: str) -> list[str]:
    """Store what differs from what holds; returns the names of what was changed."""
    held = site_settings(session)
    changed = [name for name in NAMES if getattr(settings, name) != getattr(held, name)]
    session.add_all(
        SiteSetting(key=name, value=getattr(settings, name), changed_by=user_id) for name in changed
    )
    for name in changed:
        record(session, SETTING_CHANGED, user_id=user_id, **{name: getattr(settings, name)})
    return changed


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
