"""How long the hub has run, so that a wrong clock alone makes nothing old."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lived_days",
        sa.Column("day", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("boundary", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("day", name="pk_lived_days"),
    )
