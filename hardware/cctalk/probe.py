"""Is there a ccTalk bus on this port, and who is on it? Simple polls and names: nothing changes, no event is read.

The default addresses of coin acceptors, hoppers, bill validators and changers are asked, with both sums; where one
device answers, the others are asked for as well. A survey of all addresses is `driver.Bus.survey`.
"""

from collections.abc import Generator

from hardware.cctalk.frames import HOST, OVERHEAD, Frame, FrameReader, Sum, encode
from hardware.cctalk.states import Category, usual_category
from hardware.ports import LineSettings
from hardware.probe import Ask, Found, Probe, Probing
from hardware.roles import Identity

FIRST = (2, 3, 40)
OTHERS = (*range(4, 18), *range(41, 48), 55)
DRIVERS: dict[str, str] = {
    Category.COIN_ACCEPTOR: "cctalk",
    Category.HOPPER: "cctalk-hopper",
    Category.BILL_VALIDATOR: "cctalk-bill",
}
_SECONDS = 0.15


def _ask() -> Probing:
    found: list[Found] = []
    for address in (*FIRST, *OTHERS):
        if address in OTHERS and not found:
            break
        for kind in Sum:
            answer = yield from _question(address, kind, 254)
            if answer is not None:
                found.append((yield from _who(address, kind)))
                break
    return found


def _who(address: int, kind: Sum) -> Generator[Ask, bytes, Found]:
    texts = []
    for header in (245, 246, 244, 241):
        answer = yield from _question(address, kind, header)
        texts.append("" if answer is None else answer.decode("ascii", "replace").strip("\0 "))
    serial = yield from _question(address, kind, 242)
    category, maker, model, firmware = texts
    number = "" if serial is None else str(int.from_bytes(serial, "little"))
    return Found(
        driver=DRIVERS.get(category or usual_category(address), "cctalk"),
        identity=Identity(maker=maker, model=model, serial=number, firmware=firmware),
        words=f"{category or 'device'} with {kind.value}",
        address=address,
    )


def _question(address: int, kind: Sum, header: int) -> Generator[Ask, bytes, bytes | None]:
    sent = encode(Frame(address, header, b"", HOST if kind is Sum.SUM8 else None), kind)
    heard = yield Ask(sent, _SECONDS, lambda heard: _answer(sent, heard, address, kind) is not None)
    return _answer(sent, heard, address, kind)


def _answer(sent: bytes, heard: bytes, address: int, kind: Sum) -> bytes | None:
    for frame in FrameReader(kind, HOST).feed(heard.removeprefix(sent)):
        if frame.header == 0 and frame.src in {None, address} and len(frame.data) + OVERHEAD <= len(heard):
            return frame.data
    return None


PROBES: tuple[Probe, ...] = (Probe("cctalk", LineSettings(baud=9600), _ask),)
