"""The bot's memory, alerts, and what people settled by hand."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# SQLite's integers have 64 bits always, and PostgreSQL's where it is told so.
LARGE = sa.Integer().with_variant(sa.BigInteger, "postgresql")


def upgrade() -> None:
    _alerts()
    op.create_table(
        "resolutions",
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("before", sa.Text, nullable=False),
        sa.Column("told_at", sa.Float),
        sa.Column("told", sa.LargeBinary),
        sa.Column("contradicted_at", sa.Float),
        sa.Column("contradiction", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("request_id", name="pk_resolutions"),
        sa.ForeignKeyConstraint(
            ["request_id"], ["operations.request_id"], name="fk_resolutions_request_id", ondelete="CASCADE"
        ),
    )
    _bot()
    if op.get_context().dialect.name == "postgresql":
        op.create_index(
            "ix_operations_beginning",
            "operations",
            ["request_id"],
            postgresql_ops={"request_id": "varchar_pattern_ops"},
        )


def _alerts() -> None:
    op.create_table(
        "standing",
        sa.Column("kiosk_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("received_at", sa.Float, nullable=False),
        sa.Column("data", sa.Text, nullable=False, server_default="{}"),
        sa.PrimaryKeyConstraint("kiosk_id", "kind", "subject", name="pk_standing"),
    )
    op.create_index(
        "ix_standing_open",
        "standing",
        ["kiosk_id"],
        sqlite_where=sa.text("open IS 1"),
        postgresql_where=sa.text("open IS true"),
    )
    op.create_table(
        "alerts",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("kiosk_id", sa.String(64), nullable=False, server_default=""),
        sa.Column("subject", sa.String(64), nullable=False, server_default=""),
        sa.Column("severity", sa.String(8), nullable=False),
        sa.Column("since", sa.Float, nullable=False),
        sa.Column("raised_at", sa.Float, nullable=False),
        sa.Column("gone_at", sa.Float),
        sa.Column("cleared_at", sa.Float),
        sa.Column("escalated_at", sa.Float),
        sa.Column("acknowledged_at", sa.Float),
        sa.Column("acknowledged_by", sa.Text, nullable=False, server_default=""),
        sa.Column("data", sa.Text, nullable=False, server_default="{}"),
        sa.PrimaryKeyConstraint("number", name="pk_alerts"),
    )
    op.create_index(
        "uq_alerts_open",
        "alerts",
        ["kind", "kiosk_id", "subject"],
        unique=True,
        sqlite_where=sa.text("cleared_at IS NULL"),
        postgresql_where=sa.text("cleared_at IS NULL"),
    )
    op.create_index("ix_alerts_cleared_at", "alerts", ["cleared_at"])
    op.create_table(
        "alert_tellings",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("raised_at", sa.Float),
        sa.Column("repeated_at", sa.Float),
        sa.Column("escalated_at", sa.Float),
        sa.Column("cleared_at", sa.Float),
        sa.PrimaryKeyConstraint("number", "channel", name="pk_alert_tellings"),
        sa.ForeignKeyConstraint(["number"], ["alerts.number"], name="fk_alert_tellings_number", ondelete="CASCADE"),
    )
    op.create_table(
        "mutes",
        sa.Column("scope", sa.String(64), nullable=False),
        sa.Column("until", sa.Float, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("scope", name="pk_mutes"),
    )
    op.create_table(
        "presences",
        sa.Column("kiosk_id", sa.String(64), nullable=False),
        sa.Column("here", sa.Boolean, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("kiosk_id", name="pk_presences"),
    )


def _bot() -> None:
    op.create_table(
        "bot_updates",
        sa.Column("update_id", LARGE, nullable=False, autoincrement=False),
        sa.Column("received_at", sa.Float, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("begun_at", sa.Float),
        sa.Column("done_at", sa.Float),
        sa.PrimaryKeyConstraint("update_id", name="pk_bot_updates"),
    )
    op.create_index(
        "ix_bot_updates_open",
        "bot_updates",
        ["update_id"],
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.create_table(
        "bot_users",
        sa.Column("user_id", LARGE, nullable=False, autoincrement=False),
        sa.Column("language", sa.String(2), nullable=False),
        sa.Column("changed_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_bot_users"),
    )
    op.create_table(
        "bot_asks",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("chat_id", LARGE, nullable=False),
        sa.Column("user_id", LARGE, nullable=False),
        sa.Column("message_id", LARGE),
        sa.Column("made_at", sa.Float, nullable=False),
        sa.Column("until", sa.Float, nullable=False),
        sa.Column("used_at", sa.Float),
        sa.PrimaryKeyConstraint("id", name="pk_bot_asks"),
    )
    op.create_index("ix_bot_asks_until", "bot_asks", ["until"])
