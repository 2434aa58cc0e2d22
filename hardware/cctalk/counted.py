"""What coin acceptors and bill validators have in common: the counted buffer of events, inhibits, the self check.

A device that began anew (a power cut) takes nothing and its counter is 0. Where that cannot be seen by the counter,
which was at 0 before as well, it is seen by the inhibits, which are not as they were left.
"""

from abc import abstractmethod
from collections.abc import Sequence

from hardware.bills import Disable, Enable
from hardware.cctalk import credit, states
from hardware.cctalk.device import CONTRADICTIONS_MAX, DeviceConversation, RefusedQuestion, Silent, absent_error
from hardware.cctalk.frames import Sum
from hardware.cctalk.lane import LineLost, Script
from hardware.errors import DeviceFault, Refused, TransportError
from hardware.events import CreditsLost, DeviceState
from hardware.protocol import Memory
from wire.money import Money

POLL_S = (
    0.03,
    0.2,
)  # how often events are read: not faster than the line takes, not slower than a buffer of five allows
SOONER = 0.5  # of what the device wants at most: another device's silence may come in between
INHIBITS_S = (1.0, 10.0)  # how often inhibits are compared: while the counter is 0, and otherwise
LAST_S = 1.0  # what is inside when it is told to take no more is told within that time
REAPPLY_S = 1.0  # not more often than this for coins or notes that should have been taken
_ENDING = "ending"  # as True stands in the memory while it takes: it takes no more, but has not told all
SET_MASK, GET_MASK, SET_MASTER, GET_MASTER = 231, 230, 228, 227


class CountedConversation(DeviceConversation):
    """Such a device.

    Attributes:
        accept: what the owner wants to be taken; None for all.
        fault: what the self check found, in words; empty for nothing.
    """

    ask_events = 0  # 229 or 159
    called, takes = "device", "coins or notes"

    def __init__(self, name: str, address: int, kind: Sum, memory: Memory) -> None:
        super().__init__(name, address, kind, memory)
        self.accept: frozenset[Money] | None = frozenset()
        self.fault = ""
        self.poll_s = POLL_S[1]
        self.inhibits_at = self._reapply_at = self._last_until = 0.0
        self._has_check = self._has_inhibits = True

    @abstractmethod
    def apply(self) -> Script[None]:
        """Make the inhibits as they are wanted."""

    @abstractmethod
    def set_up_again(self) -> Script[None]:
        """All that a device forgets with its power, and `apply`."""

    @abstractmethod
    def tell(self, happening: credit.Happening, later: Sequence[credit.Happening], *, late: bool) -> bool:
        """Record one event, of which `later` came behind; whether something went back that should have been taken."""

    def show(self) -> None:
        """The state after events, where they may change it."""

    def doubt(self) -> dict[str, object]:
        """It began anew, or events were lost: what is remembered otherwise from now on."""
        return {}

    # Wishes

    def missed(self, command: object, ticket: int) -> None:
        match command:
            case Disable():
                self.accept = frozenset()
                self.finish(ticket)
            case _ if self.state is DeviceState.FAULT:
                self.finish(ticket, error=DeviceFault(self.code, self.words))
            case _:
                self.finish(ticket, error=absent_error(self))

    def change_wish(self, wish: Enable | Disable, ticket: int) -> Script[None]:
        """Take those, or nothing."""
        if isinstance(wish, Enable):
            if self.fault:
                self.finish(ticket, error=DeviceFault(self.code, self.fault))
                return
            unknown = (wish.accept or frozenset()) - set(self.denominations)
            if unknown:
                listed = ", ".join(sorted(map(str, unknown)))
                self.finish(ticket, error=Refused("unknown", f"{self.name} does not know {listed}"))
                return
        was = self.accept
        self.accept = wish.accept if isinstance(wish, Enable) else frozenset()
        try:
            yield from self.apply()
        except (Silent, RefusedQuestion, LineLost):
            if isinstance(wish, Disable):
                self.finish(ticket)  # not forgotten: it is what the device is told when it is back
            else:
                self.accept = was
                self.finish(ticket, error=TransportError(f"{self.name} does not answer any more; it was not enabled"))
            raise
        self.finish(ticket)

    def wants(self, money: Money) -> bool:
        """Whether the owner wants it to be taken."""
        return self.accept is None or money in self.accept

    # Setting up

    def read_manners(self) -> Script[None]:
        """How often it wants to be asked for events, and whether it checks itself. Hoppers know neither."""
        priority = yield from self.ask_maybe(249)
        self.poll_s = poll_interval(priority)
        self._has_check = (yield from self.ask_known(232)) is not None

    def read_table(self, header: int, count: int) -> Script[dict[int, str]]:
        """What the device calls its coins or notes, by number; empty where it does not say.

        Read forwards and backwards until both agree: an answer that the line doubles would stand behind the next
        question, and a name in the wrong place is money in the wrong amount.
        """
        last: dict[int, str] = {}
        for attempt in range(CONTRADICTIONS_MAX):
            numbers = range(1, count + 1)
            names: dict[int, str] = {}
            for number in reversed(numbers) if attempt % 2 else numbers:
                data = yield from self.ask_known(header, bytes((number,)))
                names[number] = "" if data is None else data.decode("ascii", "replace").strip("\0")
                if data is None and number == 1 and not attempt:
                    return {}  # it names none
            if names == last:
                return names
            last = names
        raise Silent(header)

    def read_news(self) -> Script[credit.News]:
        """What is new in the buffer, believed as far as it weighs.

        One new event or a few are asked for twice (sum-8). A counter that fell to 0, or went on by more than the
        buffer holds, may be an answer of long ago: it is asked for again after silence.
        """
        old, newest = self.known_counter or 0, self._newest()
        last = yield from self.ask(self.ask_events)
        for _ in range(CONTRADICTIONS_MAX):
            found = credit.news(old, *credit.parse(last), newest)
            if not (found.happenings or found.lost or found.reset):
                return found
            if found.lost or found.reset:
                yield from self.quiet()
            elif self.kind is Sum.CRC16:
                return found
            again = yield from self.ask(self.ask_events)
            if again == last:
                return found
            last = again
        raise Silent(self.ask_events)

    def read_baseline(self, **changes: object) -> Script[None]:
        """A device that was never seen: what lies in its buffer was somebody else's."""
        counter, events = credit.parse((yield from self.settled_answer(self.ask_events)))
        if self.took:
            words = (
                f"another {self.called} stands in the place of the one that took {self.takes}, or what was remembered "
                "of it is damaged: what it took just before may be uncredited"
            )
            self.record(CreditsLost(at_most=None, words=words), taking=None)
        self.tell_identity(**{**changes, "counter": counter, "newest": list(events[0])})

    @property
    def took(self) -> bool:
        """Whether it may have taken coins or notes of late; written down before it is allowed to.

        It still may when it was told to take no more, until it has told what was inside by then.
        """
        return self.memory.get("taking") in (True, _ENDING)

    def learn_inhibits(self) -> Script[None]:
        """Whether the device lets its inhibits be read."""
        self._has_inhibits = (yield from self.ask_known(GET_MASTER)) is not None and (
            yield from self.ask_known(GET_MASK)
        ) is not None

    def _still_takes(self) -> Script[bool]:
        """Whether it may still take anything, as it was told; True where that cannot be read.

        A device that began anew takes nothing: the only trace of it while its counter is at 0.
        """
        for _ in range(2 if self._has_inhibits else 0):
            # Not heard is not well: whoever asks would set them anew, and all trace would be gone.
            whole = yield from self.ask(GET_MASTER)
            each = yield from self.ask(GET_MASK)
            if whole[0] & 1 and any(each):
                return True
        return not self._has_inhibits

    @property
    def known_counter(self) -> int | None:
        """The device's counter up to which its events are recorded; None where none is remembered."""
        counter = self.remembered("counter")
        return counter if counter is not None and 0 <= counter <= 255 else None

    def _newest(self) -> tuple[int, int] | None:
        match self.memory.get("newest"):
            case [int(a), int(b)]:
                return a, b
        return None

    def check_self(self) -> Script[str | None]:
        """The self check: empty when it is well, else the fault in words; None when it does not say."""
        if not self._has_check:
            return None
        data = yield from self.ask_maybe(232)
        if not data:
            return None
        if data[0] == 0:
            return ""
        return states.fault_words(data[0], data[1] if len(data) > 1 else None)

    # Inhibits

    def set_inhibits(self, numbers: list[int]) -> Script[None]:
        """Take these and no others. That it may is written down before it is told."""
        if numbers and self.memory.get("taking") is not True:
            self.record(None, taking=True)
        yield from self.ask(SET_MASK, sum(1 << number - 1 for number in numbers).to_bytes(2, "little"))
        yield from self.ask(SET_MASTER, bytes((1 if numbers else 0,)))
        if not numbers and self.took:
            self._last_until = self.now + LAST_S
            if self.memory.get("taking") is True:
                self.record(None, taking=_ENDING)
        self.inhibits_at = self.now + INHIBITS_S[0]

    def compare_inhibits(self) -> Script[None]:
        """A device that began anew has other inhibits than it was given."""
        self.inhibits_at = self.now + INHIBITS_S[1 if self.known_counter else 0]
        if self.memory.get("taking") is not True or (yield from self._still_takes()):
            return
        self.tell_reset()
        if self.is_up:
            yield from self.set_up_again()

    def _reapply(self, *, reset: bool, inhibited: bool) -> Script[None]:
        """Behind a new beginning, or a coin or note that went back and should not have."""
        if self.is_up and (reset or (inhibited and self._reapply_at <= self.now)):
            self._reapply_at = self.now + REAPPLY_S
            yield from self.compare_inhibits()  # before they are set again, and all trace is gone
            yield from self.set_up_again()

    # Events

    def take_news(self, *, late: bool) -> Script[None]:
        """Record what is new in the buffer, the oldest first."""
        asked_at = self.now
        found = yield from self.read_news()
        if found.reset:
            self.tell_reset(counter=0, newest=None)
        elif found.lost:
            self.record(
                CreditsLost(
                    at_most=found.lost,
                    words=f"{found.lost} events of the {self.called} came too fast to be read: "
                    f"{self.takes} among them are uncredited",
                ),
                **self.doubt(),
                counter=credit.back(found.happenings[0].counter, 1),
                newest=None,
            )
        inhibited = False
        for at, happening in enumerate(found.happenings, 1):
            inhibited |= self.tell(happening, found.happenings[at:], late=late)
        self.show()
        if not late and self.memory.get("taking") == _ENDING and asked_at >= self._last_until:
            self.record(None, taking=None)
        yield from self._reapply(reset=found.reset, inhibited=inhibited)

    def tell_reset(self, **changes: object) -> None:
        """It began anew; what it took just before may be lost."""
        changes |= self.doubt()
        if self.took:
            words = (
                f"the {self.called} began anew (power cut or reset) while it took {self.takes}: "
                "what it took just before may be uncredited"
            )
            self.record(CreditsLost(at_most=None, words=words), **{**changes, "taking": None})
        else:
            self.say(f"began anew; it took no {self.takes} then")
            if changes:
                self.record(None, **changes)


def poll_interval(priority: bytes | None) -> float:
    """How often events are read, from an answer to 249: sooner than the device wants, within `POLL_S`."""
    if priority is None or len(priority) != 2:
        return POLL_S[1]
    unit, value = priority
    seconds = {1: 0.001, 2: 0.01}.get(unit, 1.0) * value if unit else 0.0
    return min(max(seconds * SOONER, POLL_S[0]), POLL_S[1]) if seconds else POLL_S[1]
