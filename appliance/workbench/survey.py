"""What hangs on which port: every port is asked, in the way of every family, until one answers.

**No harm.** A family's probes only ask (`hardware.probe`). What one family's question does to another family's device
is a matter of order, and that order is `ORDER`:

1. A receipt printer prints what it does not know, so it is asked first, and nothing else is sent where one answers.
   Its own question is three bytes of which no other family knows the first.
2. A Shtrih-M register in automatic mode takes the link layer of the first 8F, 05 or 02 it hears and keeps it. 8F, its
   better layer, comes before anything with the other two in it.
3. ID-003, SSP, CCNET and ccTalk all wait for a start byte or an address of their own, with a sum behind it, and let
   the rest pass. ccTalk comes after them: it asks several addresses.
4. A web server is looked for last, and only on a TCP line that is no printer's: what a question in HTTP would come out
   of is paper.

A printer that did not answer (not wired to, another language) still keeps what it cannot read in its line buffer, and
prints it once a line is full or fed. So after each question that nobody answered comes ESC @, which empties that buffer
and means nothing to the others. What cannot be helped: a printer set to another speed than the question hears noise.

A port that another program has open is told to be in use and is never touched: one that is locked, and one that any
program has open without a lock, as far as this user may see.
"""

import asyncio
import contextlib
import errno
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from hardware.errors import TransportError
from hardware.ports import LineSettings, Port, check_url, open_port
from hardware.ports.listing import FoundPort, list_ports
from hardware.probe import Ask, Found, Probe

ORDER = ("escpos", "shtrih", "id003", "ssp", "ccnet", "cctalk", "atol")
_TCP_ONLY = frozenset({"atol"})
_PRINTER_PORTS = range(9100, 9110)  # raw printing
PORT_S = 30.0  # at most for one port, all families together
_QUIET_S = 0.08  # between two questions: what is still on its way belongs to the first; above ccTalk's gap of 50 ms
_CLEAR = b"\x1b@" * 2  # twice, as the first may be the end of what the printer took for another command


class State(StrEnum):
    """How looking at a port ended."""

    FOUND = "found"
    SILENT = "silent"  # nothing that we know answered
    IN_USE = "in_use"  # open in another program; not touched
    UNREACHABLE = "unreachable"  # cannot be opened; the words say why
    NOT_ASKED = "not_asked"  # as was wished


@dataclass(frozen=True, slots=True)
class Answer:
    """A device that answered, and how it was spoken to."""

    found: Found
    line: LineSettings


@dataclass(frozen=True, slots=True)
class Surveyed:
    """One port."""

    port: FoundPort
    driver: str  # of the adapter, in the kernel: "ftdi_sio"
    state: State
    words: str = ""
    answers: tuple[Answer, ...] = ()
    seconds: float = field(default=0.0, compare=False)


async def survey(
    urls: Sequence[str], probes: Mapping[str, Sequence[Probe]], *, listed: bool = True, ask: bool = True
) -> list[Surveyed]:
    """Look at all ports there are and at `urls`, side by side.

    Args:
        urls: ports besides, or instead of, the listed ones.
        probes: each family's.
        listed: whether to look at the ports of this machine.
        ask: False only lists.

    Raises:
        ValueError: a URL that can be no port.
    """
    for url in urls:
        check_url(url)
    ports = await asyncio.to_thread(list_ports) if listed else []
    known = {name for port in ports for name in (port.path, port.by_id, port.by_path)}
    ports += [FoundPort(path=url) for url in dict.fromkeys(urls) if url not in known]
    return list(await asyncio.gather(*(look_at(port, probes, ask=ask) for port in ports)))


async def look_at(port: FoundPort, probes: Mapping[str, Sequence[Probe]], *, ask: bool = True) -> Surveyed:
    """One port. Never raises for what is wrong with it."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    driver = await asyncio.to_thread(adapter_driver, port.path)
    if not ask:
        return Surveyed(port, driver, State.NOT_ASKED)
    if users := await asyncio.to_thread(users_of, port.path):
        return Surveyed(port, driver, State.IN_USE, f"open in {', '.join(users)}")
    answers: tuple[Answer, ...] = ()
    try:
        async with asyncio.timeout(PORT_S):
            answers = await _ask_all(port.path, in_order(port.path, probes))
    except TransportError as error:
        state = State.IN_USE if _is_taken(error) else State.UNREACHABLE
        return Surveyed(port, driver, state, str(error), seconds=loop.time() - began)
    except TimeoutError:
        return Surveyed(port, driver, State.SILENT, f"gave up after {PORT_S:g} s", seconds=PORT_S)
    state = State.FOUND if answers else State.SILENT
    return Surveyed(port, driver, state, "", answers, loop.time() - began)


def in_order(url: str, probes: Mapping[str, Sequence[Probe]]) -> list[Probe]:
    """Those to be asked on a port, the first first. See the module's text."""
    tcp = url.startswith("tcp:")
    families = sorted(probes, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    chosen: list[Probe] = []
    for family in families:
        if family in _TCP_ONLY and (not tcp or urlsplit(url).port in _PRINTER_PORTS):
            continue
        for probe in probes[family]:
            # A TCP line has no speed: the same question is asked once.
            if not tcp or all((probe.family, probe.ask) != (other.family, other.ask) for other in chosen):
                chosen.append(probe)
    return chosen


def adapter_driver(path: str) -> str:
    """The kernel's name for what drives a serial port, or nothing."""
    with contextlib.suppress(OSError, ValueError):
        name = Path(path).resolve().name
        return (Path("/sys/class/tty") / name / "device" / "driver").resolve(strict=True).name
    return ""


def users_of(path: str, processes: Path = Path("/proc")) -> list[str]:
    """Other programs that have a serial port open, such as `cashd (pid 812)`.

    Not of pseudo-terminals: a simulated device has both ends open.
    """
    try:
        device = str(Path(path).resolve(strict=True))
    except OSError:
        return []
    if device.startswith("/dev/pts/"):
        return []
    found = []
    for process in processes.iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            with contextlib.suppress(OSError):  # ended, or somebody else's
                if any(str(link.readlink()) == device for link in (process / "fd").iterdir()):
                    found.append(f"{(process / 'comm').read_text().strip()} (pid {process.name})")
    return found


async def _ask_all(url: str, probes: Iterable[Probe]) -> tuple[Answer, ...]:
    port: Port | None = None
    opened: tuple[str, LineSettings] | None = None
    answers: list[Answer] = []
    try:
        for probe in probes:
            # A line is kept for questions of the same kind; one family's leftovers are no other's beginning.
            if port is None or opened != (probe.family, probe.line):
                if port is not None:
                    port.close()
                port = await open_port(url, probe.line)
                opened = (probe.family, probe.line)
            try:
                found = await _ask(port, probe)
            except TransportError:
                if not url.startswith("tcp:"):
                    raise
                # Hung up on a question that is not in its language; the next is asked on a line of its own.
                port.close()
                port = None
                continue
            answers += [Answer(each, probe.line) for each in found]
            if not found and probe.family not in {"escpos", *_TCP_ONLY}:
                await port.write(_CLEAR)
            if found:
                break
    finally:
        if port is not None:
            port.close()
    return tuple(answers)


async def _ask(port: Port, probe: Probe) -> list[Found]:
    probing = probe.ask()
    try:
        ask = next(probing)
        quiet = False
        while True:
            if not quiet:
                await _listen(port, Ask(b"", _QUIET_S))
            await port.write(ask.data)
            heard = await _listen(port, ask)
            quiet = not heard  # and has been, for as long as was listened
            ask = probing.send(heard)
    except StopIteration as end:
        return list(end.value or [])


async def _listen(port: Port, ask: Ask) -> bytes:
    heard = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ask.seconds):
            while not (heard and ask.enough(heard)):
                heard += await port.read()
    return heard


def _is_taken(error: TransportError) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if getattr(cause, "errno", None) in {errno.EBUSY, errno.EWOULDBLOCK}:
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def dialout_hint() -> str:
    """What to check when nothing is found, or nothing where there is something to check."""
    groups = os.getgroups()
    with contextlib.suppress(KeyError, ImportError):
        import grp  # noqa: PLC0415 - a detail of this sentence

        if os.getuid() != 0 and grp.getgrnam("dialout").gr_gid not in groups:
            return "you are not in the group dialout: sudo usermod -aG dialout $USER, then log in anew"
    return ""
