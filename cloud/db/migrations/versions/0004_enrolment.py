"""One-time codes, the keys that kiosks prove, and what was tried."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("kiosks", sa.Column("public_key", sa.String(43)))
    op.add_column("kiosks", sa.Column("enrolled_at", sa.Float))
    op.add_column("kiosks", sa.Column("enrolled_from", sa.String(64)))
    op.create_table(
        "enrolment_codes",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("kiosk_id", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("made_by", sa.String(16), nullable=False),
        sa.Column("made_at", sa.Float, nullable=False),
        sa.Column("lived", sa.Float, nullable=False, server_default="0"),
        sa.Column("used_at", sa.Float),
        sa.Column("used_from", sa.String(64)),
        sa.Column("public_key", sa.String(43)),
        sa.Column("ended", sa.String(16)),
        sa.PrimaryKeyConstraint("id", name="pk_enrolment_codes"),
        sa.UniqueConstraint("hash", name="uq_enrolment_codes_hash"),
    )
    op.create_index(
        "uq_enrolment_codes_one",
        "enrolment_codes",
        ["kiosk_id"],
        unique=True,
        sqlite_where=sa.text("ended IS NULL"),
        postgresql_where=sa.text("ended IS NULL"),
    )
    op.create_table(
        "enrolments",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("kiosk_id", sa.String(64), nullable=False, server_default=""),
        sa.Column("result", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False, server_default=""),
        sa.Column("address", sa.String(64), nullable=False, server_default=""),
        sa.Column("other_address", sa.String(64), nullable=False, server_default=""),
        sa.Column("fingerprint", sa.String(32), nullable=False, server_default=""),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("last_at", sa.Float, nullable=False),
        sa.Column("count", sa.Integer, nullable=False, server_default="1"),
        sa.PrimaryKeyConstraint("id", name="pk_enrolments"),
    )
    op.create_index("ix_enrolments_kiosk", "enrolments", ["kiosk_id", "id"])
