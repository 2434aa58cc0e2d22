"""The hub's memory: tables, migrations, one engine for SQLite and PostgreSQL, and the grouped writer.

Only the stores of the rooms above (`operations.store`, `kiosks.registry`, `backends.keys`) come in here. It knows
columns, not what they mean.
"""
