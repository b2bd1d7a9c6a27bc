"""Studies on which readers differ, to be found by whoever settles it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Of studies that were judged before it is known with their next verdict.
    op.add_column(
        "study", sa.Column("disputed", sa.Boolean(), nullable=False, server_default=sa.false())
    )


def downgrade() -> None:
    op.drop_column("study", "disputed")
