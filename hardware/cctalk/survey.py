"""Who is on a bus: asked one address after the other, or all at once by the address poll.

At each address both sums are tried. Whoever answers the simple poll is asked what it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from hardware.cctalk.frames import BROADCAST, HOST, Frame, Sum, encode
from hardware.cctalk.lane import Answer, Ask, Conversation, LineLost, Outcome, Script
from hardware.cctalk.states import DEFAULT_ADDRESSES
from hardware.errors import LocalProtocolError, TransportError
from hardware.events import DeviceState
from hardware.protocol import Finish
from hardware.roles import Identity, Status

How = Literal["defaults", "all", "address-poll"]
TEXTS = (245, 246, 244, 241)
POLL_S = 1.5  # how long the address poll listens: 4 ms times the highest address, and some


@dataclass(frozen=True, slots=True)
class Answered:
    """A device that answered."""

    address: int
    checksum: Sum
    category: str
    identity: Identity


def addresses(how: How) -> Iterator[tuple[int, Sum]]:
    """What is tried, in order: the likely ones first."""
    for address in sorted(DEFAULT_ADDRESSES):
        yield from ((address, kind) for kind in Sum)
    if how == "all":
        for address in range(2, 256):
            if address not in DEFAULT_ADDRESSES:
                yield from ((address, kind) for kind in Sum)


class SurveyConversation(Conversation):
    """A guest on the bus: it changes its address as it goes. Finishes its own ticket with a list of `Answered`."""

    def __init__(self, how: How = "defaults") -> None:
        super().__init__("survey", 2, Sum.SUM8)
        self._how = how
        self.ticket = 0

    def run(self) -> Script[None]:
        found: list[Answered] = []
        try:
            done: set[int] = set()
            asked = yield from self._addresses()
            for address, kind in asked:
                if address in done:
                    continue
                self.address, self.kind = address, kind
                answer = yield Ask(254, tries=1)
                if answer.outcome is Outcome.GOOD:
                    done.add(address)
                    found.append((yield from self._who()))
        except LineLost:
            self.out.append(Finish(self.ticket, error=TransportError("the port went away during the survey")))
            return
        self.out.append(Finish(self.ticket, found))

    def _addresses(self) -> Script[list[tuple[int, Sum]]]:
        if self._how != "address-poll":
            return list(addresses(self._how))
        self.address, self.kind = BROADCAST, Sum.SUM8
        heard = yield Ask(253, tries=1, wait_s=POLL_S)
        return [(address, kind) for address in answered_poll(heard.data) for kind in Sum]

    def _who(self) -> Script[Answered]:
        texts = []
        for header in TEXTS:
            texts.append(_text((yield Ask(header))))
        serial = yield Ask(242)
        category, maker, model, firmware = texts
        number = str(int.from_bytes(serial.data, "little")) if serial.outcome is Outcome.GOOD else ""
        return Answered(
            self.address, self.kind, category, Identity(maker=maker, model=model, serial=number, firmware=firmware)
        )

    def command(self, command: object, ticket: int, now: float) -> None:
        raise LocalProtocolError("a survey takes no commands")

    def leave(self, now: float) -> None:
        self.leaving = True

    def failed(self, error: Exception) -> None:
        self.out.append(Finish(self.ticket, error=TransportError(f"the survey failed: {error!r}")))

    @property
    def status(self) -> Status:
        return Status(state=DeviceState.BUSY)


def address_poll() -> bytes:
    """All devices with sum-8 answer it with their bare address, each in its own time."""
    return encode(Frame(BROADCAST, 253, b"", HOST), Sum.SUM8)


def answered_poll(heard: bytes) -> list[int]:
    """Addresses in what was heard after `address_poll`, with an echo or without."""
    question = address_poll()
    heard = heard.removeprefix(question)
    return sorted({byte for byte in heard if byte > HOST})


def _text(answer: Answer) -> str:
    return answer.data.decode("ascii", "replace").strip("\0 ") if answer.outcome is Outcome.GOOD else ""
