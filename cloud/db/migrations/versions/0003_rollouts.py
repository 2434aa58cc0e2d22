"""How far each channel's newest version may go, and what each kiosk said of its version last."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rollouts",
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("percent", sa.Integer, nullable=False),
        sa.Column("hours", sa.String(11), nullable=False, server_default=""),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        sa.Column("forgiven", sa.Integer, nullable=False, server_default="0"),
        sa.Column("changed_at", sa.Float, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("channel", name="pk_rollouts"),
    )
    op.create_table(
        "rollout_changes",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_rollout_changes"),
    )
    op.create_table(
        "kiosk_versions",
        sa.Column("kiosk_id", sa.String(64), nullable=False),
        sa.Column("running", sa.Text, nullable=False, server_default=""),
        sa.Column("tried", sa.String(32), nullable=False, server_default=""),
        sa.Column("result", sa.String(9), nullable=False, server_default=""),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        sa.Column("result_at", sa.Float),
        sa.PrimaryKeyConstraint("kiosk_id", name="pk_kiosk_versions"),
    )
