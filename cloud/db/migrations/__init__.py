"""Alembic's scripts: each changes the schema so that the version before can still run beside it."""
