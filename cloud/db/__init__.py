"""The hub's memory: tables, migrations, one engine for SQLite and PostgreSQL, and the grouped writer.

Rooms above that keep or read rows come in here. It knows columns, not what they mean.
"""
