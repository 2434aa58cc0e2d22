"""`kioskwire-sim`: what stands around a kiosk, simulated, for demonstrations, tests and a developer's desk.

Each subcommand is one entry of `COMMANDS`. Mistakes in the arguments are told all at once, with exit status 2.
"""

import argparse
import asyncio
import errno
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from appliance.gateways.faults import FAULTS, ROUTES, Fault, parse_fault
from appliance.gateways.ledger import Ledger
from appliance.gateways.simulator import BODY_MAX_BYTES, Gateway, make_app
from appliance.logs import Logs
from appliance.workbench import simulated
from appliance.workbench.screen import tell_all
from wire.environment import Mistake
from wire.version import VERSION

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_STOP_S = 2.0

_log = logging.getLogger(__name__)


class Command(NamedTuple):
    """A subcommand: its one line of help, its arguments, and what it does with them (returns the exit status).

    Arguments are declared without types: `run` reads them, so that every mistake can be told at once.
    """

    summary: str
    declare: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, list[Mistake]], int]


def main(argv: Sequence[str] | None = None) -> int:
    """The command's entrance. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="kioskwire-sim",
        description="Simulates what stands around a kiosk. Nothing here moves real money.",
        epilog="kioskwire-sim COMMAND --help tells more of each. What hands can do to a simulated device may be given\n"
        "straight away: kioskwire-sim insert 1000, kioskwire-sim paper-out, kioskwire-sim unplug.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"kioskwire-sim {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        command.declare(
            commands.add_parser(
                name,
                help=command.summary,
                description=command.summary[0].upper() + command.summary[1:] + ".",
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
        )
    options, rest = parser.parse_known_args(expand(sys.argv[1:] if argv is None else argv))
    mistakes = [Mistake(text, "", f"is no argument of kioskwire-sim {options.command}") for text in rest]
    run = COMMANDS[options.command].run
    return tell_all(f"kioskwire-sim {options.command}", lambda: run(options, mistakes))


def expand(argv: Sequence[str]) -> list[str]:
    """`insert 1000` means `do insert 1000`."""
    if argv and argv[0] not in COMMANDS and not argv[0].startswith("-") and simulated.is_control(argv[0]):
        return ["do", *argv]
    return list(argv)


def _declare_gateway(parser: argparse.ArgumentParser) -> None:
    faults = "\n".join(f"  {name:16}{words}" for name, words in FAULTS.items())
    parser.epilog = (
        f"faults, with an amount as in slow:5 or huge:100000:\n{faults}\n\n"
        "While it runs: POST /sim/faults {\"route\": \"payment\", \"fault\": \"lost\", \"count\": 1}, GET and DELETE\n"
        "/sim/faults, GET /sim/ledger. For one request: \"simulate\": \"slow:5\" in its body."
    )  # fmt: skip
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", default="0", help="port to listen on, 0 for a free one (default: %(default)s)")
    parser.add_argument("--ledger", metavar="FILE", help="write what was really done here, one JSON object a line")
    parser.add_argument(
        "--fault",
        metavar="[ROUTE=]FAULT",
        action="append",
        default=[],
        help=f"misbehave in this way at every request; ROUTE is one of {', '.join(ROUTES)}; may be given again",
    )
    parser.add_argument("--log-level", default="INFO", help=f"one of {', '.join(LEVELS)} (default: %(default)s)")


def _run_gateway(options: argparse.Namespace, mistakes: list[Mistake]) -> int:
    port = _read_port(options.port, mistakes)
    faults = [fault for text in options.fault if (fault := _read_fault(text, mistakes))]
    level = options.log_level.upper()
    if level not in LEVELS:
        mistakes.append(Mistake("--log-level", options.log_level, f"right would be one of {', '.join(LEVELS)}"))
    ledger = _open_ledger(options.ledger, mistakes)
    if mistakes or ledger is None:
        return simulated.tell(mistakes)
    logs = Logs(level)
    logs.start()
    try:
        asyncio.run(_serve(options.host, port, Gateway(ledger, faults)))
    except OSError as error:
        logs.stop()
        busy = error.errno == errno.EADDRINUSE
        why = "another program listens there; choose another --port, or 0" if busy else error.strerror or error
        print(f"kioskwire-sim: cannot listen on {options.host} port {port}: {why}", file=sys.stderr)
        return 1
    finally:
        logs.stop()
        ledger.close()
    return 0


def _read_port(text: str, mistakes: list[Mistake]) -> int:
    if text.isascii() and text.isdigit() and int(text) <= 65535:
        return int(text)
    mistakes.append(Mistake("--port", text, "right would be 0 to 65535"))
    return 0


def _read_fault(text: str, mistakes: list[Mistake]) -> Fault | None:
    route, equals, fault = text.rpartition("=")
    try:
        if equals and route not in ROUTES:
            raise ValueError(f"there is no route {route!r}; right would be one of {', '.join(ROUTES)}")
        return parse_fault(fault, route)
    except ValueError as error:
        mistakes.append(Mistake("--fault", text, str(error)))
        return None


def _open_ledger(name: str | None, mistakes: list[Mistake]) -> Ledger | None:
    try:
        return Ledger(Path(name) if name else None)
    except OSError as error:
        words = f"cannot be written: {error.strerror}; right would be a file in a directory that exists"
        mistakes.append(Mistake("--ledger", str(name), words))
    except (ValueError, KeyError, TypeError) as error:
        mistakes.append(Mistake("--ledger", str(name), f"is no ledger: {error}; right would be a new file"))
    return None


async def _serve(host: str, port: int, gateway: Gateway) -> None:
    """Serve until SIGTERM or SIGINT. Raises `OSError` when the address cannot be had."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    sockets = bind_sockets(port, host)
    server = HTTPServer(make_app(gateway), max_body_size=BODY_MAX_BYTES, idle_connection_timeout=3600.0)
    server.add_sockets(sockets)
    address = sockets[0].getsockname()
    shown = f"[{address[0]}]" if ":" in address[0] else address[0]
    _log.info("listening", extra={"url": f"http://{shown}:{address[1]}"})
    await stop.wait()
    server.stop()
    try:
        async with asyncio.timeout(_STOP_S):
            await server.close_all_connections()
    except TimeoutError:
        _log.warning("connections were still busy and are cut")
    _log.info("stopped")


COMMANDS = {
    "gateway": Command("a local payment and fiscal gateway with a ledger and faults", _declare_gateway, _run_gateway),
    "device": Command(
        "a cash or fiscal device on a serial or TCP line", simulated.declare_device, simulated.run_device
    ),
    "do": Command("a hand on a simulated device that runs", simulated.declare_do, simulated.run_do),
    "list": Command("the simulated devices that run", simulated.declare_list, simulated.run_list),
}


if __name__ == "__main__":
    raise SystemExit(main())
