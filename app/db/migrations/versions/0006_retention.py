"""What stays of removed studies, and which of their files are still to go."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    json = sa.JSON(none_as_null=True)
    op.create_table(
        "kept_analysis",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("series_id", sa.String(32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("states", json, nullable=True),
        sa.Column("model_name", sa.String(64), nullable=False),
        sa.Column("model_version", sa.String(32), nullable=False),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "kept_review",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("study_id", sa.String(32), nullable=False),
        sa.Column("series_id", sa.String(32), nullable=True),
        sa.Column("analysis_id", sa.String(32), nullable=True),
        sa.Column("user_id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("verdicts", json, nullable=False),
        sa.Column("reasons", json, nullable=False),
        sa.Column("withdraws", sa.String(32), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["analysis_id"], ["kept_analysis.id"]),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_kept_review_study_id", "kept_review", ["study_id"])
    op.create_table(
        "doomed_file",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("file_id", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("kind", "file_id"),
    )


def downgrade() -> None:
    op.drop_table("doomed_file")
    op.drop_table("kept_review")
    op.drop_table("kept_analysis")
