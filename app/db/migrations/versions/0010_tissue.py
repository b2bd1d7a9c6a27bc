"""Level and noise of the brain in a series, in HU."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

COLUMNS = ("tissue_hu", "noise_hu")


def upgrade() -> None:
    # What was analysed before was not measured: these stay empty.
    for name in COLUMNS:
        op.add_column("analysis", sa.Column(name, sa.Double(), nullable=True))


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_column("analysis", name)
