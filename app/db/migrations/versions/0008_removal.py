"""Indexes of what refers to rows that are removed: for each of them the database looks it up."""

from typing import Final

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

COLUMNS: Final = (
    ("slice_result", "instance_id"),
    ("uploaded_file", "series_id"),
    ("review", "series_id"),
    ("review", "analysis_id"),
    ("review", "withdraws"),
)


def upgrade() -> None:
    for table, column in COLUMNS:
        op.create_index(f"ix_{table}_{column}", table, [column])


def downgrade() -> None:
    for table, column in COLUMNS:
        op.drop_index(f"ix_{table}_{column}", table)
