"""The first tables: kiosks, API keys, operations, callbacks, events."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_LARGE = sa.Integer().with_variant(sa.BigInteger, "postgresql")


def upgrade() -> None:
    op.create_table(
        "kiosks",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False, server_default=""),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("removed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_kiosks"),
    )
    op.create_index("ix_kiosks_revision", "kiosks", ["revision"])
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("revoked", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("callback_url", sa.Text),
        sa.Column("callback_secret", sa.Text),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )
    op.create_index("ix_api_keys_revision", "api_keys", ["revision"])
    op.create_table(
        "operations",
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("kiosk_id", sa.String(64), nullable=False),
        sa.Column("operation", sa.String(64), nullable=False),
        sa.Column("method", sa.String(4), nullable=False),
        sa.Column("delivery", sa.String(5), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("api_key_id", sa.String(16)),
        sa.Column("idempotency_key", sa.String(255)),
        sa.Column("fingerprint", sa.String(64)),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("final", sa.Boolean, nullable=False),
        sa.Column("executed", sa.String(7)),
        sa.Column("status", _LARGE),
        sa.Column("answer", sa.LargeBinary),
        sa.Column("problem", sa.String(32)),
        sa.Column("detail", sa.Text),
        sa.Column("elapsed", sa.Float),
        sa.Column("journal", sa.String(64), nullable=False, server_default=""),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("start_by", sa.Float),
        sa.Column("sent_at", sa.Float),
        sa.Column("accepted_at", sa.Float),
        sa.Column("finished_at", sa.Float),
        sa.PrimaryKeyConstraint("request_id", name="pk_operations"),
    )
    op.create_index("ix_operations_created_at", "operations", ["created_at"])
    op.create_index(
        "uq_operations_idempotency_key",
        "operations",
        ["idempotency_key"],
        unique=True,
        sqlite_where=sa.text("idempotency_key IS NOT NULL"),
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )
    op.create_index("ix_operations_kiosk", "operations", ["kiosk_id", "created_at"])
    op.create_index(
        "ix_operations_open",
        "operations",
        ["kiosk_id", "created_at"],
        sqlite_where=sa.text("final IS 0"),
        postgresql_where=sa.text("final IS false"),
    )
    op.create_table(
        "callbacks",
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("api_key_id", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_at", sa.Float),
        sa.Column("delivered_at", sa.Float),
        sa.Column("last_error", sa.Text),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_callbacks"),
        sa.ForeignKeyConstraint(
            ["request_id"], ["operations.request_id"], name="fk_callbacks_request_id", ondelete="CASCADE"
        ),
    )
    op.create_index(
        "ix_callbacks_due",
        "callbacks",
        ["next_at"],
        sqlite_where=sa.text("next_at IS NOT NULL"),
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_table(
        "events",
        sa.Column("kiosk_id", sa.String(64), nullable=False),
        sa.Column("journal", sa.String(64), nullable=False),
        sa.Column("seq", _LARGE, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("received_at", sa.Float, nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("device", sa.String(64), nullable=False, server_default=""),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("kiosk_id", "journal", "seq", name="pk_events"),
    )
    op.create_index("ix_events_received_at", "events", ["received_at"])
