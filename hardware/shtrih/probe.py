"""Whether a Shtrih-M register hangs on a port.

Asked at the two usual speeds, version 2 first: a device that may speak either locks itself to the first it hears. The
questions are "what was your last answer" (or ENQ) and FC, which takes no password and changes nothing. Version 2
carries out only a command whose number follows its last, so FC is sent with that number and nothing stored is lost but
the last answer itself, which a driver never needs: it asks the storage.
"""

from hardware.ports import LineSettings
from hardware.probe import Ask, Found, Probe, Probing
from hardware.roles import Identity
from hardware.shtrih.commands import command
from hardware.shtrih.frames import ACK, ENQ, NAK, Control, FrameV1, FrameV2, ReaderV1, ReaderV2

BAUDS = (115200, 4800)
_TYPE = command("device_type")


def ask_v2() -> Probing:
    """LEN 0, then FC."""
    came = yield Ask(FrameV2(None).encode(), 0.4, lambda data: bool(ReaderV2().feed(data)))
    answers = [frame for frame in ReaderV2().feed(came) if frame.number is not None]
    if not answers:
        return []
    number = ((answers[-1].number or 0) + 1) & 0xFFFF
    came = yield Ask(FrameV2(number, _TYPE.ask({})).encode(), 1.0, lambda data: bool(ReaderV2().feed(data)))
    return [_found(frame.data, "v2") for frame in ReaderV2().feed(came) if frame.number == number][:1]


def ask_v1() -> Probing:
    """ENQ; FC only to a device that says it is idle: an answer that waits belongs to somebody."""
    came = yield Ask(bytes([ENQ]), 0.6, lambda data: bool(ReaderV1().feed(data)))
    first = [item for item in ReaderV1().feed(came) if isinstance(item, Control)][:1]
    if first == [Control(ACK)]:
        return [Found("shtrih", Identity(maker="Shtrih-M"), "link layer v1, an answer waits to be fetched")]
    if first != [Control(NAK)]:
        return []
    came = yield Ask(FrameV1(_TYPE.ask({})).encode(), 1.0, lambda data: bool(_frames(data)))
    found = [_found(frame.data, "v1") for frame in _frames(came)][:1]
    if found:
        yield Ask(bytes([ACK]), 0.05)
    return found


def _frames(data: bytes) -> list[FrameV1]:
    return [item for item in ReaderV1().feed(data) if isinstance(item, FrameV1)]


def _found(data: bytes, link: str) -> Found:
    reply = _TYPE.read_reply(data)
    model = "" if reply is None or reply.error else reply.text("name").strip()
    return Found("shtrih", Identity(maker="Shtrih-M", model=model), f"link layer {link}")


PROBES: tuple[Probe, ...] = tuple(
    Probe("shtrih", LineSettings(baud=baud), ask) for baud in BAUDS for ask in (ask_v2, ask_v1)
)
