"""A hopper's conversation: coins are paid once, or it is said that this cannot be known.

What was asked for is written down with the hopper's event counter, its count of coins ever paid (168) and its last
result before 167 leaves; from then on the truth is what 166 says, never the answer to 167:

    counter one further       it was accepted: follow it until nothing remains
    counter as before         asked after silence, so that no late answer can say it: not accepted, may be sent again
    counter 0                 the hopper lost power: what it keeps without power decides (below)
    counter 1                 it lost power, and the order came when that was back: follow it
    any other                 somebody else made it pay: unclear

A counter that is as before may also have been at 0 in between. The flag "power came" tells: it is cleared by a reset
before each payout. Where a hopper does not clear it, the other counts must agree that nothing happened.

A hopper that lost power says with a flag of its third byte that paid and unpaid are of a payout cut short; without
the flag, its count of coins ever paid says how many left it. Where the two disagree, where the flag says that its
memory is damaged, or where neither is there, the payout is unclear.
"""

from hardware.cctalk import credit, states
from hardware.cctalk.device import (
    CONTRADICTIONS_MAX,
    FAULT_S,
    DeviceConversation,
    RefusedQuestion,
    Silent,
    absent_error,
)
from hardware.cctalk.frames import Sum
from hardware.cctalk.lane import ANSWER_S, Ask, LineLost, Outcome, Rest, Script
from hardware.cctalk.payout import REMEDY, End, HopperStatus, Intent, PayOut, Unclear, read_end, read_intent
from hardware.cctalk.states import HARMLESS_FLAGS, HopperFlag
from hardware.errors import DeviceError, DeviceFault, LocalProtocolError, OutcomeUnknown, Refused
from hardware.events import CoinsPaid, DeviceState, PayoutBegan, PayoutEnded, PayoutUnclear
from hardware.protocol import Memory
from wire.money import Money

ENABLE = b"\xa5"
SENDS_MAX = 3  # of 167, each after it is certain that the one before was not accepted
FOLLOW_S = 0.15
IDLE_S = 1.0
STANDSTILL_S = 60.0  # no coin for so long: a hopper gives up by itself long before; then it is stopped
STOPS_MAX = 3
OTHERS_MAX = 60  # looks at coins that nobody here asked for, before they are stopped
COUNT_MAX = 255
RESET_S = 1.0  # after a reset
TOTAL = 1 << 24  # 168 counts modulo this


class _Occupied(Exception):
    """It pays for somebody else and does not stop."""


class HopperConversation(DeviceConversation):
    """One hopper.

    Args:
        coin: what it is filled with.
        security: what 167 carries before the count: "serial" (SCH2: the serial number), "none" (SCH1), or hex.
    """

    wanted_category = states.Category.HOPPER

    def __init__(
        self, name: str, address: int, kind: Sum, memory: Memory, *, coin: Money, security: str = "serial"
    ) -> None:
        super().__init__(name, address, kind, memory)
        self.coin = coin
        self._security = security
        self._serial_bytes = b""
        self._has_total = True
        self._flags = 0
        self._waiting: list[int] = []  # whoever waits for the payout that runs
        self._idle_counter: int | None = None
        self._stop = False
        self._again_at = 0.0

    @property
    def denominations(self) -> tuple[Money, ...]:
        return (self.coin,)

    # Wishes

    def command(self, command: object, ticket: int, now: float) -> None:
        if isinstance(command, PayOut):
            self.now = now
            if self._answered_before(command, ticket):
                return
        DeviceConversation.command(self, command, ticket, now)

    def _answered_before(self, command: PayOut, ticket: int) -> bool:
        """The same reference again: the same result, or the one that runs."""
        running, last = self._running(), read_end(self.remembered_dict("last"))
        if running is not None and running.reference == command.reference:
            if self.state is DeviceState.ABSENT:
                self.finish(ticket, error=_later(self.name))
            else:
                self._waiting.append(ticket)
            return True
        if last is None or last.reference != command.reference:
            return False
        self._finish_with(ticket, last)
        return True

    def missed(self, command: object, ticket: int) -> None:
        if self.state is DeviceState.FAULT:
            self.finish(ticket, error=DeviceFault(self.code, self.words))
        else:
            self.finish(ticket, error=absent_error(self))

    def gone(self) -> None:
        for ticket in self._waiting:
            self.finish(ticket, error=_later(self.name))
        self._waiting.clear()

    def leave(self, now: float) -> None:
        self.leaving = True
        self._stop = True

    def obey(self, command: object, ticket: int) -> Script[None]:
        match command:
            case PayOut(count, reference) as wish:
                if self._answered_before(wish, ticket):
                    return
                if not 1 <= count <= COUNT_MAX:
                    self.finish(ticket, error=Refused("count", f"a hopper pays 1 to {COUNT_MAX} coins, not {count}"))
                elif self.state is DeviceState.FAULT:
                    self.finish(ticket, error=DeviceFault(self.code, self.words))
                else:
                    yield from self._pay(count, reference, ticket)
            case _:
                self.finish(ticket, error=LocalProtocolError(f"a hopper knows no {command!r}"))

    # Its life

    def live(self) -> Script[None]:
        serial = self.identity.serial
        self._serial_bytes = (int(serial) if serial else 0).to_bytes(3, "little")
        known = self.memory.get("serial")
        self.tell_identity(**({} if known == serial else {"serial": serial}))
        intent = self._running()
        if intent is not None:
            if intent.damaged:
                self._tell_unclear(intent, "what was written down of it cannot be read any more")
            elif known != serial:
                self._tell_unclear(intent, "another hopper stands in its place")
            else:
                yield from self._resolve(intent)
        yield from self._disable()
        yield from self._examine()
        self._idle_counter = None
        while not self.leaving:
            while self.inbox and not self.leaving:
                yield from self.obey(*self.inbox.popleft())
            if self.leaving:
                break
            yield from self._watch()
            if not self.inbox:
                yield Rest(self.now + IDLE_S)
        while self.inbox:
            self.missed(*self.inbox.popleft())
        yield from self._disable()

    def _watch(self) -> Script[None]:
        status = yield from self._read_status()
        if self._idle_counter not in {None, status.counter} and status.counter != 0:
            self.say(f"paid coins that nobody here asked for ({status.paid})", "error")
        if self.state is DeviceState.FAULT and self._again_at <= self.now:
            self._again_at = self.now + FAULT_S
            yield from self._prepare()
            self._idle_counter = None
            return
        if self._idle_counter not in {None, status.counter}:
            yield from self._examine()
        self._idle_counter = status.counter

    def _examine(self) -> Script[None]:
        """Test it; a flag that hinders is cleared by a reset where that helps."""
        self._flags = yield from self._test()
        if self._flags & HopperFlag.ENCRYPTED:
            self.change(DeviceState.FAULT, "encrypted", "it wants encrypted commands, which are not supported")
        elif self._flags & HopperFlag.PIN:
            self.change(DeviceState.FAULT, "pin", "it wants a PIN, which is not supported")
        elif self._flags & (HopperFlag.PATH_BLOCKED | HopperFlag.COIL):
            words = states.hopper_words(self._flags, but=HARMLESS_FLAGS)
            self.change(DeviceState.FAULT, f"flags {self._flags:06X}", words)
        else:
            self.change(DeviceState.READY)

    def _test(self) -> Script[int]:
        data = yield from self.ask(163)
        return int.from_bytes(data, "little")

    def _disable(self) -> Script[None]:
        yield from self.ask_maybe(164, b"\0")

    def _read_status(self) -> Script[HopperStatus]:
        data = yield from self.settled_answer(166)
        return HopperStatus(*data)

    def _read_total(self) -> Script[int | None]:
        if not self._has_total:
            return None
        last = None
        for _ in range(CONTRADICTIONS_MAX):
            data = yield from self.ask_known(168)
            if data is None:
                self._has_total = False
                return None
            number = int.from_bytes(data, "little")
            if number == last or self.kind is Sum.CRC16:
                return number
            last = number
        return None

    def _counted(self, intent: Intent) -> Script[int | None]:
        """How many coins left it since the intent, by its total count; None where it keeps none."""
        total = yield from self._read_total()
        return None if total is None or intent.total is None else (total - intent.total) % TOTAL

    # A payout

    def _pay(self, count: int, reference: str, ticket: int) -> Script[None]:
        try:
            yield from self._baseline()  # a reset would cut off what still runs
            yield from self._prepare()
            before = yield from self._baseline()
            total = yield from self._read_total()
        except (Silent, RefusedQuestion, LineLost):
            self.finish(ticket, error=absent_error(self))
            raise
        except _Occupied:
            self.finish(ticket, error=DeviceFault("occupied", "it pays coins that nobody here asked for, without end"))
            return
        if self.leaving or self.state is DeviceState.FAULT:
            error: DeviceError = DeviceFault(self.code, self.words)
            self.finish(ticket, error=Refused("closing", "it is being closed") if self.leaving else error)
            return
        self._waiting.append(ticket)
        marked = not self._flags & HopperFlag.POWER_UP
        intent = Intent(
            reference,
            count,
            before.counter,
            before.paid,
            before.unpaid,
            total,
            marked,
            self.coin.minor,
            self.coin.currency,
        )
        self.record(PayoutBegan(reference=reference, asked=count, coin=self.coin), payout=intent.kept())
        self.change(DeviceState.BUSY)
        try:
            yield from self._dispense(intent)
        except Unclear as unclear:
            self._tell_unclear(intent, str(unclear))
        yield from self._disable()
        yield from self._examine()
        self._idle_counter = None

    def _prepare(self) -> Script[None]:
        """Flags that only a reset clears, so that each says something of this payout when it is up."""
        self._flags = yield from self._test()
        if self._flags & (~HARMLESS_FLAGS | HopperFlag.POWER_LOST | HopperFlag.POWER_UP):
            yield from self.ask_maybe(1)
            yield Rest(self.now + RESET_S, nudged=False)
        yield from self._examine()

    def _baseline(self) -> Script[HopperStatus]:
        """How it stands before; coins that nobody here asked for are waited for, and stopped in the end.

        Raises:
            _Occupied: it does not stop.
        """
        waited = stops = 0
        status = yield from self._read_status()
        while status.remaining and not self.leaving:
            waited += 1
            if waited > OTHERS_MAX:
                if stops == STOPS_MAX:
                    raise _Occupied
                stops += 1
                yield from self.ask_maybe(172)
            yield Rest(self.now + IDLE_S, nudged=False)
            status = yield from self._read_status()
        return status

    def _dispense(self, intent: Intent) -> Script[None]:
        asked = intent.asked
        words = "the hopper did not begin"
        for _ in range(SENDS_MAX):
            if self._stop:
                words = "stopped before it began"
                break
            yield from self.ask_maybe(164, ENABLE)
            # Once only: repeated by habit it would be a second payout.
            answer = yield Ask(167, self._secret() + bytes((asked,)), 1, ANSWER_S, once=True)
            if answer.outcome is Outcome.REFUSED:
                words = "the hopper refused to pay (security code, PIN or encryption)"
            accepted = yield from self._accepted(intent)
            if accepted:
                yield from self._follow(intent, late=False)
                return
            if answer.outcome is Outcome.REFUSED:
                break
        self._tell_end(intent, 0, words, late=False, refused=True)

    def _secret(self) -> bytes:
        match self._security:
            case "serial":
                return self._serial_bytes
            case "none":
                return b""
        return bytes.fromhex(self._security)

    def _accepted(self, intent: Intent) -> Script[bool]:
        """Whether 167 was; also when the power went since. Raises `Unclear`."""
        before = intent.counter
        status = yield from self._read_status()
        if status.counter == credit.following(before):
            return True
        yield from self.quiet()
        status = yield from self._read_status()
        flags = yield from self._test()
        marked = intent.marked
        if status.counter == credit.following(before) or status.remaining:
            return True
        if marked and not flags & HopperFlag.POWER_UP:
            if status.counter != before:
                raise Unclear(f"its event counter went from {before} to {status.counter}")
            counted = yield from self._counted(intent)
            return bool(counted)
        if marked and status.counter == 1:
            return True  # the order came when the power was back
        if status.counter == 0 and before:
            return True  # the power went; `_follow` finds out
        if status.counter != before:
            raise Unclear(f"its event counter went from {before} to {status.counter}")
        return (yield from self._paid_something(intent, status, flags))

    def _paid_something(self, intent: Intent, status: HopperStatus, flags: int) -> Script[bool]:
        """The counter is as before, which a power cut may have done."""
        if flags & HopperFlag.POWER_LOST:
            return True
        counted = yield from self._counted(intent)
        if counted is not None:
            return counted > 0
        if (status.paid, status.unpaid) != (intent.paid, intent.unpaid):
            return True
        if status.paid + status.unpaid == intent.asked:
            raise Unclear("it keeps no total count, and what it says fits this payout and the one before")
        return False

    def _follow(self, intent: Intent, *, late: bool) -> Script[None]:
        """Until nothing remains; then the end is told. Raises `Unclear`."""
        before, told = intent.counter, 0
        moved_at, stops = self.now, 0
        while True:
            status = yield from self._read_status()
            if status.counter == 0:
                yield from self._after_power_cut(intent, status, late=late)
                return
            # 1: the order came when the power was back, or the counter went on from 0 or 255.
            if status.counter not in {credit.following(before), 1}:
                raise Unclear(f"its event counter went from {before} to {status.counter}")
            if status.remaining == 0:
                break
            if status.paid > told:
                told, moved_at = status.paid, self.now
                self.record(CoinsPaid(reference=intent.reference, paid=told))
            if (self._stop and not stops) or self.now - moved_at > STANDSTILL_S:
                if stops == STOPS_MAX:
                    raise Unclear("it neither pays nor stops")
                stops += 1
                moved_at = self.now
                yield from self.ask_maybe(172)
            yield Rest(self.now + FOLLOW_S, nudged=False)
        yield from self._end(intent, status, late=late)

    def _end(self, intent: Intent, status: HopperStatus, *, late: bool) -> Script[None]:
        flags = yield from self._test()
        counted = yield from self._counted(intent)
        if flags & HopperFlag.COUNTERS_DOUBTFUL:
            raise Unclear("its counters' memory is damaged")
        if status.paid + status.unpaid != intent.asked and counted != status.paid:
            raise Unclear(f"it says {status.paid} paid and {status.unpaid} not, which is not what was asked")
        if counted is not None and counted != status.paid:
            if flags & HopperFlag.POWER_UP:
                raise Unclear(f"it lost power, says {status.paid} paid and counted {counted}")
            self.say(f"paid {status.paid} coins by its status and {counted} by its total count", "warning")
        words = (
            "" if status.unpaid == 0 else states.hopper_words(flags, but=HARMLESS_FLAGS) or "it stopped before the end"
        )
        self._tell_end(intent, status.paid, words, late=late)

    def _after_power_cut(self, intent: Intent, status: HopperStatus, *, late: bool) -> Script[None]:
        flags = yield from self._test()
        counted = yield from self._counted(intent)
        asked = intent.asked
        words = "the hopper lost power during the payout"
        if flags & HopperFlag.COUNTERS_DOUBTFUL:
            raise Unclear("it lost power and its counters' memory is damaged")
        if status.remaining:
            raise Unclear("it lost power and pays by itself")
        if flags & HopperFlag.POWER_LOST:
            if status.paid + status.unpaid != asked or (counted is not None and counted != status.paid):
                raise Unclear("it lost power, and what it says of the payout does not agree")
            self._tell_end(intent, status.paid, words, late=late)
        elif counted is not None and counted <= asked:
            self._tell_end(intent, counted, words if counted < asked else "", late=late)
        else:
            raise Unclear("it lost power and does not say what it paid")

    def _resolve(self, intent: Intent) -> Script[None]:
        """A payout that was open when the host or the link went."""
        self.change(DeviceState.BUSY, words="an earlier payout is looked into")
        try:
            if (yield from self._accepted(intent)):
                yield from self._follow(intent, late=True)
            else:
                self._tell_end(intent, 0, "the hopper never got the order", late=True)
        except Unclear as unclear:
            self._tell_unclear(intent, str(unclear))

    # Its ends

    def _running(self) -> Intent | None:
        return read_intent(self.remembered_dict("payout"))

    def _tell_end(self, intent: Intent, paid: int, words: str, *, late: bool, refused: bool = False) -> None:
        reference, asked = intent.reference, intent.asked
        end = End(reference, asked, paid, words, refused)
        self.record(
            PayoutEnded(
                reference=reference, asked=asked, paid=paid, coin=intent.coin(self.coin), words=words, late=late
            ),
            payout=None,
            last=end.kept(),
        )
        self._finish_waiting(end)

    def _tell_unclear(self, intent: Intent, why: str) -> None:
        reference, asked = intent.reference, intent.asked
        end = End(reference, asked, words=why, unclear=True)
        self.record(
            PayoutUnclear(reference=reference, asked=asked, coin=intent.coin(self.coin), remedy=f"{why}: {REMEDY}"),
            payout=None,
            last=end.kept(),
        )
        self._finish_waiting(end)

    def _finish_waiting(self, end: End) -> None:
        for ticket in self._waiting:
            self._finish_with(ticket, end)
        self._waiting.clear()

    def _finish_with(self, ticket: int, end: End) -> None:
        result = end.result()
        if isinstance(result, DeviceError):
            self.finish(ticket, error=result)
        else:
            self.finish(ticket, result)


def _later(name: str) -> OutcomeUnknown:
    return OutcomeUnknown("a payout", f"the link to {name} was lost; its end is told when the hopper is heard again")
