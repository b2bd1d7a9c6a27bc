"""Alembic's entry point: runs the migrations on the database that the caller named."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from app.db import audit, reading, retention, site  # noqa: F401  # their tables belong to the schema
from app.db.models import Base, UtcDateTime
from app.db.session import Database


def render_item(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """Migrations name plain column types: they must not change when the models do."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


database = Database(context.config.attributes["url"])
with database.engine.begin() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        render_item=render_item,
    )
    with context.begin_transaction():
        context.run_migrations()
database.engine.dispose()
