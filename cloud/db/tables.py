"""The tables. Migrations make them; a test keeps both equal.

Times are Unix seconds (REAL), so that one statement serves SQLite and PostgreSQL. `revision` grows with every change
of a row: a running hub sees in it what the command line did.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite's integers have 64 bits always, and PostgreSQL's where it is told so.
LARGE = Integer().with_variant(BigInteger, "postgresql")

kiosks = Table(
    "kiosks",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", Text, nullable=False, server_default=""),
    Column("enabled", Boolean, nullable=False),
    Column("generation", Integer, nullable=False),  # of the token in force
    Column("removed", Boolean, nullable=False, server_default=false()),  # kept: its operations name it
    Column("created_at", Float, nullable=False),
    Column("revision", Integer, nullable=False, index=True),
    # The key its hello must be signed with, raw Ed25519 as base64url; NULL: its token is enough.
    Column("public_key", String(43)),
    Column("enrolled_at", Float),
    Column("enrolled_from", String(64)),  # address
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", Text, nullable=False),
    Column("hash", String(64), nullable=False),  # SHA-256 of the secret part, which has 192 random bits
    Column("revoked", Boolean, nullable=False, server_default=false()),
    Column("callback_url", Text),
    Column("callback_secret", Text),  # as given to the backend: signing needs it
    Column("created_at", Float, nullable=False),
    Column("revision", Integer, nullable=False, index=True),
)

operations = Table(
    "operations",
    metadata,
    Column("request_id", String(64), primary_key=True),
    Column("kiosk_id", String(64), nullable=False),
    Column("operation", String(64), nullable=False),
    Column("method", String(4), nullable=False),
    Column("delivery", String(5), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("api_key_id", String(16)),
    Column("idempotency_key", String(255)),
    Column("fingerprint", String(64)),
    Column("state", String(10), nullable=False),
    Column("final", Boolean, nullable=False),
    Column("executed", String(7)),  # as the kiosk said; NULL until it said anything
    Column("status", LARGE),  # as large as a kiosk may say it
    Column("answer", LargeBinary),
    Column("problem", String(32)),
    Column("detail", Text),
    Column("elapsed", Float),
    Column("journal", String(64), nullable=False, server_default=""),  # the kiosk's, when first sent
    Column("created_at", Float, nullable=False),
    Column("start_by", Float),  # only for operations that wait for their kiosk
    Column("sent_at", Float),
    Column("accepted_at", Float),
    Column("finished_at", Float),
)
Index("ix_operations_created_at", operations.c.created_at)
Index(
    "uq_operations_idempotency_key",
    operations.c.idempotency_key,
    unique=True,
    sqlite_where=operations.c.idempotency_key.is_not(None),
    postgresql_where=operations.c.idempotency_key.is_not(None),
)
Index("ix_operations_kiosk", operations.c.kiosk_id, operations.c.created_at)
Index(
    "ix_operations_open",
    operations.c.kiosk_id,
    operations.c.created_at,
    sqlite_where=operations.c.final.is_(False),
    postgresql_where=operations.c.final.is_(False),
)

callbacks = Table(
    "callbacks",
    metadata,
    # One for each operation: it has one final state.
    Column("request_id", String(64), ForeignKey("operations.request_id", ondelete="CASCADE"), primary_key=True),
    Column("api_key_id", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_at", Float),  # NULL: delivered, or given up
    Column("delivered_at", Float),
    Column("last_error", Text),
    Column("created_at", Float, nullable=False),
)
Index(
    "ix_callbacks_due",
    callbacks.c.next_at,
    sqlite_where=callbacks.c.next_at.is_not(None),
    postgresql_where=callbacks.c.next_at.is_not(None),
)

events = Table(
    "events",
    metadata,
    Column("kiosk_id", String(64), primary_key=True),
    Column("journal", String(64), primary_key=True),  # a kiosk that lost its journal counts anew
    Column("seq", LARGE, primary_key=True),
    Column("at", Float, nullable=False),  # by the kiosk's clock
    Column("received_at", Float, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("device", String(64), nullable=False, server_default=""),
    Column("data", LargeBinary, nullable=False),
)
Index("ix_events_received_at", events.c.received_at)

lived_days = Table(
    "lived_days",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),  # of its running, not of a calendar
    Column("seconds", Float, nullable=False),  # of that day that are over, by the monotonic clock
    Column("boundary", Float, nullable=False),  # the least of those before which rows counted as old
)

rollouts = Table(
    "rollouts",
    metadata,
    Column("channel", String(32), primary_key=True),
    Column("version", String(32), nullable=False),
    Column("percent", Integer, nullable=False),
    Column("hours", String(11), nullable=False, server_default=""),  # the kiosks' local time; empty: their own
    Column("paused", Boolean, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),  # why it is paused, where the hub did it
    Column("forgiven", Integer, nullable=False, server_default="0"),  # failures that were known when it was resumed
    Column("changed_at", Float, nullable=False),
    Column("changed_by", Text, nullable=False),
)

rollout_changes = Table(
    "rollout_changes",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("by", Text, nullable=False),
    Column("channel", String(32), nullable=False),
    Column("words", Text, nullable=False),
)

kiosk_versions = Table(
    "kiosk_versions",
    metadata,
    # No foreign key: a kiosk's events are taken whatever the registry says meanwhile.
    Column("kiosk_id", String(64), primary_key=True),
    Column("running", Text, nullable=False, server_default=""),  # as its last hello said
    Column("tried", String(32), nullable=False, server_default=""),  # the version its last word on updates was about
    Column("result", String(9), nullable=False, server_default=""),  # installed, confirmed, failed
    Column("reason", Text, nullable=False, server_default=""),
    Column("result_at", Float),  # by the hub's clock
)

codes = Table(
    "enrolment_codes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kiosk_id", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),  # keyed by the hub's secret: these rows reveal no code
    Column("made_by", String(16), nullable=False),
    Column("made_at", Float, nullable=False),
    Column("lived", Float, nullable=False, server_default="0"),  # seconds a hub has run since, by a clock nobody sets
    Column("used_at", Float),
    Column("used_from", String(64)),
    Column("public_key", String(43)),  # it was used with
    Column("ended", String(16)),  # why it is good for nothing any more; NULL: it may be
)
Index(
    "uq_enrolment_codes_one",
    codes.c.kiosk_id,
    unique=True,
    sqlite_where=codes.c.ended.is_(None),
    postgresql_where=codes.c.ended.is_(None),
)

enrolments = Table(
    "enrolments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kiosk_id", String(64), nullable=False, server_default=""),  # "": the code named none
    Column("result", String(16), nullable=False),
    Column("reason", String(32), nullable=False, server_default=""),
    Column("address", String(64), nullable=False, server_default=""),
    Column("other_address", String(64), nullable=False, server_default=""),
    Column("fingerprint", String(32), nullable=False, server_default=""),  # of the key
    Column("at", Float, nullable=False),
    Column("last_at", Float, nullable=False),
    Column("count", Integer, nullable=False, server_default="1"),  # alike ones stand in one row
)
Index("ix_enrolments_kiosk", enrolments.c.kiosk_id, enrolments.c.id)
