"""What the heat maps of an analysis show."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What was analysed before has class activation maps: there were no others.
    kind = sa.Column("heat", sa.String(32), nullable=False, server_default="class activation map")
    op.add_column("analysis", kind)


def downgrade() -> None:
    op.drop_column("analysis", "heat")
