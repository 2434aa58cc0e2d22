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
    and_,
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
    Column("hub", String(32)),  # the life of the hub that has it under way, or had; NULL: of before there were several
)
Index("ix_operations_created_at", operations.c.created_at)
# For beginnings of ids: SQLite's index of the key sorts by bytes, PostgreSQL's as the database's language does.
Index("ix_operations_beginning", operations.c.request_id, postgresql_ops={"request_id": "varchar_pattern_ops"}).ddl_if(
    dialect="postgresql"
)
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
    Column("taken_by", String(32)),  # the hub that delivers it just now
    Column("taken_until", Float),  # by the database's clock: after that another may
)
Index(
    "ix_callbacks_due",
    callbacks.c.next_at,
    sqlite_where=callbacks.c.next_at.is_not(None),
    postgresql_where=callbacks.c.next_at.is_not(None),
)
# What was given up, for who has it sent again; no row that is taken is ever in it.
Index(
    "ix_callbacks_given_up",
    callbacks.c.created_at,
    callbacks.c.api_key_id,
    sqlite_where=and_(callbacks.c.next_at.is_(None), callbacks.c.delivered_at.is_(None)),
    postgresql_where=and_(callbacks.c.next_at.is_(None), callbacks.c.delivered_at.is_(None)),
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

standing = Table(
    "standing",
    metadata,
    # What a kiosk's events say is wrong there, or was: one row for each thing that can be, written with the event.
    Column("kiosk_id", String(64), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("subject", String(64), primary_key=True),  # a device, a document's reference; "": the kiosk itself
    Column("open", Boolean, nullable=False),
    Column("at", Float, nullable=False),  # by the kiosk's clock
    Column("received_at", Float, nullable=False),
    Column("data", Text, nullable=False, server_default="{}"),  # JSON, for the words of the alert
)
Index(
    "ix_standing_open",
    standing.c.kiosk_id,
    sqlite_where=standing.c.open.is_(True),
    postgresql_where=standing.c.open.is_(True),
)

alerts = Table(
    "alerts",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(32), nullable=False),
    Column("kiosk_id", String(64), nullable=False, server_default=""),  # "": the hub itself
    Column("subject", String(64), nullable=False, server_default=""),
    Column("severity", String(8), nullable=False),
    Column("since", Float, nullable=False),  # when what is wrong began
    Column("raised_at", Float, nullable=False),
    Column("gone_at", Float),  # what is wrong is gone since, and may come back
    Column("cleared_at", Float),
    Column("escalated_at", Float),
    Column("acknowledged_at", Float),
    Column("acknowledged_by", Text, nullable=False, server_default=""),
    Column("data", Text, nullable=False, server_default="{}"),  # JSON, for its words
)
Index(
    "uq_alerts_open",
    alerts.c.kind,
    alerts.c.kiosk_id,
    alerts.c.subject,
    unique=True,
    sqlite_where=alerts.c.cleared_at.is_(None),
    postgresql_where=alerts.c.cleared_at.is_(None),
)
Index("ix_alerts_cleared_at", alerts.c.cleared_at)

tellings = Table(
    "alert_tellings",
    metadata,
    # What of an alert each way of telling has told.
    Column("number", Integer, ForeignKey("alerts.number", ondelete="CASCADE"), primary_key=True),
    Column("channel", String(16), primary_key=True),
    Column("raised_at", Float),
    Column("repeated_at", Float),
    Column("escalated_at", Float),
    Column("cleared_at", Float),
)

mutes = Table(
    "mutes",
    metadata,
    Column("scope", String(64), primary_key=True),  # a kiosk's id, or a kind of alerts
    Column("until", Float, nullable=False),
    Column("at", Float, nullable=False),
    Column("by", Text, nullable=False),
)

presences = Table(
    "presences",
    metadata,
    # Kiosks that were ever connected: a kiosk that never was is not missed.
    Column("kiosk_id", String(64), primary_key=True),
    Column("here", Boolean, nullable=False),
    Column("at", Float, nullable=False),  # since when it is here, or is not; of a hub that crashed, the former
)

resolutions = Table(
    "resolutions",
    metadata,
    # Operations that a person settled, as nobody else could: who said what, and why.
    Column("request_id", String(64), ForeignKey("operations.request_id", ondelete="CASCADE"), primary_key=True),
    Column("at", Float, nullable=False),
    Column("by", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("state", String(10), nullable=False),  # succeeded or failed
    Column("before", Text, nullable=False),  # what was known until then: the problem and its detail
    Column("told_at", Float),  # the kiosk told its outcome after all
    Column("told", LargeBinary),  # which was that, as JSON
    Column("contradicted_at", Float),  # and it was another
    Column("contradiction", Text, nullable=False, server_default=""),
)

bot_updates = Table(
    "bot_updates",
    metadata,
    # What Telegram delivered: here before Telegram is told that it was taken.
    Column("update_id", LARGE, primary_key=True, autoincrement=False),
    Column("received_at", Float, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("begun_at", Float),
    Column("done_at", Float),
)
Index(
    "ix_bot_updates_open",
    bot_updates.c.update_id,
    sqlite_where=bot_updates.c.done_at.is_(None),
    postgresql_where=bot_updates.c.done_at.is_(None),
)

bot_users = Table(
    "bot_users",
    metadata,
    Column("user_id", LARGE, primary_key=True, autoincrement=False),
    Column("language", String(2), nullable=False),
    Column("changed_at", Float, nullable=False),
)

bot_asks = Table(
    "bot_asks",
    metadata,
    # Questions the bot has asked, each for one person, once, and for a while: buttons name them.
    Column("id", String(16), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("subject", Text, nullable=False),
    Column("chat_id", LARGE, nullable=False),
    Column("user_id", LARGE, nullable=False),  # 0: any admin may answer
    Column("message_id", LARGE),  # of the question, for answers that are replies to it
    Column("made_at", Float, nullable=False),
    Column("until", Float, nullable=False),
    Column("used_at", Float),
)
Index("ix_bot_asks_until", bot_asks.c.until)

accounts = Table(
    "accounts",
    metadata,
    # People who sign in at the dashboard.
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),  # in lower case
    Column("role", String(8), nullable=False),  # viewer, operator, admin
    Column("enabled", Boolean, nullable=False),
    Column("password", String(255)),  # Argon2, with its parameters; NULL: none is set yet
    Column("totp_secret", String(64)),  # NULL: a password is enough
    Column("totp_offered", String(64)),  # shown, and in force once a code of it has come
    Column("totp_used", LARGE),  # the last time step that a code was taken of: none is taken twice
    Column("language", String(2), nullable=False, server_default=""),
    Column("signed_in_at", Float),
    Column("created_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),  # what proves who somebody is: the password, the role, the link
)

account_tries = Table(
    "account_tries",
    metadata,
    # Wrong tries to sign in since the last right one, of names there are and of others alike: neither tells which.
    Column("name", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("locked_until", Float, nullable=False, server_default="0"),
    Column("at", Float, nullable=False),
)
Index("ix_account_tries_at", account_tries.c.at)

account_links = Table(
    "account_links",
    metadata,
    # Addresses that work once, with which a person sets a password.
    Column("hash", String(64), primary_key=True),
    # NULL: it makes the first account, while there is none.
    Column("account_id", Integer, ForeignKey("accounts.id", ondelete="CASCADE")),
    Column("made_at", Float, nullable=False),
    Column("until", Float, nullable=False),
)

account_sessions = Table(
    "account_sessions",
    metadata,
    Column("hash", String(64), primary_key=True),  # of what stands in the cookie: these rows open nothing
    Column("account_id", Integer, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    Column("made_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("until", Float, nullable=False),
    Column("address", String(64), nullable=False),
    Column("agent", Text, nullable=False, server_default=""),
)
Index("ix_account_sessions_account", account_sessions.c.account_id)

audit = Table(
    "audit",
    metadata,
    # What people did, whichever door they came in by.
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("who", Text, nullable=False),
    Column("door", String(16), nullable=False),  # dashboard, admin-api, telegram, cli
    Column("address", String(64), nullable=False, server_default=""),
    Column("act", String(48), nullable=False),  # kiosk.disable, operation.resolve…
    Column(
        "subject", String(128), nullable=False, server_default=""
    ),  # a kiosk's id, an operation's, an account's name
    Column("data", Text, nullable=False, server_default="{}"),  # JSON, without secrets
)
Index("ix_audit_subject", audit.c.subject, audit.c.number)
Index("ix_audit_who", audit.c.who, audit.c.number)
Index("ix_audit_act", audit.c.act, audit.c.number)
Index("ix_audit_at", audit.c.at)

connections = Table(
    "connections",
    metadata,
    # Each connection of a kiosk and how it ended, and what was not let in.
    Column("number", LARGE, primary_key=True, autoincrement=False),  # the hub counts: see `cloud.kiosks.history`
    Column("kiosk_id", String(64), nullable=False),
    Column("refused", Boolean, nullable=False),  # it was never let in
    Column("began_at", Float, nullable=False),
    Column("ended_at", Float),  # NULL: it is open, or this hub died with it. Of refusals the last one alike.
    Column("why", String(16), nullable=False, server_default=""),  # close code, lost, silent, replaced, hub-stopped…
    Column("code", LARGE),
    Column("words", Text, nullable=False, server_default=""),  # as who ended it gave them
    Column("address", String(64), nullable=False, server_default=""),
    Column("version", Text, nullable=False, server_default=""),
    Column("dialect", String(8), nullable=False, server_default=""),
    Column("boot_id", String(64), nullable=False, server_default=""),  # another one: the program began anew
    Column("hub", String(32)),  # the life of the hub that has it, or had
    Column("count", Integer, nullable=False, server_default="1"),  # of refusals alike
)
Index("ix_connections_kiosk", connections.c.kiosk_id, connections.c.refused, connections.c.number)
Index("ix_connections_began_at", connections.c.began_at)
Index(
    "ix_connections_open",
    connections.c.number,
    sqlite_where=connections.c.ended_at.is_(None),
    postgresql_where=connections.c.ended_at.is_(None),
)

figures = Table(
    "figures",
    metadata,
    # Operations that were begun within a minute or an hour, counted: what the charts are drawn from.
    Column("width", Integer, primary_key=True, autoincrement=False),  # seconds: 60 or 3600
    Column("at", Integer, primary_key=True, autoincrement=False),  # Unix seconds at which it begins
    Column("succeeded", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("not_executed", Integer, nullable=False),
    Column("unknown", Integer, nullable=False),
    Column("running", Integer, nullable=False),
    Column("refused", Integer, nullable=False),  # that left no row: never counted again
    Column("took", Text, nullable=False, server_default="[]"),  # JSON: how many fell into each step of latency
)

fleet_figures = Table(
    "fleet_figures",
    metadata,
    Column("width", Integer, primary_key=True, autoincrement=False),
    Column("at", Integer, primary_key=True, autoincrement=False),
    Column("here", Integer, nullable=False),  # the least number of kiosks that were connected
    Column("enabled", Integer, nullable=False),
    Column("unknown", Integer, nullable=False),  # the most operations of unknown outcome
    Column("alerts", Integer, nullable=False),
)

hubs = Table(
    "hubs",
    metadata,
    # The lives of hubs that share this database; times are the database's clock, which is one for all of them.
    Column("life", String(32), primary_key=True),
    Column("slot", Integer, nullable=False),  # a small number, of one living hub at a time; names its lock
    Column("name", Text, nullable=False),  # host and process, for people
    Column("version", Text, nullable=False),
    Column("began_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("ended_at", Float),  # it said goodbye, or others found it dead: it writes nothing any more
)
Index(
    "uq_hubs_slot",
    hubs.c.slot,
    unique=True,
    sqlite_where=hubs.c.ended_at.is_(None),
    postgresql_where=hubs.c.ended_at.is_(None),
)

leases = Table(
    "leases",
    metadata,
    # What one hub at a time does for all.
    Column("name", String(64), primary_key=True),
    Column("life", String(32), nullable=False),
    Column("until", Float, nullable=False),  # by the database's clock
)
