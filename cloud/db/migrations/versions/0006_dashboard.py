"""Accounts and sessions of the dashboard, what people did, connections, and figures for charts."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# SQLite's integers have 64 bits always, and PostgreSQL's where it is told so.
LARGE = sa.Integer().with_variant(sa.BigInteger, "postgresql")


def upgrade() -> None:
    _accounts()
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("door", sa.String(16), nullable=False),
        sa.Column("address", sa.String(64), nullable=False, server_default=""),
        sa.Column("act", sa.String(48), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False, server_default=""),
        sa.Column("data", sa.Text, nullable=False, server_default="{}"),
        sa.PrimaryKeyConstraint("number", name="pk_audit"),
    )
    op.create_index("ix_audit_subject", "audit", ["subject", "number"])
    op.create_index("ix_audit_who", "audit", ["who", "number"])
    op.create_index("ix_audit_act", "audit", ["act", "number"])
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_table(
        "connections",
        sa.Column("number", LARGE, autoincrement=False, nullable=False),
        sa.Column("kiosk_id", sa.String(64), nullable=False),
        sa.Column("refused", sa.Boolean, nullable=False),
        sa.Column("began_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        sa.Column("why", sa.String(16), nullable=False, server_default=""),
        sa.Column("code", LARGE),
        sa.Column("words", sa.Text, nullable=False, server_default=""),
        sa.Column("address", sa.String(64), nullable=False, server_default=""),
        sa.Column("version", sa.Text, nullable=False, server_default=""),
        sa.Column("dialect", sa.String(8), nullable=False, server_default=""),
        sa.Column("boot_id", sa.String(64), nullable=False, server_default=""),
        sa.Column("count", sa.Integer, nullable=False, server_default="1"),
        sa.PrimaryKeyConstraint("number", name="pk_connections"),
    )
    op.create_index("ix_connections_kiosk", "connections", ["kiosk_id", "refused", "number"])
    op.create_index("ix_connections_began_at", "connections", ["began_at"])
    is_open = sa.text("ended_at IS NULL")
    op.create_index("ix_connections_open", "connections", ["number"], sqlite_where=is_open, postgresql_where=is_open)
    given_up = sa.text("next_at IS NULL AND delivered_at IS NULL")
    op.create_index(
        "ix_callbacks_given_up",
        "callbacks",
        ["created_at", "api_key_id"],
        sqlite_where=given_up,
        postgresql_where=given_up,
    )
    op.create_table(
        "figures",
        sa.Column("width", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("at", sa.Integer, autoincrement=False, nullable=False),
        *(
            sa.Column(name, sa.Integer, nullable=False)
            for name in ("succeeded", "failed", "not_executed", "unknown", "running", "refused")
        ),
        sa.Column("took", sa.Text, nullable=False, server_default="[]"),
        sa.PrimaryKeyConstraint("width", "at", name="pk_figures"),
    )
    op.create_table(
        "fleet_figures",
        sa.Column("width", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("at", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("here", sa.Integer, nullable=False),
        sa.Column("enabled", sa.Integer, nullable=False),
        sa.Column("unknown", sa.Integer, nullable=False),
        sa.Column("alerts", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("width", "at", name="pk_fleet_figures"),
    )


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("role", sa.String(8), nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("password", sa.String(255)),
        sa.Column("totp_secret", sa.String(64)),
        sa.Column("totp_offered", sa.String(64)),
        sa.Column("totp_used", LARGE),
        sa.Column("language", sa.String(2), nullable=False, server_default=""),
        sa.Column("signed_in_at", sa.Float),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("changed_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("name", name="uq_accounts_name"),
    )
    op.create_table(
        "account_tries",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("locked_until", sa.Float, nullable=False, server_default="0"),
        sa.Column("at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_account_tries"),
    )
    op.create_index("ix_account_tries_at", "account_tries", ["at"])
    op.create_table(
        "account_links",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("account_id", sa.Integer),
        sa.Column("made_at", sa.Float, nullable=False),
        sa.Column("until", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_account_links"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_account_links_account_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "account_sessions",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("account_id", sa.Integer, nullable=False),
        sa.Column("made_at", sa.Float, nullable=False),
        sa.Column("seen_at", sa.Float, nullable=False),
        sa.Column("until", sa.Float, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("agent", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("hash", name="pk_account_sessions"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_account_sessions_account_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_account_sessions_account", "account_sessions", ["account_id"])


def downgrade() -> None:
    op.drop_index("ix_callbacks_given_up", "callbacks")
    for table in (
        "account_sessions", "account_links", "account_tries", "accounts", "audit", "connections", "figures",
        "fleet_figures",
    ):  # fmt: skip
        op.drop_table(table)
