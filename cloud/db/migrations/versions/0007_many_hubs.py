"""Several hubs on one database: their lives, what each has under way, and what one of them does for all."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Only what hubs of the version before can do without: they may be running.
    op.add_column("operations", sa.Column("hub", sa.String(32)))
    op.add_column("callbacks", sa.Column("taken_by", sa.String(32)))
    op.add_column("callbacks", sa.Column("taken_until", sa.Float))
    op.add_column("connections", sa.Column("hub", sa.String(32)))
    op.create_table(
        "hubs",
        sa.Column("life", sa.String(32), nullable=False),
        sa.Column("slot", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("began_at", sa.Float, nullable=False),
        sa.Column("seen_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        sa.PrimaryKeyConstraint("life", name="pk_hubs"),
    )
    op.create_index(
        "uq_hubs_slot",
        "hubs",
        ["slot"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("life", sa.String(32), nullable=False),
        sa.Column("until", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    if op.get_bind().dialect.name == "postgresql":
        _vacuum_often()


def _vacuum_often() -> None:
    """Settings of tables whose rows change a few times soon after they came, and are deleted in their order."""
    # Room beside each row for its next state, in the page where it is. And what is dead is a part of a table that
    # nobody may wait for: a fifth, PostgreSQL's own measure, is many million rows.
    often = "autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02"
    op.execute(f"ALTER TABLE operations SET (fillfactor = 85, {often})")
    op.execute(f"ALTER TABLE callbacks SET (fillfactor = 85, {often})")
    op.execute(f"ALTER TABLE events SET ({often})")
