"""`kioskwire-hub`: serve, and administer kiosks and API keys of the same database."""

import argparse
import asyncio
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cloud.accounts.command import declare_account, system_user
from cloud.updates.command import declare_rollout
from wire.version import VERSION

if TYPE_CHECKING:
    from cloud.settings import Settings

_DESCRIPTION = """\
The Kioskwire hub: kiosks connect to it, backends reach them through POST /send.

Settings come from the environment over a .env file; `kioskwire-hub settings` lists them all.
"""
_EPILOG = """\
a hub in three lines:
  export JWT_SECRET=$(openssl rand -hex 32) ADMIN_KEY=$(openssl rand -hex 32)
  kioskwire-hub kiosk add kiosk_001 && kioskwire-hub apikey add backend
  kioskwire-hub serve

A running hub obeys `kiosk`, `apikey`, `account` and `rollout` within two seconds. Exit status: 0 done, 1 refused or
failed, 2 wrong use or settings.
"""

_THREADS_END_WITHIN = 2.0


def main() -> None:
    """Entry point of the command."""
    arguments = _parser().parse_args()
    sys.exit(arguments.run(arguments))


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="kioskwire-hub", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=raw
    )
    parser.add_argument("--version", action="version", version=f"kioskwire-hub {VERSION}")
    parser.add_argument("--env-file", metavar="FILE", help="read settings from FILE instead of .env")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(into: Any, name: str, words: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = into.add_parser(
            name, help=words, description=words[0].upper() + words[1:] + "."
        )
        made.set_defaults(run=run)
        return made

    serve = command(commands, "serve", "run the hub until it is stopped", _serve)
    serve.add_argument("--processes", metavar="N", help="run N hubs that share the port; goes before PROCESSES")
    serve.add_argument("--as-process", help=argparse.SUPPRESS)  # one of them, started by their supervisor
    command(commands, "restart", "restart the processes of a running hub one after another, dropping nothing", _restart)
    command(commands, "health", "ask the hub of these settings whether it is well; exit status 1 if not", _health)
    command(commands, "migrate", "bring the database to this version's schema (serve does that too)", _with(_migrate))
    made = command(
        commands, "import-sqlite", "move an embedded hub's database to the empty PostgreSQL of DATABASE_URL", _import
    )
    made.add_argument("file", type=Path, help="the embedded hub's hub.db; no hub may run on it; it stays as it is")
    made.add_argument("--json", action="store_true", help="print JSON")
    command(commands, "check-config", "say everything that is wrong in the settings, or show them", _check)
    command(commands, "settings", "list all settings", _settings)
    command(commands, "version", "print the version", lambda _: print(VERSION) or 0)

    kiosk = commands.add_parser("kiosk", help="add, list, show, enable, disable, remove kiosks; codes and tokens")
    kiosks = kiosk.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, words, run in (
        ("add", "register a kiosk; print a one-time code for it, and a token", _kiosk_add),
        ("list", "list all kiosks", _kiosk_list),
        ("show", "show one kiosk", _kiosk_show),
        ("code", "make a one-time code and print it; the one before is dead", _kiosk_code),
        ("token", "put a new token in force and print it; the old one, a code and a key are dead", _kiosk_token),
        ("enable", "let a kiosk in again", _kiosk_enable),
        ("disable", "keep a kiosk out and close its socket", _kiosk_disable),
        ("remove", "take a kiosk out of service for good", _kiosk_remove),
    ):
        made = command(kiosks, name, words, _with(run))
        if name != "list":
            made.add_argument("id", help="the kiosk's id: letters, digits, _ - . :")
        if name == "add":
            made.add_argument("--name", default="", help="a name for people")
        made.add_argument("--json", action="store_true", help="print JSON")

    apikey = commands.add_parser("apikey", help="add, list, revoke API keys; set where callbacks go")
    apikeys = apikey.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, words, run in (
        ("add", "make an API key and print it; it cannot be shown again", _key_add),
        ("list", "list the keys in force", _key_list),
        ("revoke", "end a key", _key_revoke),
        ("callback", "have final states sent to an address, and print the signing secret", _key_callback),
    ):
        made = command(apikeys, name, words, _with(run))
        if name == "add":
            made.add_argument("name", help="whose key it is, for people")
        if name in {"revoke", "callback"}:
            made.add_argument("id", help="the key's id, from `apikey list`")
        if name == "callback":
            made.add_argument("url", nargs="?", default="", help="http(s) address; none ends callbacks")
        made.add_argument("--json", action="store_true", help="print JSON")

    account = commands.add_parser("account", help="add, list, link, change accounts of people at the dashboard")
    declare_account(account.add_subparsers(title="commands", metavar="COMMAND", required=True), command, _with, _print)

    rollout = commands.add_parser("rollout", help="list and change how far new versions may go")
    declare_rollout(rollout.add_subparsers(title="commands", metavar="COMMAND", required=True), command, _with, _print)
    return parser


def _load(arguments: argparse.Namespace) -> "Settings":
    """The settings; prints warnings. Exits with 2 and every mistake."""
    return _read(arguments)[0]


def _read(arguments: argparse.Namespace) -> "tuple[Settings, list[str]]":
    """The same with the warnings that it prints."""
    from cloud.settings import load
    from wire.environment import SettingsError

    try:
        settings, warnings = load(arguments.env_file)
    except SettingsError as error:
        print("kioskwire-hub: the settings are wrong:", file=sys.stderr)
        for mistake in error.mistakes:
            print(f"  {mistake}", file=sys.stderr)
        sys.exit(2)
    for warning in warnings:
        print(f"kioskwire-hub: warning: {warning}", file=sys.stderr)
    return settings, warnings


def _serve(arguments: argparse.Namespace) -> int:
    if arguments.processes is not None:
        os.environ["PROCESSES"] = arguments.processes
    settings, warnings = _read(arguments)
    if arguments.as_process is None and settings.processes > 1:
        return _supervise(settings, arguments.env_file)
    from sqlalchemy.exc import SQLAlchemyError

    from cloud.db.hold import NotHeldError
    from cloud.logs import set_up
    from cloud.serving import serve

    supervised = None
    if arguments.as_process is not None:
        import msgspec

        from cloud.processes.channel import Role
        from cloud.processes.child import Supervised

        supervised = Supervised(msgspec.json.decode(arguments.as_process, type=Role))
    set_up(settings.log_level, "" if supervised is None else str(supervised.role.process))
    try:
        import uvloop
    except ImportError:
        new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None
    else:
        new_loop = uvloop.new_event_loop
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(serve(settings, warnings, supervised))
            _leave_within(_THREADS_END_WITHIN)
    except NotHeldError as error:
        print(f"kioskwire-hub: the database is not for this hub: {error}", file=sys.stderr)
        return 1
    except (OSError, UnicodeError) as error:  # UnicodeError: no host can have such a name
        print(f"kioskwire-hub: cannot serve on {settings.host}:{settings.port}: {error}", file=sys.stderr)
        return 1
    except SQLAlchemyError as error:
        print(f"kioskwire-hub: the database does not work: {getattr(error, 'orig', None) or error}", file=sys.stderr)
        return 1
    return _leave()


def _leave_within(seconds: float) -> None:
    """All is closed. A thread that asks for a name which nobody answers cannot be told to end: it is not waited for."""
    timer = threading.Timer(seconds, os._exit, (0,))
    timer.daemon = True
    timer.start()


def _leave() -> int:
    """As `sys.exit(0)` does, but for the threads of C libraries: libuv asks for names in its own."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _supervise(settings: "Settings", env_file: str | None) -> int:
    """Several processes. This one serves nothing itself, and imports nothing that does."""
    from cloud.logs import set_up
    from cloud.processes import listeners
    from cloud.processes.children import own_command
    from cloud.processes.place import Place
    from cloud.processes.supervisor import Supervisor

    set_up(settings.log_level, "supervisor")
    place = Place(Path(settings.state_dir))
    try:
        place.take()
        bound = listeners.bind(settings.host, settings.port, settings.processes)
    except (OSError, UnicodeError) as error:
        print(f"kioskwire-hub: cannot serve on {settings.host}:{settings.port}: {error}", file=sys.stderr)
        return 1
    own = [*own_command(), *(["--env-file", env_file] if env_file else [])]
    supervisor = Supervisor([*own, "serve"], [*own, "migrate"], bound, place, settings.drain_for)
    return asyncio.run(supervisor.run())


def _restart(arguments: argparse.Namespace) -> int:
    from cloud.processes.place import NobodyError, restart

    settings = _load(arguments)
    # Each may take as long as it takes to begin, to send its kiosks away and to end; most take a tenth of that.
    wait = settings.processes * (settings.drain_for + 200.0)
    try:
        failed = restart(Path(settings.state_dir), lambda words: print(words, flush=True), wait)
    except (NobodyError, OSError) as error:
        print(f"kioskwire-hub: {error}; a hub alone is restarted by whoever started it", file=sys.stderr)
        return 1
    if failed:
        print(f"kioskwire-hub: the restart was given up: {failed}", file=sys.stderr)
        return 1
    print("done: all of them are new")
    return 0


def _health(arguments: argparse.Namespace) -> int:
    """For who watches it from beside it: a container's health check, a script."""
    import http.client

    settings = _load(arguments)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - asked, not bound
    connection = http.client.HTTPConnection(host, settings.port, timeout=4)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        print(answer.read(16384).decode(errors="replace"))
    except (OSError, http.client.HTTPException) as error:
        print(f"kioskwire-hub: no hub answers at {host}:{settings.port}: {error}", file=sys.stderr)
        return 1
    finally:
        connection.close()
    return 0 if answer.status == http.client.OK else 1


def _check(arguments: argparse.Namespace) -> int:
    from cloud.settings import effective, examine

    settings, mistakes, warnings = examine(arguments.env_file)
    for warning in warnings:
        print(f"kioskwire-hub: warning: {warning}", file=sys.stderr)
    rules = _wrong_rules(settings) if settings is not None and settings.alerts_config else []
    if settings is None or mistakes or rules:
        for what, wrong in (("settings", mistakes), ("rules for alerts", rules)):
            if wrong:
                print(f"kioskwire-hub: the {what} are wrong:", file=sys.stderr)
                print("\n".join(f"  {mistake}" for mistake in wrong), file=sys.stderr)
        return 2
    print("\n".join(effective(settings)))
    return 0


def _wrong_rules(settings: "Settings") -> list[Any]:
    """What is wrong in the file of ALERTS_CONFIG. A hub would serve all the same, by the rules that are built in."""
    from cloud.alerts.config import RulesError, read_rules
    from cloud.zones import NoZone, zone

    named: tzinfo = UTC
    with contextlib.suppress(NoZone):  # a mistake of its own
        named = zone(settings.timezone)
    try:
        read_rules(Path(settings.alerts_config), named)
    except RulesError as error:
        return list(error.mistakes)
    return []


def _settings(_: argparse.Namespace) -> int:
    from cloud.settings import Settings
    from wire.environment import describe

    for setting in describe(Settings):
        print(f"{setting.variable} (default {setting.default})\n    {setting.description}")
    return 0


def _with(act: Callable[[Any, argparse.Namespace], Awaitable[int]]) -> Callable[[argparse.Namespace], int]:
    """Run `act` on an open, migrated database."""

    def run(arguments: argparse.Namespace) -> int:
        settings = _load(arguments)
        from sqlalchemy.exc import SQLAlchemyError

        from cloud.errors import Refused

        try:
            return asyncio.run(_open(settings, act, arguments))
        except (Refused, ValueError) as error:
            print(f"kioskwire-hub: {error}", file=sys.stderr)
        except BrokenPipeError as error:
            print(f"kioskwire-hub: nobody read all that was printed: {error}", file=sys.stderr)
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the exit complains of the rest
        except (SQLAlchemyError, OSError) as error:
            print(
                f"kioskwire-hub: the database does not work: {getattr(error, 'orig', None) or error}", file=sys.stderr
            )
        return 1

    return run


class _Desk:
    """What the administrating commands need."""

    def __init__(self, settings: "Settings", engine: Any) -> None:
        from cloud.accounts.account import Doer
        from cloud.accounts.accounts import Accounts
        from cloud.accounts.audit import Audit
        from cloud.backends.keys import ApiKeys
        from cloud.kiosks.enrolment import Enrolment
        from cloud.kiosks.registry import Registry
        from cloud.kiosks.tokens import Tokens
        from cloud.settings import signing_secret
        from cloud.updates.channels import Channels
        from cloud.updates.standings import Rollouts

        self.settings = settings
        self.doer = Doer(who=system_user(), door="cli")
        self.public_url = settings.public_url
        self.accounts, self._audit = Accounts(engine), Audit(engine)
        self.registry = Registry(engine)
        self.keys = ApiKeys(engine)
        self.rollouts, self.channels = Rollouts(engine), Channels(settings.updates_dir)
        secret = signing_secret(settings)
        self.tokens = Tokens(secret, settings.jwt_legacy_claim)
        self.enrolment = Enrolment(engine=engine, secret=secret, registry=self.registry, tokens=self.tokens)

    async def note(self, act: str, subject: str, **data: object) -> None:
        """Write down what was done, by whom the system says types. Who did it is shown its secret in any case."""
        await self._audit.note_done(self.doer.act(act, subject, **data))


async def _open(settings: "Settings", act: Callable[[Any, argparse.Namespace], Awaitable[int]], arguments: Any) -> int:
    from cloud.db.engine import open_engine
    from cloud.db.migrate import migrate
    from cloud.settings import database_url

    engine = open_engine(database_url(settings))
    try:
        await migrate(engine)
        return await act(_Desk(settings, engine), arguments)
    finally:
        await engine.dispose()


def _import(arguments: argparse.Namespace) -> int:
    """Its own way: no hub may run on either database, and nothing is made there before that is known."""
    settings = _load(arguments)
    from sqlalchemy.exc import SQLAlchemyError

    from cloud.db.sqlite_source import CannotMoveError
    from cloud.settings import database_url

    if not (url := database_url(settings)).startswith("postgresql"):
        print("kioskwire-hub: DATABASE_URL names no PostgreSQL to move to", file=sys.stderr)
        return 2
    from cloud.db.import_sqlite import import_sqlite, shown

    def tell(words: str) -> None:
        print(words, file=sys.stderr, flush=True)

    try:
        done = asyncio.run(import_sqlite(arguments.file, url, tell))
    except CannotMoveError as error:
        print(f"kioskwire-hub: {error}", file=sys.stderr)
    except (SQLAlchemyError, OSError) as error:
        words = getattr(error, "orig", None) or error
        print(f"kioskwire-hub: the database does not work: {words}; nothing was moved", file=sys.stderr)
    else:
        return _print(arguments, done, shown(done))
    return 1


def _print(arguments: argparse.Namespace, value: Any, lines: list[str]) -> int:
    """Print as JSON where asked, else the lines."""
    import msgspec

    if arguments.json:
        print(msgspec.json.encode(value).decode())
    else:
        # A name may hold anything, also what a terminal would obey.
        print("\n".join("".join(c if c.isprintable() else "\ufffd" for c in line) for line in lines))
    return 0


async def _migrate(_desk: _Desk, _arguments: argparse.Namespace) -> int:
    print("the database has this version's schema")
    return 0


def _kiosk(kiosk: Any) -> dict[str, object]:
    return {"id": kiosk.id, "name": kiosk.name, "enabled": kiosk.enabled, "generation": kiosk.generation}


async def _kiosk_add(desk: _Desk, arguments: argparse.Namespace) -> int:
    from cloud.kiosks.shown import code_lines, show_code, token_lines
    from wire.ids import parse_kiosk_id

    kiosk, code = await desk.enrolment.add_kiosk(parse_kiosk_id(arguments.id), arguments.name, "cli")
    await desk.note("kiosk.add", kiosk.id)
    token = desk.tokens.issue(kiosk.id, kiosk.generation)
    url = desk.public_url
    lines = [*code_lines(kiosk.id, code, url), "or, without a code and without a key,", *token_lines(token, url)]
    return _print(arguments, {**_kiosk(kiosk), **show_code(code), "token": token}, lines)


async def _kiosk_code(desk: _Desk, arguments: argparse.Namespace) -> int:
    from cloud.kiosks.shown import code_lines, show_code

    code = await desk.enrolment.new_code(arguments.id, "cli")
    await desk.note("kiosk.code", arguments.id)
    lines = code_lines(arguments.id, code, desk.public_url)
    return _print(arguments, {"id": arguments.id, **show_code(code)}, lines)


async def _kiosk_token(desk: _Desk, arguments: argparse.Namespace) -> int:
    from cloud.kiosks.shown import token_lines

    kiosk = await desk.registry.renew_token(arguments.id)
    await desk.note("kiosk.token", kiosk.id)
    token = desk.tokens.issue(kiosk.id, kiosk.generation)
    lines = [f"kiosk {kiosk.id}", *token_lines(token, desk.public_url)]
    return _print(arguments, {**_kiosk(kiosk), "token": token}, lines)


async def _kiosk_list(desk: _Desk, arguments: argparse.Namespace) -> int:
    kiosks = await desk.registry.read_all()
    lines = [f"{k.id:24} {'enabled' if k.enabled else 'disabled':8} {k.name}" for k in kiosks]
    return _print(arguments, [_kiosk(k) for k in kiosks], lines or ["no kiosks yet: kioskwire-hub kiosk add ID"])


async def _kiosk_show(desk: _Desk, arguments: argparse.Namespace) -> int:
    from cloud.kiosks.shown import enrolment_lines, show_enrolment, show_line, when

    kiosk = await desk.registry.find(arguments.id)
    if kiosk is None:
        raise ValueError(f"there is no kiosk {arguments.id}")
    until, tried = await desk.enrolment.open_until(kiosk.id), await desk.enrolment.audit(kiosk.id, 10)
    lines = [f"{name}: {value}" for name, value in _kiosk(kiosk).items()]
    more = {
        "enrolment": show_enrolment(kiosk),
        "code_good_until": None if until is None else when(until),
        "enrolments": [show_line(line) for line in tried],
    }
    return _print(arguments, {**_kiosk(kiosk), **more}, lines + enrolment_lines(kiosk, until, tried))


async def _kiosk_enable(desk: _Desk, arguments: argparse.Namespace) -> int:
    kiosk = await desk.registry.enable(arguments.id, True)
    await desk.note("kiosk.enable", kiosk.id)
    return _print(arguments, _kiosk(kiosk), [f"kiosk {kiosk.id} is enabled"])


async def _kiosk_disable(desk: _Desk, arguments: argparse.Namespace) -> int:
    kiosk = await desk.registry.enable(arguments.id, False)
    await desk.note("kiosk.disable", kiosk.id)
    return _print(arguments, _kiosk(kiosk), [f"kiosk {kiosk.id} is disabled"])


async def _kiosk_remove(desk: _Desk, arguments: argparse.Namespace) -> int:
    await desk.registry.remove(arguments.id)
    await desk.note("kiosk.remove", arguments.id)
    return _print(arguments, {"id": arguments.id, "removed": True}, [f"kiosk {arguments.id} is removed"])


async def _key_add(desk: _Desk, arguments: argparse.Namespace) -> int:
    key, text = await desk.keys.add(arguments.name)
    await desk.note("key.add", key.id, name=key.name)
    lines = [f"API key {key.id} for {key.name}, shown only now:", text]
    return _print(arguments, {"id": key.id, "name": key.name, "key": text}, lines)


async def _key_list(desk: _Desk, arguments: argparse.Namespace) -> int:
    keys = await desk.keys.read_all()
    shown = [{"id": k.id, "name": k.name, "callback_url": k.callback_url or None} for k in keys]
    lines = [f"{k.id}  {k.name:24} {k.callback_url}" for k in keys]
    return _print(arguments, shown, lines or ["no API keys yet: kioskwire-hub apikey add NAME"])


async def _key_revoke(desk: _Desk, arguments: argparse.Namespace) -> int:
    await desk.keys.revoke(arguments.id)
    await desk.note("key.revoke", arguments.id)
    return _print(arguments, {"id": arguments.id, "revoked": True}, [f"API key {arguments.id} is revoked"])


async def _key_callback(desk: _Desk, arguments: argparse.Namespace) -> int:
    from cloud.backends.callback_url import check_callback_url

    check_callback_url(arguments.url)
    secret = await desk.keys.set_callback(arguments.id, arguments.url)
    await desk.note("key.callback", arguments.id, host=urlsplit(arguments.url).hostname or "")
    value = {"id": arguments.id, "callback_url": arguments.url or None, "callback_secret": secret or None}
    lines = [f"signing secret, shown only now: {secret}"] if secret else ["no callbacks for this key any more"]
    return _print(arguments, value, lines)


if __name__ == "__main__":
    main()
