"""Moves an embedded hub's database into PostgreSQL, whole or not at all.

Everything goes over as it is, ids, keys and what is still open among it, so that kiosks and backends notice nothing:
they go on as after a restart. All of it is one transaction, and before that is committed every table is read back and
compared. Whoever is killed on the way leaves an empty database behind, and can begin again.
"""

import asyncio
import hashlib
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import msgspec
from sqlalchemy import BigInteger, Boolean, Float, Integer, LargeBinary, String, Table, Text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.db.engine import open_engine, open_patient
from cloud.db.hold import NotHeldError, check_durability, take_lock
from cloud.db.migrate import HEAD, LaterSchemaError, MigrationError, migrate
from cloud.db.sqlite_source import CannotMoveError, copied
from cloud.db.tables import metadata
from cloud.db.writer import without_nul
from wire.crashpoint import crash_point

_AT_ONCE = 2000
_TELL_EVERY = 2.0  # seconds
_HOURS = 24 * 3600.0
_UNSURE = "whether it was moved is not known: begin again, and a database that has everything is refused as not empty"
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_LEAST, _MOST = -(2**31), 2**31 - 1

Row = tuple[Any, ...]
Tell = Callable[[str], None]


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """A table that went over. `changed` texts had a character in them that PostgreSQL keeps not."""

    table: str
    rows: int
    changed: int
    checksum: str  # of all rows in any order, here and there alike
    seconds: float


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What was done. `seconds` is all of it, from the copy to the commit."""

    source: str
    schema_before: str
    schema: str
    tables: list[Moved]
    rows: int
    seconds: float


async def import_sqlite(source: Path, url: str, tell: Tell = lambda _: None) -> Imported:
    """Move what `source` holds to the empty database at `url`, and tell of it in words on the way.

    Raises `CannotMoveError` with what stands against it; then nothing was changed, but that tables may be there, empty;
    or it says that the commit's answer was lost.
    """
    began = time.monotonic()
    tell(f"copying {source}")
    with copied(source) as copy:
        schema_before = await _bring_here(copy, source)
        engine = open_patient(url)
        fate = "nothing was moved"
        try:
            async with _target(engine) as session, session.transaction():
                await _have_empty(session)
                tables = await _move_all(copy, session, tell)
                tell("committing")
                crash_point("hub.import.commit.before")
                fate = _UNSURE
            crash_point("hub.import.commit.after")
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            where = ", ".join(text for text in (error.table_name, error.column_name, error.constraint_name) if text)
            words = f"PostgreSQL does not take a row ({type(error).__name__}{f': {where}' if where else ''})"
            raise CannotMoveError(f"{words}; {fate}") from None  # its own words quote the row
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise CannotMoveError(f"PostgreSQL ended it: {error}; {fate}") from error
        except OSError as error:
            if fate is not _UNSURE:
                raise
            words = f"the connection to PostgreSQL was lost ({type(error).__name__})"
            raise CannotMoveError(f"{words}; {fate}") from error
        finally:
            await engine.dispose()
    rows = sum(table.rows for table in tables)
    return Imported(
        source=str(source),
        schema_before=schema_before,
        schema=HEAD,
        tables=tables,
        rows=rows,
        seconds=round(time.monotonic() - began, 1),
    )


def shown(done: Imported) -> list[str]:
    """The lines for who moved it."""
    schema = "" if done.schema_before == done.schema else f" (schema {done.schema_before}, now {done.schema})"
    lines = [f"{'table':20} {'rows':>10}  {'checksum':16}  seconds"]
    lines += [f"{one.table:20} {one.rows:>10}  {one.checksum:16}  {one.seconds:.2f}" for one in done.tables]
    lines.append(f"{'all':20} {done.rows:>10}  {'':16}  {done.seconds:.1f}")
    if changed := sum(one.changed for one in done.tables):
        lines.append(f"{changed} texts had a NUL character, which PostgreSQL does not keep: U+FFFD stands there now")
    lines.append(f"moved: {done.source}{schema}; each table was read back and is the same; the file is as it was")
    lines.append(
        "JWT_SECRET must stay the same: start the hub with it and with this DATABASE_URL, and never again on the"
    )
    lines.append("file, whose hub would know nothing of what is done from now on")
    return lines


async def _bring_here(copy: Path, source: Path) -> str:
    """Have the copy in this version's schema; returns which it was in."""

    def look() -> str:
        with closing(sqlite3.connect(copy)) as connection:
            (found,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or ("",)
            return str(found)

    before = await asyncio.to_thread(look)
    engine = open_engine(f"sqlite+aiosqlite:///{copy}")
    try:
        await migrate(engine)
    except LaterSchemaError as error:
        raise CannotMoveError(f"{source}: {error}") from error
    finally:
        await engine.dispose()
    return before


@asynccontextmanager
async def _target(engine: AsyncEngine) -> AsyncIterator[Any]:
    """asyncpg's session at the target, on which no hub runs meanwhile, with this version's schema."""
    async with engine.connect() as connection:
        try:
            await check_durability(connection)
            await take_lock(connection, 0.0, shared=False, meanwhile=_nothing)
        except NotHeldError as error:
            raise CannotMoveError(f"the database of DATABASE_URL: {error}") from error
        await _refuse_others_tables(connection)
        try:
            await migrate(engine)
        except (LaterSchemaError, MigrationError) as error:
            raise CannotMoveError(f"the database of DATABASE_URL: {error}") from error
        session = (await connection.get_raw_connection()).driver_connection
        assert session is not None
        await session.execute("SET idle_in_transaction_session_timeout = '10min'")  # while the file is read
        try:
            yield session
        finally:
            await connection.invalidate()  # and with the session the lock goes


async def _nothing() -> None:
    """Nothing to do before the next try."""


async def _refuse_others_tables(connection: AsyncConnection) -> None:
    """Tables of our names that no migration made: whose they are nobody knows."""
    found = await connection.exec_driver_sql(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
    )
    names = {str(name) for name in found.scalars()}
    await connection.rollback()
    ours = sorted(names & set(metadata.tables))
    if ours and "alembic_version" not in names:
        raise CannotMoveError(f"the database of DATABASE_URL has tables that are no hub's: {', '.join(ours)}; {_RIGHT}")


_RIGHT = "right would be: an empty database, such as CREATE DATABASE kioskwire OWNER kioskwire makes"


async def _have_empty(session: Any) -> None:
    """Lock all tables, so that no command changes them meanwhile. Raises `CannotMoveError` where one has rows."""
    names = [table.name for table in metadata.sorted_tables]
    try:
        await session.execute(f"LOCK TABLE {', '.join(names)} IN SHARE ROW EXCLUSIVE MODE")
    except asyncpg.LockNotAvailableError as error:
        raise CannotMoveError("somebody works on the database of DATABASE_URL just now; nothing was moved") from error
    found = []
    for name in names:
        if count := await session.fetchval(f"SELECT count(*) FROM (SELECT 1 FROM {name} LIMIT 1000) AS a"):  # noqa: S608
            found.append(f"{name} ({count if count < 1000 else 'at least 1000'})")
    if found:
        raise CannotMoveError(f"the database of DATABASE_URL is not empty, it has rows in {', '.join(found)}; {_RIGHT}")


async def _move_all(copy: Path, session: Any, tell: Tell) -> list[Moved]:
    moved = []
    with closing(sqlite3.connect(copy, check_same_thread=False)) as source:
        source.text_factory = lambda raw: raw.decode(errors="replace")
        for table in metadata.sorted_tables:
            moved.append(await _move(table, source, session, tell))
            await _set_sequence(table, session)
    await session.execute("ANALYZE")
    return moved


async def _move(table: Table, source: sqlite3.Connection, session: Any, tell: Tell) -> Moved:
    """One table there, read back and compared."""
    began = time.monotonic()
    names = [column.name for column in table.columns]
    listed = ", ".join(f'"{name}"' for name in names)
    (count,) = await asyncio.to_thread(lambda: source.execute(f"SELECT count(*) FROM {table.name}").fetchone())  # noqa: S608
    cursor = await asyncio.to_thread(source.execute, f"SELECT {listed} FROM {table.name}")  # noqa: S608
    reader = _Reader(table, count, tell)
    await session.copy_records_to_table(table.name, columns=names, records=reader.rows(cursor), timeout=_HOURS)
    there = Checksum()
    async for row in session.cursor(f"SELECT {listed} FROM {table.name}", prefetch=_AT_ONCE, timeout=_HOURS):  # noqa: S608
        there.add(tuple(row))
    if not reader.checksum.rows == there.rows == count or reader.checksum.total != there.total:
        words = f"{count} rows in the file, {reader.checksum.rows} read, {there.rows} in PostgreSQL"
        raise CannotMoveError(f"{table.name} is not there as it was ({words}); nothing was moved")
    return Moved(
        table=str(table.name),
        rows=count,
        changed=reader.changed,
        checksum=f"{there.total:016x}",
        seconds=round(time.monotonic() - began, 2),
    )


class Checksum:
    """Of rows in any order."""

    def __init__(self) -> None:
        self.rows = 0
        self.total = 0
        self._encode = msgspec.msgpack.Encoder().encode

    def add(self, row: Row) -> None:
        """Count a row in. Each counts as often as it comes."""
        digest = hashlib.blake2b(self._encode(row), digest_size=8).digest()
        self.total = (self.total + int.from_bytes(digest, "big")) % 2**64
        self.rows += 1


class _Reader:
    """A table's rows out of SQLite, as PostgreSQL has them."""

    def __init__(self, table: Table, count: int, tell: Tell) -> None:
        self.checksum = Checksum()
        self.changed = 0
        self._table, self._count, self._tell = table, count, tell
        self._columns = [(column.name, _taker(column.type)) for column in table.columns]
        self._told_at = time.monotonic()

    async def rows(self, cursor: sqlite3.Cursor) -> AsyncIterator[Row]:
        """In batches out of a thread: the whole never is in memory."""
        while batch := await asyncio.to_thread(cursor.fetchmany, _AT_ONCE):
            for raw in batch:
                row = self._take(raw)
                self.checksum.add(row)
                yield row
            if time.monotonic() - self._told_at >= _TELL_EVERY:
                self._told_at = time.monotonic()
                self._tell(f"{self._table.name}: {self.checksum.rows} of {self._count}")

    def _take(self, raw: Sequence[Any]) -> Row:
        row: list[Any] = []
        for value, (name, take) in zip(raw, self._columns, strict=True):
            if value is None:
                row.append(None)
                continue
            try:
                taken = take(value)
            except (TypeError, ValueError) as error:
                nth = self.checksum.rows + 1
                words = f"row {nth} of {self._table.name} has in {name} what PostgreSQL does not take: {error}"
                raise CannotMoveError(f"{words}; nothing was moved") from None
            self.changed += taken != value
            row.append(taken)
        return tuple(row)


def _taker(kind: Any) -> Callable[[Any], Any]:
    """What makes a column's value of SQLite's, which keeps anything in any column. Its errors quote no value."""
    if isinstance(kind, Boolean):
        return _boolean
    if isinstance(kind, Float):
        return _number
    if isinstance(kind, Integer):
        return _large if isinstance(kind.dialect_impl(_DIALECT), BigInteger) else _integer
    if isinstance(kind, LargeBinary):
        return lambda value: value.encode() if isinstance(value, str) else bytes(value)
    assert isinstance(kind, String | Text)
    most = kind.length
    return without_nul if most is None else lambda value: _text(value, most)


def _boolean(value: Any) -> bool:
    if value not in {0, 1}:
        raise ValueError("neither 0 nor 1")
    return bool(value)


def _number(value: Any) -> float:
    if not isinstance(value, int | float):
        raise TypeError("no number")
    return float(value)


def _integer(value: Any) -> int:
    if not isinstance(value, int) or not _LEAST <= value <= _MOST:
        raise ValueError("no number of 32 bits")
    return value


def _large(value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError("no whole number")
    return value


def _text(value: Any, most: int) -> str:
    text: str = without_nul(value)
    if len(text) > most:
        raise ValueError(f"a text of {len(text)} characters where {most} are the most")
    return text


async def _set_sequence(table: Table, session: Any) -> None:
    """The next number that the table gives is greater than all that are there."""
    for column in table.primary_key.columns:
        sequence = await session.fetchval("SELECT pg_get_serial_sequence($1, $2)", table.name, column.name)
        if sequence is not None:
            last = await session.fetchval(f'SELECT max("{column.name}") FROM {table.name}')  # noqa: S608
            await session.fetchval("SELECT setval($1::regclass, $2, $3)", sequence, last or 1, last is not None)
