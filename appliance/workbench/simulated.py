"""`kioskwire-sim device`, `do` and `list`: simulated devices, and hands on them while they run."""

import argparse
import asyncio
import inspect
import json
import os
import signal
import sys
import textwrap
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from hardware.simulation.control import Asked, ControlServer, NotThere, Running, ask, find_running, read_words
from hardware.simulation.families import FAMILIES, build, find_simulator, options_of, read_options
from hardware.simulation.host import DeviceHost
from hardware.simulation.simulator import ControlError, Simulator
from hardware.simulation.store import Line, Store, StoreError
from hardware.simulation.wires import PtyWire, TcpWire, Wire, WireError
from wire.environment import Mistake
from wire.money import Money

_HTTP = {"atol"}
_STDIN = 0
_LONGEST = 120  # of one figure in the line of an event; the ledger has it whole


def declare_device(parser: argparse.ArgumentParser) -> None:
    """Arguments of `device`."""
    parser.epilog = (
        f"families: {', '.join(FAMILIES)}\n\n"
        "While it runs, type what your hands would do, here or in another terminal:\n"
        "  kioskwire-sim device ccnet --link /tmp/bills\n"
        "  kioskwire-sim insert 1000              put a note in\n"
        "  kioskwire-sim do ccnet power-cut 3     take the power away behind the third step from now\n"
        "  kioskwire-sim do ccnet help            all it can do"
    )
    parser.add_argument("family", metavar="FAMILY", help="what to simulate")
    parser.add_argument("--link", metavar="PATH", help="name of its pseudo-terminal, such as /tmp/bills")
    parser.add_argument("--tcp", metavar="HOST:PORT", help="be on a TCP port instead; port 0 takes a free one")
    _declare_running(parser)


def declare_atol_web(parser: argparse.ArgumentParser) -> None:
    """Arguments of `atol-web`: those of `device atol`, on the port where ATOL's own server listens."""
    parser.epilog = (
        "It is `kioskwire-sim device atol --tcp HOST:PORT` under the name of its route. While it runs:\n"
        "  kioskwire-sim do atol paper-out        the roll ends\n"
        "  kioskwire-sim do atol help             all it can do"
    )
    parser.set_defaults(family="atol", link=None)
    parser.add_argument(
        "--tcp",
        metavar="HOST:PORT",
        default="127.0.0.1:16732",
        help="where it listens; port 0 takes a free one (default: %(default)s)",
    )
    _declare_running(parser)


def _declare_running(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", metavar="DIR", help="keep its memory and ledger there over restarts")
    parser.add_argument("--ledger", metavar="FILE", help="write what physically happens there, one JSON object a line")
    parser.add_argument(
        "--option",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="one of the family's own; may be given again; --option help lists them",
    )
    parser.add_argument("--fast", action="store_true", help="bytes take no time, whatever the speed of the line")
    parser.add_argument("--seed", default="0", help="of the faults of the line (default: %(default)s)")
    parser.add_argument("--off", action="store_true", help="begin without power")
    parser.add_argument("--quiet", action="store_true", help="say nothing of what happens")


def run_device(options: argparse.Namespace, mistakes: list[Mistake]) -> int:
    """Simulate one device until it is told to stop."""
    kind = _read_family(options, mistakes)
    if kind is not None and "help" in options.option:
        print(f"options of the simulated {kind.family}:\n{_options_told(kind)}")
        return 0
    typed = _read_options(kind, options.option, mistakes)
    wire = _read_wire(options, kind, mistakes)
    seed = int(options.seed) if options.seed.isdecimal() else None
    if seed is None:
        mistakes.append(Mistake("--seed", options.seed, "right would be a whole number"))
    store = None
    if not mistakes and kind is not None:
        try:
            store = Store(
                Path(options.state) if options.state else None,
                kind.family,
                Path(options.ledger) if options.ledger else None,
            )
        except StoreError as error:
            mistakes.append(Mistake("--state" if options.state else "--ledger", "", str(error)))
    if mistakes or kind is None or store is None or wire is None:
        return tell(mistakes)
    try:
        simulator = build(kind, store.memory, store.note, typed)
        simulator.show_time(datetime.now(), time.monotonic())  # noqa: DTZ005 - a register's clock has no zone
        paced = not options.fast and isinstance(wire, PtyWire)
        host = DeviceHost(simulator, store, wire, paced=paced, seed=seed or 0, powered=not options.off)
        state = str(Path(options.state).absolute()) if options.state else ""
        asyncio.run(_serve(host, store, state, quiet=options.quiet))
    except ControlError as error:
        return tell([Mistake("--option", "", str(error))])
    except (WireError, NotThere, OSError) as error:
        print(f"kioskwire-sim: {error}", file=sys.stderr)
        return 1
    finally:
        store.close()
    return 0


def declare_do(parser: argparse.ArgumentParser) -> None:
    """Arguments of `do`."""
    parser.epilog = (
        "WHICH is a family, a link, a port's URL or a process id; left out, the one that can do it is meant.\n"
        "A control may also be given straight away: kioskwire-sim insert 1000\n"
        "Money goes to whoever takes that note or coin: insert 1000, insert 50.\n\n"
        "  kioskwire-sim do ccnet help            what it can do\n"
        "  kioskwire-sim do /tmp/bills insert 500\n"
        "  kioskwire-sim do line lost=0.1         one answer or question in ten is lost\n"
        "  kioskwire-sim do unplug"
    )
    parser.add_argument("words", metavar="[WHICH] CONTROL [NAME=]VALUE", nargs="*", help="what to do, and to which")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def run_do(options: argparse.Namespace, mistakes: list[Mistake]) -> int:
    """A hand on a running simulator."""
    if mistakes:
        return tell(mistakes)
    try:
        running = find_running()
        which, words = _choose(running, options.words)
        if words[0] == "help":
            print(_help(which))
            return 0
        asked = read_words(which.controls, words)
    except NotThere as error:
        print(f"kioskwire-sim: {error}", file=sys.stderr)
        return 1
    except ControlError as error:
        print(f"kioskwire-sim: {error}", file=sys.stderr)
        return 2
    try:
        figures = ask(which.socket, asked.do, asked.arguments)
    except (ControlError, NotThere) as error:
        print(f"kioskwire-sim: {which}: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(figures, ensure_ascii=False))
    elif asked.do in which.takes:
        print(_put_in(which, asked, figures))
    else:
        print(_shown(figures) or f"done: {which}")
    return 0


def declare_list(parser: argparse.ArgumentParser) -> None:
    """Arguments of `list`."""
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run_list(options: argparse.Namespace, mistakes: list[Mistake]) -> int:
    """Those that run."""
    if mistakes:
        return tell(mistakes)
    try:
        running = find_running()
    except NotThere as error:
        print(f"kioskwire-sim: {error}", file=sys.stderr)
        return 1
    if options.json:
        figures = [{"family": it.family, "url": it.url, "pid": it.pid, "state": it.state or None} for it in running]
        print(json.dumps(figures, ensure_ascii=False))
        return 0
    if not running:
        print("no simulated device runs; kioskwire-sim device FAMILY starts one")
    for it in running:
        print(f"{it.family:8} {it.url:32} pid {it.pid}" + (f"  memory in {it.state}" if it.state else ""))
    return 0


def tell(mistakes: Sequence[Mistake]) -> int:
    """Write every mistake for a person; the exit status for them."""
    for mistake in mistakes:
        shown = f"{mistake.name}={mistake.value}" if mistake.value else mistake.name
        print(f"kioskwire-sim: {shown}: {mistake.words}", file=sys.stderr)
    return 2


def is_control(word: str) -> bool:
    """Whether a word is something that hands could do to a simulated device."""
    return word == "help" or word.replace("_", "-") in all_controls()


def all_controls() -> list[str]:
    """Whatever hands can do to any of them, as it is typed."""
    names = set(DeviceHost.controls)
    for family in FAMILIES:
        try:
            names |= set(find_simulator(family).controls)
        except (ControlError, ImportError):
            continue
    return sorted(name.replace("_", "-") for name in names)


# What was typed


def _read_family(options: argparse.Namespace, mistakes: list[Mistake]) -> type[Simulator] | None:
    try:
        return find_simulator(options.family)
    except (ControlError, ImportError) as error:
        mistakes.append(Mistake(options.family, "", str(error)))
        return None


def _read_options(kind: type[Simulator] | None, given: Sequence[str], mistakes: list[Mistake]) -> dict[str, str]:
    typed: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        name = name.replace("-", "_")
        if not equals:
            mistakes.append(Mistake("--option", text, "right would be NAME=VALUE; help lists them"))
        elif name in typed:
            mistakes.append(Mistake("--option", text, f"{name} is given twice"))
        elif kind is not None:
            try:
                read_options(kind, {name: value})
                typed[name] = value
            except ControlError as error:
                mistakes.append(Mistake("--option", text, f"{error}; --option help lists them"))
    if kind is not None and not mistakes:
        try:
            build(kind, {}, lambda _happened, _figures: None, typed)
        except ControlError as error:
            mistakes.append(Mistake("--option", " ".join(given), f"{error}; --option help lists them"))
    return typed


def _options_told(kind: type[Simulator]) -> str:
    """What a simulator's own text says of its options: all behind its first paragraph."""
    _, _, rest = (inspect.getdoc(kind) or "").partition("\n\n")
    told = textwrap.dedent(rest.removeprefix("Args:").removeprefix("Options:").lstrip("\n")).strip()
    if not told:
        told = "\n".join(f"{name}: {each.default}" for name, each in options_of(kind).items())
    return textwrap.indent(told or "none", "  ")


def _read_wire(options: argparse.Namespace, kind: type[Simulator] | None, mistakes: list[Mistake]) -> Wire | None:
    if options.link and options.tcp:
        mistakes.append(Mistake("--tcp", options.tcp, "is given besides --link; right would be one of them"))
    if options.tcp:
        host, _, port = options.tcp.rpartition(":")
        if not host or not port.isascii() or not port.isdecimal() or int(port) > 65535:
            mistakes.append(Mistake("--tcp", options.tcp, "right would be HOST:PORT such as 127.0.0.1:0"))
            return None
        return TcpWire(host.strip("[]"), int(port), "http" if options.family in _HTTP else "tcp")
    if options.family in _HTTP:
        words = "speaks HTTP; right would be --tcp 127.0.0.1:0" + (" instead of --link" if options.link else "")
        mistakes.append(Mistake(options.family, "", words))
        return None
    if options.link and not Path(options.link).absolute().parent.is_dir():
        mistakes.append(Mistake("--link", options.link, "its directory does not exist"))
    return PtyWire(Path(options.link) if options.link else None, 9600 if kind is None else kind.baud)


# While it runs


async def _serve(host: DeviceHost, store: Store, state: str, *, quiet: bool) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, host.quit)
    try:
        taken = next((it for it in await asyncio.to_thread(find_running) if it.url == host.url), None)
        if taken is not None:
            raise WireError(f"{taken.url}: a simulated {taken.family} is there already (pid {taken.pid})")
        if not quiet:
            store.watchers.append(lambda line: print(_told(line), flush=True))
        await host.open()
        server = ControlServer(host, state=state)
        await server.open()
        hands = _Hands(host)
        try:
            hint = "; type help" if os.isatty(_STDIN) else ""
            print(f"{host.simulator.family} at {host.url}{hint}", flush=True)
            hands.listen()
            await host.ended()
        finally:
            hands.hush()
            await server.close()
    finally:
        await host.close()


class _Hands:
    """What a person types into the simulator's own terminal."""

    def __init__(self, host: DeviceHost) -> None:
        self._host = host
        self._typed = b""

    def listen(self) -> None:
        """Begin, if there is a terminal."""
        if os.isatty(_STDIN):
            signal.signal(signal.SIGTTIN, signal.SIG_IGN)  # in the background reading fails instead of stopping us
            asyncio.get_running_loop().add_reader(_STDIN, self._read)

    def hush(self) -> None:
        """Listen no more."""
        if os.isatty(_STDIN):
            asyncio.get_running_loop().remove_reader(_STDIN)

    def _read(self) -> None:
        try:
            data = os.read(_STDIN, 4096)
        except OSError:
            asyncio.get_running_loop().remove_reader(_STDIN)
            asyncio.get_running_loop().call_later(1.0, self.listen)
            return
        if not data:
            self._host.quit()
            return
        *lines, self._typed = (self._typed + data).split(b"\n")
        for line in lines:
            if words := line.decode("utf-8", "replace").split():
                print(self._do(words), flush=True)

    def _do(self, words: Sequence[str]) -> str:
        controls = self._host.all_controls()
        if words[0] in {"help", "?"}:
            return _list_controls({name: (each.summary, each.arguments) for name, each in controls.items()})
        try:
            asked = read_words(controls, words)
            return _shown(self._host.do(asked.do, **asked.arguments)) or "done"
        except (ControlError, WireError) as error:
            return str(error)


def _choose(running: Sequence[Running], words: Sequence[str]) -> tuple[Running, Sequence[str]]:
    """Which simulator is meant, and what it shall do."""
    if not words:
        raise ControlError("say what to do, such as: kioskwire-sim do ccnet help")
    if not running:
        raise NotThere("no simulated device runs; kioskwire-sim device FAMILY starts one")
    named = [it for it in running if _is_meant(it, words[0])]
    money = list(words[1:] if named else words)
    if found := _choose_by_amount(named or running, money):
        return found
    name = words[0].replace("-", "_")
    able = [it for it in running if name == "help" or name in it.controls]
    chosen, rest = (named, words[1:]) if named else (able, words)
    if not chosen:
        there = ", ".join(map(str, running))
        raise ControlError(
            f"nothing that runs is called {words[0]} or can do it; there are {there}; "
            f"kioskwire-sim do {running[0].url} help tells what one can do"
        )
    if len(chosen) > 1:
        example = f"kioskwire-sim do {chosen[0].url} {' '.join(rest) or 'help'}"
        raise ControlError(f"several are meant: {', '.join(map(str, chosen))}; say which, as in: {example}")
    return chosen[0], rest or ["help"]


def _choose_by_amount(running: Sequence[Running], words: Sequence[str]) -> tuple[Running, Sequence[str]] | None:
    """Who takes what `insert` puts in, a note or a coin; None where it is something else. Raises `ControlError`."""
    if not words or words[0] != "insert" or not any(it.takes for it in running):
        return None
    if len(words) < 2:
        raise ControlError("insert: say how much, as in: kioskwire-sim insert 1000")
    minor = _minor_of(words[1])
    if minor is None:
        raise ControlError(f"insert: {words[1]} is no amount; right would be such as kioskwire-sim insert 1000")
    hands = [(it, control.replace("_", "-")) for it in running for control, known in it.takes.items() if minor in known]
    if len(hands) == 1:
        which, control = hands[0]
        return which, [control, f"minor={minor}", *words[2:]]
    amount = f"{minor / 100:g}"
    if hands:
        examples = "\n".join(f"  kioskwire-sim do {it.url} {control} {amount}" for it, control in hands)
        raise ControlError(f"several take {amount}; say which:\n{examples}")
    known = "\n".join(
        f"  {it} takes {', '.join(f'{each / 100:g}' for each in minors)}"
        for it in running
        for minors in it.takes.values()
    )
    raise ControlError(f"nothing here takes {amount}:\n{known}")


def _minor_of(word: str) -> int | None:
    """`1000`, `value=1000`, `minor=100000`."""
    name, equals, value = word.rpartition("=")
    if equals and name not in {"value", "minor"}:
        return None
    try:
        minor = Decimal(value) * (1 if name == "minor" else 100)
        return int(minor) if minor == minor.to_integral_value() else None
    except ArithmeticError:
        return None


def _is_meant(it: Running, word: str) -> bool:
    names = {it.family, it.url, str(it.pid), Path(it.url).name}
    return word in names or str(Path(word).absolute()) == it.url


# Words


def _help(it: Running) -> str:
    return _list_controls({name: (it.summaries.get(name, ""), it.controls[name]) for name in it.controls})


def _list_controls(controls: Mapping[str, tuple[str, Mapping[str, str]]]) -> str:
    lines = []
    for name, (summary, arguments) in controls.items():
        lines.append(f"  {name.replace('_', '-'):18} {summary}")
        if arguments:
            lines.append(f"  {'':18}   " + " ".join(_example(key, each, arguments) for key, each in arguments.items()))
    return "\n".join(lines)


def _example(key: str, example: str, arguments: Mapping[str, str]) -> str:
    """As one would type it: amounts as people say them."""
    if key == "minor" and "value" not in arguments and example.isdecimal():
        return f"value={int(example) / 100:g}"
    return f"{key}={example}"


def _told(line: Line) -> str:
    """A line of the ledger for a person's eye."""
    figures = {name: value for name, value in line.items() if name not in {"seq", "at", "happened"}}
    at = time.strftime("%H:%M:%S", time.localtime(line["at"]))
    return f"{at}  {_event(str(line['happened']), figures)}"


def _event(happened: str, figures: dict[str, Any]) -> str:
    words = [happened.replace("_", " ")]
    minor, currency = figures.get("minor"), figures.get("currency")
    if isinstance(minor, int) and isinstance(currency, str):
        try:
            words.append(str(Money(minor, currency)))
            del figures["minor"], figures["currency"]
        except ValueError:
            pass  # a country's letters
    words += [f"{name} {_short(_value(value))}" for name, value in figures.items() if value != ""]
    return words[0] + (f": {', '.join(words[1:])}" if words[1:] else "")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _shown(figures: Mapping[str, Any]) -> str:
    lines: list[str] = []
    for name, value in figures.items():
        if name == "paper" and isinstance(value, list):
            lines += map(str, value)
        elif name == "lines" and isinstance(value, list):
            lines += [_told(line) for line in value]
        else:
            lines.append(f"{name.replace('_', ' ')}: {_value(value)}")
    return "\n".join(lines)


def _put_in(which: Running, asked: Asked, figures: Mapping[str, Any]) -> str:
    """What became of money that was put in."""
    minor = asked.arguments.get("minor", "")
    amount = asked.arguments.get("value") or (f"{int(minor) / 100:g}" if minor.isdecimal() else minor)
    if figures.get("taken") == 0:
        return f"not taken by {which}: it takes none just now, as when nobody is to pay"
    return f"{asked.do.replace('_', '-')} {amount}: into {which}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
