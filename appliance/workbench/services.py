"""`kioskwire-sim gateway` and `kaspi-pos`: what answers HTTP beside a kiosk, simulated."""

import argparse
import asyncio
import errno
import hashlib
import logging
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from appliance.gateways import kaspi_emulator
from appliance.gateways.faults import FAULTS, ROUTES, Fault, parse_fault
from appliance.gateways.kaspi_faults import KASPI_FAULTS, KASPI_ROUTES, KaspiFault, parse_kaspi_fault
from appliance.gateways.ledger import Ledger
from appliance.gateways.simulator import BODY_MAX_BYTES, Gateway, make_app
from appliance.logs import Logs
from appliance.workbench.simulated import tell
from wire.environment import Mistake

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_STOP_S = 2.0
_SPEED_MOST = 1000.0

F = TypeVar("F", bound=Fault)

_log = logging.getLogger(__name__)


def declare_gateway(parser: argparse.ArgumentParser) -> None:
    """Arguments of `gateway`."""
    _epilog(parser, FAULTS, "slow:5 or huge:100000", "payment", '"simulate": "slow:5" in its body')
    _declare_shared(parser, "8011", ROUTES)


def run_gateway(options: argparse.Namespace, mistakes: list[Mistake]) -> int:
    """A local payment and fiscal gateway, until it is told to stop."""

    def make(ledger: Ledger, faults: list[Fault]) -> Application:
        return make_app(Gateway(ledger, faults))

    return _run(options, mistakes, _read_fault, make)


def declare_kaspi(parser: argparse.ArgumentParser) -> None:
    """Arguments of `kaspi-pos`."""
    _epilog(parser, KASPI_FAULTS, "slow:40, unknown:3 or status=error:101", "payment", "")
    _declare_shared(parser, "8080", KASPI_ROUTES)
    parser.add_argument("--protected", action="store_true", help="want an access token; who asks for one gets it")
    parser.add_argument("--tls", action="store_true", help="speak https, with a new certificate that nobody signed")
    parser.add_argument("--unit", default="tenge", help="what it counts in: tenge or tiyn (default: %(default)s)")
    parser.add_argument("--method", default="qr", help="how customers pay: qr or card (default: %(default)s)")
    parser.add_argument("--speed", default="1", help="how many times faster than real its customers are")


def run_kaspi(options: argparse.Namespace, mistakes: list[Mistake]) -> int:
    """A Kaspi Smart POS, until it is told to stop."""
    for name, known in (("unit", ("tenge", "tiyn")), ("method", ("qr", "card"))):
        if getattr(options, name) not in known:
            mistakes.append(Mistake(f"--{name}", getattr(options, name), f"right would be {' or '.join(known)}"))
    speed = _read_speed(options.speed, mistakes)
    kind = kaspi_emulator.Options(protected=options.protected, unit=options.unit, method=options.method, speed=speed)

    def make(ledger: Ledger, faults: list[KaspiFault]) -> Application:
        return kaspi_emulator.make_app(kaspi_emulator.Terminal(ledger, faults, kind))

    return _run(options, mistakes, _read_kaspi_fault, make, tls=options.tls)


def _epilog(
    parser: argparse.ArgumentParser, faults: dict[str, str], examples: str, route: str, one_request: str
) -> None:
    width = max(map(len, faults)) + 1
    told = "\n".join(f"  {name:{width}}{words}" for name, words in faults.items())
    example = f'{{"route": "{route}", "fault": "lost", "count": 1}}'
    parser.epilog = (
        f"faults, with an amount as in {examples}:\n{told}\n\n"
        f"While it runs: POST /sim/faults {example}, GET and DELETE\n"
        "/sim/faults, GET /sim/ledger." + (f" For one request: {one_request}." if one_request else "")
    )


def _declare_shared(parser: argparse.ArgumentParser, port: str, routes: Sequence[str]) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", default="0", help=f"port to listen on, such as {port}; 0 for a free one (default: %(default)s)"
    )
    parser.add_argument("--ledger", metavar="FILE", help="write what was really done here, one JSON object a line")
    parser.add_argument(
        "--fault",
        metavar="[ROUTE=]FAULT",
        action="append",
        default=[],
        help=f"misbehave in this way at every request; ROUTE is one of {', '.join(routes)}; may be given again",
    )
    parser.add_argument("--log-level", default="INFO", help=f"one of {', '.join(LEVELS)} (default: %(default)s)")


def _run(
    options: argparse.Namespace,
    mistakes: list[Mistake],
    read_fault: Callable[[str], F],
    make: Callable[[Ledger, list[F]], Application],
    *,
    tls: bool = False,
) -> int:
    port = _read_port(options.port, mistakes)
    faults: list[F] = []
    for text in options.fault:
        try:
            faults.append(read_fault(text))
        except ValueError as error:
            mistakes.append(Mistake("--fault", text, str(error)))
    level = options.log_level.upper()
    if level not in LEVELS:
        mistakes.append(Mistake("--log-level", options.log_level, f"right would be one of {', '.join(LEVELS)}"))
    ledger = _open_ledger(options.ledger, mistakes)
    if mistakes or ledger is None:
        return tell(mistakes)
    logs = Logs(level)
    logs.start()
    try:
        with tempfile.TemporaryDirectory() as directory:
            identity = _make_identity(Path(directory)) if tls else None
            asyncio.run(_serve(options.host, port, lambda: make(ledger, faults), identity))
    except _NoCertificate as error:
        logs.stop()
        print(f"kioskwire-sim: --tls: {error}", file=sys.stderr)
        return 1
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


class _NoCertificate(Exception):
    """None could be made."""


class _Identity:
    """A certificate of its own making."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(certificate, key)
        self.fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.read_text())).hexdigest()


def _make_identity(directory: Path) -> _Identity:
    """By the openssl command. Raises `_NoCertificate`."""
    openssl = shutil.which("openssl")
    if openssl is None:
        raise _NoCertificate("the openssl command makes the certificate, and there is none")
    certificate, key = directory / "terminal.pem", directory / "terminal.key"
    command = [
        openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=smartpos",
        "-keyout", str(key), "-out", str(certificate),
    ]  # fmt: skip
    made = subprocess.run(command, capture_output=True, timeout=60, check=False)  # noqa: S603 - our own words
    if made.returncode:
        raise _NoCertificate(f"openssl made no certificate: {made.stderr.decode('utf-8', 'replace')[-200:].strip()}")
    return _Identity(certificate, key)


def _read_kaspi_fault(text: str) -> KaspiFault:
    return parse_kaspi_fault(text)


def _read_speed(text: str, mistakes: list[Mistake]) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if 0 < speed <= _SPEED_MOST:
        return speed
    mistakes.append(Mistake("--speed", text, f"right would be a number above 0 and at most {_SPEED_MOST:g}"))
    return 1.0


def _read_fault(text: str) -> Fault:
    route, equals, fault = text.rpartition("=")
    if equals and route not in ROUTES:
        raise ValueError(f"there is no route {route!r}; right would be one of {', '.join(ROUTES)}")
    return parse_fault(fault, route)


def _read_port(text: str, mistakes: list[Mistake]) -> int:
    if text.isascii() and text.isdigit() and int(text) <= 65535:
        return int(text)
    mistakes.append(Mistake("--port", text, "right would be 0 to 65535"))
    return 0


def _open_ledger(name: str | None, mistakes: list[Mistake]) -> Ledger | None:
    try:
        return Ledger(Path(name) if name else None)
    except OSError as error:
        words = f"cannot be written: {error.strerror}; right would be a file in a directory that exists"
        mistakes.append(Mistake("--ledger", str(name), words))
    except (ValueError, KeyError, TypeError) as error:
        mistakes.append(Mistake("--ledger", str(name), f"is no ledger: {error}; right would be a new file"))
    return None


async def _serve(host: str, port: int, make: Callable[[], Application], identity: _Identity | None) -> None:
    """Serve until SIGTERM or SIGINT. Raises `OSError` when the address cannot be had."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    sockets = bind_sockets(port, host)
    server = HTTPServer(
        make(), max_body_size=BODY_MAX_BYTES, idle_connection_timeout=3600.0,
        ssl_options=identity.context if identity else None,
    )  # fmt: skip
    server.add_sockets(sockets)
    address = sockets[0].getsockname()
    shown = f"[{address[0]}]" if ":" in address[0] else address[0]
    scheme, more = ("https", {"fingerprint": identity.fingerprint}) if identity else ("http", {})
    _log.info("listening", extra={"url": f"{scheme}://{shown}:{address[1]}", **more})
    await stop.wait()
    server.stop()
    try:
        async with asyncio.timeout(_STOP_S):
            await server.close_all_connections()
    except TimeoutError:
        _log.warning("connections were still busy and are cut")
    _log.info("stopped")
