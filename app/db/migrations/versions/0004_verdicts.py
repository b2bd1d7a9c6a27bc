"""Verdicts on slices, regions, first impressions, withdrawals; what a site has chosen."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    json = sa.JSON(none_as_null=True)
    with op.batch_alter_table("review") as review:
        review.add_column(sa.Column("series_id", sa.String(32), nullable=True))
        # What was stored before is verdicts on whole series: there was nothing else.
        kind = sa.Column("kind", sa.String(24), nullable=False, server_default="verdict")
        review.add_column(kind)
        review.add_column(sa.Column("slice_verdicts", json, nullable=False, server_default="{}"))
        review.add_column(sa.Column("regions", json, nullable=False, server_default="[]"))
        review.add_column(sa.Column("withdraws", sa.String(32), nullable=True))
        review.create_foreign_key("fk_review_series", "series", ["series_id"], ["id"])
        review.create_foreign_key("fk_review_withdraws", "review", ["withdraws"], ["id"])
    op.execute(
        "UPDATE review SET series_id ="
        " (SELECT analysis.series_id FROM analysis WHERE analysis.id = review.analysis_id)"
    )
    op.create_table(
        "site_setting",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("changed_by", sa.String(32), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["changed_by"], ["user.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_site_setting_key", "site_setting", ["key"])


def downgrade() -> None:
    op.drop_table("site_setting")
    with op.batch_alter_table("review") as review:
        review.drop_constraint("fk_review_withdraws", type_="foreignkey")
        review.drop_constraint("fk_review_series", type_="foreignkey")
        for column in ("withdraws", "regions", "slice_verdicts", "kind", "series_id"):
            review.drop_column(column)
