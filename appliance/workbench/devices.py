"""`kioskwire-appliance devices` and `devices test`: what hangs on the ports, and a walk through one device."""

import argparse
import asyncio
import inspect
import json
import logging
import os
import re
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from appliance.devices import DeviceEntry, read_device
from appliance.routes import RoutingError, read_routes
from appliance.settings import find_routing_file
from appliance.workbench.arguments import PAY_MAX
from appliance.workbench.survey import PORT_S, Answer, State, Surveyed, dialout_hint, survey
from appliance.workbench.trials import Failed, Heard, Wishes, walk_through
from hardware import catalogue
from hardware.journal import FileJournal
from hardware.probe import Probe
from hardware.roles import BillValidator, CoinAcceptor, CoinHopper, FiscalRegister, ReceiptPrinter
from hardware.trace import Trace
from wire.environment import Mistake

_NAMES = {
    BillValidator: "bills", CoinAcceptor: "coins", CoinHopper: "hopper", FiscalRegister: "register",
    ReceiptPrinter: "printer",
}  # fmt: skip

_IN_USE = "in use by another program; not touched"

_log = logging.getLogger(__name__)


def run(options: argparse.Namespace) -> int:
    """Either command. Returns the exit status."""
    if options.devices_command == "test":
        return _run_test(options)
    return _run_survey(options)


# devices


def _run_survey(options: argparse.Namespace) -> int:
    probes: dict[str, Sequence[Probe]] = {}
    if not options.no_probe:
        for family in catalogue.PROBED:
            try:
                probes[family] = catalogue.probes([family])
            except ImportError as error:
                print(f"{family} devices cannot be looked for: {error}", file=sys.stderr)
    if probes and sys.stderr.isatty():
        print(f"asking what is there, up to {PORT_S:g} s …", file=sys.stderr)
    try:
        found = asyncio.run(survey(options.port, probes, listed=not options.only, ask=not options.no_probe))
    except ValueError as error:
        print(f"kioskwire-appliance: --port: {error}", file=sys.stderr)
        return 2
    names = _names(options)
    if options.json:
        print(json.dumps({"ports": [as_data(port, names) for port in found]}, ensure_ascii=False, indent=2))
    else:
        print("\n".join(as_words(found, names)))
    return 0


def as_data(port: Surveyed, names: Mapping[str, str]) -> dict[str, Any]:
    """One port for --json."""
    return {
        "path": port.port.path,
        "port": port.port.url,
        "by_id": port.port.by_id or None,
        "by_path": port.port.by_path or None,
        "description": port.port.description or None,
        "usb": port.port.usb or None,
        "adapter_serial": port.port.serial or None,
        "kernel_driver": port.driver or None,
        "configured_as": names.get(port.port.path) or names.get(port.port.url),
        "state": str(port.state),
        "words": port.words or None,
        "devices": [
            {
                "driver": answer.found.driver,
                "maker": answer.found.identity.maker or None,
                "model": answer.found.identity.model or None,
                "serial": answer.found.identity.serial or None,
                "firmware": answer.found.identity.firmware or None,
                "address": answer.found.address,
                "line": str(answer.line),
                "words": answer.found.words or None,
                "routing": routing_fields(port, answer),
            }
            for answer in port.answers
        ],
    }


def as_words(found: Sequence[Surveyed], names: Mapping[str, str]) -> list[str]:
    """All ports for a person."""
    lines: list[str] = []
    for port in found:
        about = [port.port.description, port.port.usb, port.driver]
        lines.append(f"{port.port.path}" + "".join(f"  {word}" for word in about if word))
        if port.port.url != port.port.path:
            lines.append(f"    lasting name   {port.port.url}")
        if name := names.get(port.port.path) or names.get(port.port.url):
            lines.append(f"    configured as  {name}")
        lines += [f"    {line}" for line in _standing(port)]
    if not found:
        lines.append(
            "no serial port was found. Is the cable in, on both ends? Does lsusb show the adapter? A device on"
        )
        lines.append("the network is looked at by --port tcp://host:port.")
    routing = [
        (port, answer)
        for port in found
        for answer in port.answers
        if len(port.answers) > 1 or port.port.url not in names
    ]
    if routing:
        lines += ["", "for routing_config.yaml:", "devices:"]
        lines += [_routing_line(port, answer, routing) for port, answer in routing]
    elif any(port.state is State.SILENT for port in found) and not any(
        port.state in {State.FOUND, State.IN_USE, State.NOT_ASKED} for port in found
    ):
        lines += [
            "",
            "nothing answered. Has the device power? Is it set to this interface (DIP switches), is RX on TX?",
            "A device that was just switched on may need half a minute before it answers: ask again.",
        ]
    if not routing and (hint := dialout_hint()):
        lines.append(hint)
    return lines


def routing_fields(port: Surveyed, answer: Answer) -> dict[str, Any]:
    """What the routing file would say of a device; settings that must be given and nobody can know are None."""
    fields: dict[str, Any] = {"driver": answer.found.driver, "port": port.port.url}
    try:
        driver = catalogue.find_driver(answer.found.driver)
        if not driver.protocol:  # a web server
            fields["port"] = port.port.url.replace("tcp://", "http://")
        declared = driver.settings()
    except (catalogue.NotInCatalogue, ImportError, LookupError):
        return fields
    known = {"baud": answer.line.baud, "address": answer.found.address}
    for name, parameter in declared.items():
        value = known.get(name)
        if value is not None and value != parameter.default and not (name == "baud" and _is_network(port)):
            fields[name] = value
        elif parameter.default is inspect.Parameter.empty or name in driver.asked:
            fields[name] = None
    return fields


def _standing(port: Surveyed) -> list[str]:
    match port.state:
        case State.IN_USE:
            # A lock does not say whose it is.
            return [f"in use: {port.words}; not touched" if port.words.startswith("open in") else _IN_USE]
        case State.UNREACHABLE:
            return [port.words]
        case State.NOT_ASKED:
            return []
        case State.SILENT:
            return ["nothing answered" + (f" ({port.words})" if port.words else "")]
    lines = []
    for answer in port.answers:
        identity = answer.found.identity
        words = [" ".join(word for word in (identity.maker, identity.model) if word) or _what(answer.found.driver)]
        words += [f"{name} {value}" for name, value in (
            ("serial", identity.serial), ("firmware", identity.firmware), ("address", answer.found.address),
        ) if value]  # fmt: skip
        words.append(answer.found.driver if _is_network(port) else f"{answer.found.driver} at {answer.line}")
        lines.append(", ".join(words))
        if answer.found.words:
            lines.append(f"  {answer.found.words}")
    return lines


def _routing_line(port: Surveyed, answer: Answer, all_found: Sequence[tuple[Surveyed, Answer]]) -> str:
    name = _suggest(answer.found.driver)
    same = [id(other) for _port, other in all_found if _suggest(other.found.driver) == name]
    if len(same) > 1:
        name += str(same.index(id(answer)) + 1)
    fields = routing_fields(port, answer)
    text = ", ".join(f"{key}: {'…' if value is None else value}" for key, value in fields.items())
    missing = [key for key, value in fields.items() if value is None]
    return f"  {name}: {{{text}}}" + (f"  # say which {', '.join(missing)}" if missing else "")


def _suggest(driver: str) -> str:
    try:
        return _NAMES.get(catalogue.find_driver(driver).role, "device")  # type: ignore[call-overload,no-any-return]
    except catalogue.NotInCatalogue:
        return "device"


def _what(driver: str) -> str:
    try:
        return catalogue.find_driver(driver).words
    except catalogue.NotInCatalogue:
        return driver


def _is_network(port: Surveyed) -> bool:
    return "://" in port.port.path


def _names(options: argparse.Namespace) -> dict[str, str]:
    """What the routing file calls a port, if there is one that can be read."""
    path = find_routing_file(options.env_file, options.routes)
    if not path.is_file():
        return {}
    try:
        entries = read_routes(path).devices.values()
    except RoutingError as error:
        many = "a mistake" if len(error.mistakes) == 1 else f"{len(error.mistakes)} mistakes"
        print(f"{path} has {many}, the names in it are left out; check-config tells more", file=sys.stderr)
        return {}
    return {url: entry.name for entry in entries for url in (entry.port, str(Path(entry.port).resolve()))}


# devices test


def _run_test(options: argparse.Namespace) -> int:
    mistakes: list[Mistake] = []
    wishes = _read_wishes(options, mistakes)
    entry = _read_entry(options, mistakes)
    journal = _journal_file(options, entry, mistakes)
    if options.trace and not Path(options.trace).absolute().parent.is_dir():
        mistakes.append(Mistake("--trace", options.trace, "its directory does not exist"))
    if mistakes or entry is None or journal is None:
        for mistake in mistakes:
            shown = f"{mistake.name}={mistake.value}" if mistake.value else mistake.name
            print(f"kioskwire-appliance: {shown}: {mistake.words}", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.WARNING, format="  log   %(message)s", stream=sys.stderr)
    _say(f"{entry.name}: {entry.describe()}")
    reason = asyncio.run(_test(entry, journal, wishes, options.trace))
    if reason:
        _say(f"FAILED: {reason}")
        return 1
    _say("PASSED")
    return 0


async def _test(entry: DeviceEntry, journal: Path, wishes: Wishes, trace_file: str | None) -> str:
    """Empty when passed, else why not."""
    heard = Heard(_say)
    trace = None
    more: dict[str, Any] = {}
    if trace_file:
        driver = catalogue.find_driver(entry.driver)
        trace = Trace(Path(trace_file), device=entry.name, protocol=driver.protocol, url=entry.port)
        more["trace"] = trace
    device = entry.build(FileJournal(journal, heard), **more)
    trial = asyncio.ensure_future(walk_through(device, heard, _say, wishes, reference=f"test-{int(time.time())}"))

    stopping = False

    def stop() -> None:
        nonlocal stopping
        if stopping:
            _say("  now   still stopping; a note that is held needs some seconds")
            return
        stopping = True
        _say("  now   stopping: what is held goes back")
        trial.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        await trial
    except Failed as error:
        return str(error)
    except asyncio.CancelledError:
        return "stopped before its end"
    except Exception:
        # A mistake of ours. The device was left safe and the port given back all the same.
        _log.exception("%s: the driver failed", entry.name)
        return "the driver failed, see above"
    finally:
        if trace is not None:
            trace.close()
    return ""


def _read_wishes(options: argparse.Namespace, mistakes: list[Mistake]) -> Wishes:
    def whole(name: str, text: str, least: int, most: int) -> int:
        if text.isascii() and text.isdigit() and least <= int(text) <= most:
            return int(text)
        mistakes.append(Mistake(name, text, f"right would be a whole number from {least} to {most}"))
        return least

    return Wishes(
        keep=options.keep,
        pay=whole("--pay", options.pay, 0, PAY_MAX),
        coins=whole("--coins", options.coins, 1, 100),
        wait_s=float(whole("--wait", options.wait, 1, 3600)),
    )


def _read_entry(options: argparse.Namespace, mistakes: list[Mistake]) -> DeviceEntry | None:
    given = _read_settings(options.set, mistakes)

    def wrong(path: str, value: object, words: str) -> None:
        shown = str(value) if isinstance(value, str | int | float) else ""
        mistakes.append(Mistake(_as_argument(path), shown, words))

    if options.device.startswith("/") or "://" in options.device:
        if options.driver is None:
            known = ", ".join(catalogue.DRIVERS)
            mistakes.append(Mistake(options.device, "", f"is a port; say what hangs on it: --driver, one of {known}"))
            return None
        return read_device("device", {**given, "driver": options.driver, "port": options.device}, wrong)
    path = find_routing_file(options.env_file, options.routes)
    try:
        entries = read_routes(path).devices
    except RoutingError as error:
        mistakes += error.mistakes
        return None
    entry = entries.get(options.device)
    if entry is None:
        there = f"there are {', '.join(entries)}" if entries else "it names no devices"
        mistakes.append(Mistake(options.device, "", f"is no device of {path}: {there}; a port needs --driver"))
        return None
    fields = {**entry.settings, **given, "driver": options.driver or entry.driver, "port": entry.port}
    return read_device(entry.name, fields, wrong)


def _read_settings(texts: Sequence[str], mistakes: list[Mistake]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        try:
            name = name.replace("-", "_")
            if not equals or name in {"driver", "port"}:
                raise ValueError
            if name in given:
                mistakes.append(Mistake("--set", text, f"{name} is given twice"))
            given[name] = yaml.safe_load(value)
        except (ValueError, yaml.YAMLError):
            mistakes.append(Mistake("--set", text, "right would be NAME=VALUE, such as currency=KZT"))
    return given


def _as_argument(path: str) -> str:
    _, _, name = path.removeprefix("devices.").partition(".")
    if not name:
        return "NAME"
    return {"driver": "--driver", "port": "NAME"}.get(name, f"--set {name}")


def _journal_file(options: argparse.Namespace, entry: DeviceEntry | None, mistakes: list[Mistake]) -> Path | None:
    """Where a test's driver remembers: its own place, never a running appliance's."""
    if entry is None:
        return None
    if options.journal:
        path = Path(options.journal)
    else:
        base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
        # By the line and not by the name: what a device was asked for must be found again whatever it is called.
        path = (
            Path(base) / "kioskwire" / "device-tests" / f"{re.sub(r'[^A-Za-z0-9]+', '-', entry.port).strip('-')}.jsonl"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
    except OSError as error:
        mistakes.append(Mistake("--journal", str(path), f"cannot be written: {error.strerror}"))
        return None
    if not path.is_file():
        mistakes.append(Mistake("--journal", str(path), "is no file"))
        return None
    return path


def _say(text: str) -> None:
    print(text, flush=True)
