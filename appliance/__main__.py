"""The command `kioskwire-appliance`. Imports what is heavy only for what needs it, so that --help is quick."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from wire.version import VERSION

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from appliance.logs import Logs
    from appliance.settings import Loaded

EXIT_USAGE = 2

_THREADS_END_S = 2.0
_DESCRIPTION = """\
Runs on a kiosk: holds one connection to the hub, takes operations from it and passes each to a local gateway (a card
terminal's, a fiscal service's) at most once. What it did is on the disk before it is told, and is told until the hub
has it."""

_EXAMPLES = """\
examples:
  kioskwire-appliance check-config                 say everything that is wrong, or what is in force
  kioskwire-appliance run                          with .env and routing_config.yaml of this directory
  kioskwire-appliance enroll                       ask for hub and one-time code, and become that kiosk
  kioskwire-appliance pin                          set the engineer's PIN, for the page /engineer
  kioskwire-appliance support-bundle               a .zip for the developers, without what is secret
  kioskwire-appliance devices                      what hangs on which port
  kioskwire-appliance devices test bills           walk through a device of the routing file's `devices:`
  kioskwire-appliance decode ccnet 02030633DA81    tell a frame in words; --json as data
  kioskwire-appliance replay bills.trace           tell a recorded line in words
  kioskwire-appliance report                       what lies where, who is owed what, whether all adds up
  kioskwire-appliance update                       which version runs, and which could
  kioskwire-appliance selftest                     whether this program is whole, and works here
  kioskwire-appliance --env-file /etc/kiosk/.env --routes /etc/kiosk/routing_config.yaml run
  curl http://127.0.0.1:9091/health                how it is
  kill -HUP <pid>                                  take over a changed routing file

routing_config.yaml:
  routes:
    payment: {url: "http://127.0.0.1:8011/api/v1/payment", timeout: 35}
  default: {url: "http://127.0.0.1:8080", timeout: 30}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, or 2 when it was asked for or configured wrongly."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return EXIT_USAGE
    if options.command == "version":
        print(f"kioskwire-appliance {VERSION}")
        return 0
    if options.command == "selftest":
        from appliance.selftest.command import run as selftest

        return selftest(options)
    if options.command in {"devices", "decode", "replay", "report"}:
        from appliance.workbench.screen import tell_all

        return tell_all(f"kioskwire-appliance {options.command}", lambda: _bench(options))
    if options.command in {"pin", "support-bundle"}:
        from appliance.workbench.engineer import run_bundle, run_pin

        return run_pin(options) if options.command == "pin" else run_bundle(options)
    if options.command == "enroll":
        from appliance.enrolment.command import run as enroll

        return enroll(options)
    if options.command in {"update", "confirm", "restart"}:
        from appliance.updates.command import run as update
        from appliance.workbench.screen import tell_all

        return tell_all(f"kioskwire-appliance {options.command}", lambda: update(options))
    return _configured(options)


def _bench(options: argparse.Namespace) -> int:
    if options.command == "devices":
        from appliance.workbench.devices import run as devices

        return devices(options)
    if options.command == "decode":
        from appliance.workbench.decode import run as decode

        return decode(options)
    if options.command == "report":
        from appliance.workbench.report import run as report

        return report(options)
    from appliance.workbench.replay import run as replay

    return replay(options)


class _Parser(argparse.ArgumentParser):
    """Lists the settings after the options, without making --version pay for them."""

    def format_help(self) -> str:
        from appliance.settings import Settings
        from wire.environment import describe

        lines = ["settings (environment variables, or NAME=value lines in the .env file; the environment wins):"]
        for setting in describe(Settings):
            default = setting.default if setting.default in {"required", "not set"} else f"default {setting.default}"
            lines.append(f"  {setting.variable:<22} {setting.description} ({default})")
        return f"{super().format_help()}\n" + "\n".join(lines) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="kioskwire-appliance", description=_DESCRIPTION, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"kioskwire-appliance {VERSION}")
    shared = argparse.ArgumentParser(add_help=False)
    for target in (parser, shared):
        # Accepted before and after the command; what is not given must not hide what was.
        default = None if target is parser else argparse.SUPPRESS
        target.add_argument("--env-file", type=Path, metavar="FILE", default=default, help=(
            "file with settings (default: what KIOSKWIRE_ENV_FILE names, else .env in this directory, if there is one)"
        ))  # fmt: skip
        target.add_argument("--routes", metavar="FILE", default=default, help="routing file (beats ROUTING_CONFIG)")
    commands = parser.add_subparsers(
        dest="command", title="commands", metavar="COMMAND", parser_class=argparse.ArgumentParser
    )
    commands.add_parser("run", parents=[shared], help="run until SIGTERM or Ctrl-C")
    commands.add_parser("check-config", parents=[shared], help="show the settings in force, or all that is wrong")
    _declare_enroll(commands.add_parser(
        "enroll", parents=[shared], formatter_class=argparse.RawDescriptionHelpFormatter,
        help="give this kiosk its identity, for a one-time code of the hub",
    ))  # fmt: skip
    commands.add_parser(
        "pin", parents=[shared], help="set the PIN of the engineer's part of the kiosk's page",
        description="Sets the PIN of the engineer's part of the kiosk's page (/engineer), or another in its place. It "
        "is asked for twice; where standard input is no terminal, it is its first line. Exit status: 0 set, 2 not.",
    )  # fmt: skip
    commands.add_parser(
        "support-bundle", parents=[shared], help="write a .zip for the developers, without what is secret",
        description="Writes what a developer asks for first into a .zip, without what is secret; works while the "
        "appliance runs, and when it cannot start. Exit status: 0 written, 1 not.",
    ).add_argument("file", metavar="FILE", nargs="?", default="", help="where to; - is standard output")  # fmt: skip
    _declare_updates(
        commands.add_parser("update", parents=[shared], help="new versions of this program: status, check, now"),
        commands.add_parser("confirm", parents=[shared], help="is the running appliance as well as before"),
        commands.add_parser("restart", parents=[shared], help="have it begin anew, once nothing moves"),
    )
    _declare_devices(commands.add_parser(
        "devices", parents=[shared], help="list serial ports and what hangs on them; `devices test` tries one device"
    ))  # fmt: skip
    _declare_report(commands.add_parser(
        "report", parents=[shared], help="what lies where, who is owed what, whether all adds up"
    ))  # fmt: skip
    _declare_bench(
        commands.add_parser("decode", help="tell a frame's bytes in words"),
        commands.add_parser("replay", help="tell a trace in words"),
    )
    commands.add_parser(
        "selftest", help="prove that this program is whole: all it loads is there, operations go through it"
    ).add_argument("--json", action="store_true", help="as data, in one line")
    commands.add_parser("version", help="show the version")
    return parser


def _declare_enroll(parser: argparse.ArgumentParser) -> None:
    from appliance.enrolment.arguments import declare

    declare(parser)


def _declare_updates(*parsers: argparse.ArgumentParser) -> None:
    from appliance.updates.arguments import declare_confirm, declare_restart, declare_update

    for declare, parser in zip((declare_update, declare_confirm, declare_restart), parsers, strict=True):
        declare(parser)


def _declare_devices(parser: argparse.ArgumentParser) -> None:
    from appliance.workbench.arguments import declare

    declare(parser)


def _declare_report(parser: argparse.ArgumentParser) -> None:
    from appliance.workbench.arguments import declare_report

    declare_report(parser)


def _declare_bench(decode: argparse.ArgumentParser, replay: argparse.ArgumentParser) -> None:
    from appliance.workbench.arguments import declare_decode, declare_replay

    declare_decode(decode)
    declare_replay(replay)


def _configured(options: argparse.Namespace) -> int:
    from appliance.settings import effective, load
    from wire.environment import SettingsError

    try:
        loaded = load(options.env_file, routing=options.routes)
    except SettingsError as error:
        return _complain([str(mistake) for mistake in error.mistakes])
    if options.command == "check-config":
        for warning in loaded.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        from appliance.enrolment.command import tell

        print("\n".join([*effective(loaded), tell(loaded)]))
        return 0
    return _run(loaded)


def _run(loaded: "Loaded") -> int:
    import asyncio
    import gc
    import threading

    gc.disable()  # what is imported stays: looking through it again and again is a tenth of the start
    from appliance.app import run
    from appliance.journal import JournalInUseError, StorageError
    from appliance.logs import Logs
    from appliance.web.server import PortTakenError

    gc.freeze()
    gc.enable()
    settings = loaded.settings
    logs = Logs(settings.log_level, settings.log_dir, settings.log_max_mb)
    try:
        logs.start()
    except OSError as error:
        return _complain([f"LOG_DIR={settings.log_dir}: cannot be written to: {error.strerror}"])
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(run(loaded, logs))
            # A thread that asks for a name which nobody answers cannot be told to end: it is not waited for.
            leaving = threading.Timer(_THREADS_END_S, _leave, (logs,))
            leaving.daemon = True
            leaving.start()
        leaving.cancel()
        status = 0
    except (JournalInUseError, StorageError) as error:
        status = _complain([f"STATE_DIR={settings.state_dir}: {error}"])
    except PortTakenError as error:
        status = _complain([f"HEALTH_CHECK_PORT={settings.health_check_port}: {error}; 0 chooses a free port"])
    except KeyboardInterrupt:
        status = 130
    except BaseException:
        logs.stop()
        raise
    if status == 0:
        _leave(logs)
    if not logs.stop():
        os._exit(status)
    return status


def _leave(logs: "Logs") -> NoReturn:
    """End as with 0, but for threads of C libraries: libuv asks for names in its own, and waits for them."""
    logs.stop()
    os._exit(0)


def _loop_factory() -> "Callable[[], AbstractEventLoop] | None":
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _complain(mistakes: list[str]) -> int:
    print("kioskwire-appliance cannot start:", file=sys.stderr)
    for mistake in mistakes:
        print(f"  {mistake}", file=sys.stderr)
    return EXIT_USAGE


if __name__ == "__main__":
    sys.exit(main())
