"""Sessions at the server that takes writes, whichever of those named in DATABASE_URL that is just now.

After a fail-over the standby that was promoted is another server, and the one before may come back believing that it
still is the one: writing there would be writing into a past that nobody shares. A promotion begins a new timeline,
whose number is greater, so of several that take writes the greatest is right; and a hub never goes back to a lesser.

A session also makes sure of what `settled` stands on: that a commit is told only once it is on disk, and where a
synchronous standby is named, on that one's disk as well.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import asyncpg  # type: ignore[import-untyped]
from asyncpg.exceptions import ConnectionDoesNotExistError  # type: ignore[import-untyped]

from cloud.db.hold import NotHeldError

log = logging.getLogger(__name__)

_HEAD_START = 2.0  # seconds for the server that was right last time, before the others are asked
_ALL_WITHIN = 2.0  # and for all others to say what they are, before the best of those that did is taken
_BEGIN_WITHIN = 3.0  # where there is another server to go to: BEGIN waits for no lock and no disk
_STRONG = ("on", "remote_apply")
_STATE = """
SELECT pg_is_in_recovery() AS standby, current_setting('transaction_read_only') = 'on' AS closed,
    current_setting('synchronous_commit') AS commit, current_setting('synchronous_standby_names') AS standbys
"""
# The first eight digits of a log file's name are its timeline. Managed servers may keep both to themselves.
_TIMELINE = """
SELECT system_identifier::text AS cluster, left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline
FROM pg_control_system()
"""
_NOT_REPLICATED = "canceling wait for synchronous replication"


class NoPrimaryError(NotHeldError):
    """No server that was named takes writes, or none as it must; the text names no hosts."""


class Server(NamedTuple):
    """One of those named; a host that begins with a slash is a socket's directory."""

    host: str | None
    port: int | None


class Facts(NamedTuple):
    """What a server says of itself. `cluster` is empty and `timeline` 0 where it does not tell."""

    standby: bool
    closed: bool
    commit: str
    standbys: str
    cluster: str = ""
    timeline: int = 0


class Found(NamedTuple):
    """A server that answered, with the session."""

    server: Server
    session: "Session"
    facts: Facts


class Session(asyncpg.Connection):  # type: ignore[misc]
    """asyncpg's, that tells of no commit which a standby it should wait for may not have."""

    _begin_within: float | None = None
    _is_alone = False

    def watch(self, *, begin_within: float | None) -> None:
        """Begin to listen. A BEGIN that takes longer than `begin_within` means that the server is gone."""
        self._begin_within = begin_within
        self.add_log_listener(self._listen)

    def _listen(self, _session: object, message: Any) -> None:
        self._is_alone = self._is_alone or _NOT_REPLICATED in str(message.message)

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        """See asyncpg. Raises `ConnectionDoesNotExistError`, with the session ended, for what is said above."""
        if not query.startswith("BEGIN") or self._begin_within is None:
            # The listener was called for whatever came before the answer.
            said: str = await super().execute(query, *args, timeout=timeout)
            if self._is_alone:
                # An administrator ended the wait: committed here, perhaps nowhere else, and told as a success.
                self.terminate()
                raise ConnectionDoesNotExistError("committed without its standby: nobody may rely on it")
            return said
        try:
            said = await super().execute(query, *args, timeout=self._begin_within)
        except TimeoutError:
            self.terminate()
            raise ConnectionDoesNotExistError("the server does not answer") from None
        return said


class Primary:
    """Finds the server that takes writes. One for all sessions of an engine."""

    def __init__(self) -> None:
        self._last: Server | None = None
        self._seen: dict[str, int] = {}  # the greatest timeline, by cluster
        self._warned = False

    async def connect(self, **given: Any) -> Session:
        """As `asyncpg.connect`, with several hosts; for SQLAlchemy's `async_creator_fn`.

        Raises `NoPrimaryError`, and where there is one server only what asyncpg raises.
        """
        servers = _servers(given.pop("host", None), given.pop("port", None))
        timeout: float = given.pop("timeout", 10.0)
        until = time.monotonic() + timeout
        if len(servers) == 1:
            found = await _ask(servers[0], given, timeout, begin_within=None)
            if isinstance(found, BaseException):
                raise found
            return await self._take([found], servers, until)
        answers: list[Found | BaseException] = []
        if self._last in servers:
            answers = [await _ask(self._last, given, _HEAD_START, begin_within=_BEGIN_WITHIN)]
            if isinstance(answers[0], Found) and not self._wrong(answers[0].facts):
                return await self._take(answers, servers, until)
        rest = [server for server in servers if not answers or server != self._last]
        within = max(0.1, min(_ALL_WITHIN, until - time.monotonic()))
        answers += await _ask_all(rest, given, within, until)
        return await self._take(answers, servers, until)

    async def _take(self, answers: Sequence[Found | BaseException], servers: Sequence[Server], until: float) -> Session:
        """The best of those that answered; the others' sessions are ended."""
        found = sorted((one for one in answers if isinstance(one, Found)), key=lambda one: -one.facts.timeline)
        wrong = [self._wrong(one.facts) for one in found]
        best = next((one for one, words in zip(found, wrong, strict=True) if not words), None)
        for one in found:
            if one is not best:
                one.session.terminate()
        if best is None:
            raise self._nothing(answers, wrong, len(servers))
        self._note(best, len(servers))
        return best.session

    def _wrong(self, facts: Facts) -> str:
        """Why nothing may be written there; empty where it may."""
        if facts.standby:
            return "is a standby"
        if facts.closed:
            return "takes no writes (default_transaction_read_only)"
        if facts.commit not in _STRONG:
            return (
                f"runs with synchronous_commit = {facts.commit} though the session asked for on: "
                "a power cut would undo what was acknowledged"
            )
        if facts.timeline < self._seen.get(facts.cluster, 0):
            return "was left behind by a fail-over"
        return ""

    def _nothing(self, answers: Sequence[Found | BaseException], wrong: Sequence[str], count: int) -> BaseException:
        if not wrong:
            said = [one for one in answers if isinstance(one, asyncpg.PostgresError)]
            if said and not isinstance(said[0], asyncpg.CannotConnectNowError):
                first: BaseException = said[0]
                return first  # a wrong password, no such database: the same at all of them
            if count == 1 and isinstance(answers[0], BaseException):
                return answers[0]
        silent = count - len(wrong)
        parts = [f"one {words}" if count > 1 else f"it {words}" for words in wrong]
        parts += [f"{silent} {'does' if silent == 1 else 'do'} not answer"] if silent else []
        what = f"none of the {count} PostgreSQL servers" if count > 1 else "the PostgreSQL server cannot be used"
        return NoPrimaryError(f"{what}{' takes writes' if count > 1 else ''}: {'; '.join(parts)}")

    def _note(self, found: Found, count: int) -> None:
        if self._last not in {None, found.server}:
            log.warning("another PostgreSQL server takes writes now", extra={"timeline": found.facts.timeline})
        self._last = found.server
        if found.facts.cluster:
            self._seen[found.facts.cluster] = found.facts.timeline
        if count > 1 and not found.facts.standbys.strip() and not self._warned:
            self._warned = True
            log.warning(
                "PostgreSQL replicates asynchronously: a fail-over can lose what was acknowledged;"
                " synchronous_standby_names prevents that"
            )


async def _ask_all(
    servers: Sequence[Server], given: dict[str, Any], within: float, until: float
) -> list[Found | BaseException]:
    """What all say within that time; where none takes writes by then, what more is said until the end."""
    tasks = [
        asyncio.ensure_future(_ask(server, given, max(within, until - time.monotonic()), begin_within=_BEGIN_WITHIN))
        for server in servers
    ]
    try:
        await asyncio.wait(tasks, timeout=within)
        while (waiting := [task for task in tasks if not task.done()]) and not any(
            isinstance(answer := task.result(), Found) and not answer.facts.standby for task in tasks if task.done()
        ):
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    except BaseException:  # whoever asked has gone
        for task in tasks:
            task.add_done_callback(_end)
        raise
    finally:
        for task in tasks:
            task.cancel()
    return [task.result() for task in tasks if task.done() and not task.cancelled()]


def _end(task: "asyncio.Future[Found | BaseException]") -> None:
    if not task.cancelled() and isinstance(found := task.result(), Found):
        found.session.terminate()


async def _ask(
    server: Server, given: dict[str, Any], timeout: float, *, begin_within: float | None
) -> Found | BaseException:
    """Connect and ask what it is; returns what went wrong instead of raising it, but for a cancellation."""
    try:
        async with asyncio.timeout(timeout):
            session: Session = await asyncpg.connect(
                host=server.host, port=server.port, timeout=timeout, connection_class=Session, **given
            )
            try:
                facts = await _facts(session)
            except BaseException:
                session.terminate()
                raise
    except (asyncpg.PostgresError, asyncpg.InterfaceError, ssl.SSLError, OSError, ValueError) as error:
        return error
    session.watch(begin_within=begin_within)
    return Found(server, session, facts)


async def _facts(session: Session) -> Facts:
    state = await session.fetchrow(_STATE)
    facts = Facts(*state)
    if facts.standby:
        return facts
    try:
        tells = await session.fetchrow(_TIMELINE)
        return facts._replace(cluster=tells["cluster"], timeline=int(tells["timeline"], 16))
    except asyncpg.PostgresError:  # not allowed, or no such function: some that are managed
        return facts


def _servers(hosts: Any, ports: Any) -> list[Server]:
    """As SQLAlchemy takes them out of a URL: one of each, or lists as long as each other."""
    if isinstance(hosts, list):
        return [Server(host, int(port)) for host, port in zip(hosts, ports, strict=True)]
    return [Server(hosts, None if ports is None else int(ports))]
