"""A coin acceptor's conversation.

A coin counts when the device's buffer (229) names it: each new event is recorded with the counter up to it and the
device's serial number, the oldest first, so that a crash between two loses none and doubles none, and coins that came
while nobody listened are found in the buffer when the same device is seen again.

What cannot be found is told as possibly lost (`CreditsLost`): more than five events between two looks; a counter that
began anew while coins were taken; inhibits that are not as they were left, the only trace of a power cut that a
counter at 0 leaves.
"""

from collections.abc import Mapping

from hardware.bills import Disable, Enable
from hardware.cctalk import credit, states
from hardware.cctalk.device import FAULT_S, DeviceConversation, RefusedQuestion, Silent, absent_error
from hardware.cctalk.frames import Sum
from hardware.cctalk.lane import FOREVER, LineLost, Rest, Script
from hardware.cctalk.states import CoinError
from hardware.cctalk.values import coin_money
from hardware.errors import DeviceFault, LocalProtocolError, Refused, TransportError
from hardware.events import CoinAccepted, CoinRejected, CreditsLost, DeviceState, Tampered
from hardware.protocol import Memory
from wire.money import Money

COINS = 16
STATUS_S = 1.0  # how often the coin return and the string detector are asked about
INHIBITS_S = (1.0, 10.0)  # how often inhibits are compared: while the counter is 0, and otherwise
LAST_COINS_S = 1.0  # a coin that is inside when it is told to take no more is told within that time
REAPPLY_S = 1.0  # not more often than this for coins that should have been taken
SUSPECT = frozenset({14, 15, 26, 29, 30, 35})  # coin events after which the self check is worth asking

STRING_SEEN = 2  # of 248
ASK_EVENTS, SET_MASK, GET_MASK, SET_MASTER, GET_MASTER = 229, 231, 230, 228, 227


class CoinConversation(DeviceConversation):
    """One coin acceptor.

    Args:
        currency: coins of others are not taken.
        unit_minor: minor units that a value of 1 in a coin's name stands for; None as `values.COIN_UNITS` has it.
        coins: values of coins by their number, instead of what the device names them.
        paths: where the sorter sends a coin, by its value; others are left as the device has them.
    """

    wanted_category = states.Category.COIN_ACCEPTOR

    def __init__(
        self,
        name: str,
        address: int,
        kind: Sum,
        memory: Memory,
        *,
        currency: str,
        unit_minor: int | None = None,
        coins: Mapping[int, Money] | None = None,
        paths: Mapping[Money, int] | None = None,
    ) -> None:
        super().__init__(name, address, kind, memory)
        self._currency = currency
        self._unit_minor = unit_minor
        self._given = dict(coins or {})
        self._paths = dict(paths or {})
        self._coins: dict[int, Money] = {}
        self._accept: frozenset[Money] | None = frozenset()  # None: all
        self._fault = ""
        self._mask = bytes(2)  # as it was last set
        self._check_at = self._status_at = self._inhibits_at = self._reapply_at = 0.0
        self._has_status = True
        self._status = 0

    @property
    def denominations(self) -> tuple[Money, ...]:
        return tuple(sorted(set(self._coins.values())))

    def missed(self, command: object, ticket: int) -> None:
        match command:
            case Disable():
                self._accept = frozenset()
                self.finish(ticket)
            case _ if self.state is DeviceState.FAULT:
                self.finish(ticket, error=DeviceFault(self.code, self.words))
            case _:
                self.finish(ticket, error=absent_error(self))

    def obey(self, command: object, ticket: int) -> Script[None]:
        match command:
            case Enable(accept) if self._fault:
                self.finish(ticket, error=DeviceFault(self.code, self._fault))
            case Enable(accept) if accept is not None and (unknown := accept - set(self.denominations)):
                listed = ", ".join(sorted(map(str, unknown)))
                self.finish(ticket, error=Refused("unknown-coin", f"{self.name} knows no coin of {listed}"))
            case Enable() | Disable():
                yield from self._change_wish(command, ticket)
            case _:
                self.finish(ticket, error=LocalProtocolError(f"a coin acceptor knows no {command!r}"))

    def _change_wish(self, wish: Enable | Disable, ticket: int) -> Script[None]:
        was = self._accept
        self._accept = wish.accept if isinstance(wish, Enable) else frozenset()
        try:
            yield from self._apply()
        except (Silent, RefusedQuestion, LineLost):
            if isinstance(wish, Disable):
                self.finish(ticket)  # not forgotten: it is what the device is told when it is back
            else:
                self._accept = was
                self.finish(ticket, error=TransportError(f"{self.name} does not answer any more; it was not enabled"))
            raise
        self.finish(ticket)

    def live(self) -> Script[None]:
        yield from self.read_manners()
        yield from self._read_coins()
        yield from self.learn_inhibits(GET_MASTER, GET_MASK)
        yield from self._begin()
        yield from self._set_paths()
        self._has_status = (yield from self.ask_known(248)) is not None
        self._fault = (yield from self.check_self()) or ""
        yield from self._apply()
        self._check_at = self.now + FAULT_S if self._fault else FOREVER
        while not self.leaving:
            while self.inbox:
                yield from self.obey(*self.inbox.popleft())
            began = self.now
            yield from self._look()
            if not self.inbox and not self.leaving:
                yield Rest(began + self.poll_s)
        yield from self._part()

    # Setting up

    def _read_coins(self) -> Script[None]:
        coins = {}
        for number, name in (yield from self.read_table(184, COINS)).items():
            money = self._given.get(number, coin_money(name, self._unit_minor))
            if money is not None and money.currency == self._currency:
                coins[number] = money
            elif name.strip(". ") and name[:2] != "TK":
                self.say(f"coin {number} is {name!r}, which is not {self._currency}: it is not taken", "info")
        self._coins = coins or {number: coin for number, coin in self._given.items() if 1 <= number <= COINS}

    def _begin(self) -> Script[None]:
        """Compare with what was remembered; the first look at the buffer."""
        serial = self.identity.serial
        known = self.remembered("counter")
        if known is None or self.memory.get("serial") != serial:
            yield from self.read_baseline(ASK_EVENTS, serial=serial, taking=None)
            return
        self.tell_identity()
        yield from self._compare_inhibits()
        yield from self._take_news(late=True)

    def _set_paths(self) -> Script[None]:
        for number, coin in self._coins.items():
            if coin in self._paths:
                answer = yield from self.ask_maybe(210, bytes((number, self._paths[coin])))
                if answer is None:
                    self.say(f"does not agree to send {coin} down path {self._paths[coin]}", "warning")

    def _apply(self) -> Script[None]:
        """Make the inhibits as they are wanted, and the state with them."""
        taken = [] if self._fault or self.leaving else [n for n, coin in self._coins.items() if self._wants(coin)]
        mask = sum(1 << number - 1 for number in taken).to_bytes(2, "little")
        if taken and not self.took:
            self.record(None, taking=True)
        yield from self.ask(SET_MASK, mask)
        yield from self.ask(SET_MASTER, bytes((1 if taken else 0,)))
        self._mask = mask
        if self.took and not taken:
            self.record(None, taking=None)
        self._inhibits_at = self.now + INHIBITS_S[0]
        if self._fault:
            self.change(DeviceState.FAULT, "self-check", self._fault)
        elif taken:
            self.change(DeviceState.READY)
        else:
            self.change(DeviceState.DISABLED)

    def _wants(self, coin: Money) -> bool:
        return self._accept is None or coin in self._accept

    # Keeping it

    def _look(self) -> Script[None]:
        yield from self._take_news(late=False)
        if self._check_at <= self.now:
            yield from self._check()
        if self._has_status and self._status_at <= self.now:
            yield from self._ask_status()
        if self._inhibits_at <= self.now:
            yield from self._compare_inhibits()

    def _check(self) -> Script[None]:
        was = self._fault
        fault = yield from self.check_self()
        self._fault = self._fault if fault is None else fault
        self._check_at = self.now + FAULT_S if self._fault else FOREVER
        if self._fault != was:
            yield from self._apply()

    def _ask_status(self) -> Script[None]:
        self._status_at = self.now + STATUS_S
        data = yield from self.ask_maybe(248)
        if data is not None and data[0] != self._status:
            self._status = data[0]
            if self._status == STRING_SEEN:
                self.record(Tampered(code="status 2", words=states.COIN_STATUS[2]))

    def _compare_inhibits(self) -> Script[None]:
        """A device that began anew has other inhibits than it was given."""
        self._inhibits_at = self.now + INHIBITS_S[1 if self.remembered("counter") else 0]
        if not self.took or (yield from self.still_takes(GET_MASTER, GET_MASK)):
            return
        self.record(
            CreditsLost(
                at_most=None,
                words="the coin acceptor lost power while it took coins: what it took just before may be uncredited",
            ),
            taking=None,
        )
        if self.is_up:
            yield from self._set_paths()
            yield from self._apply()

    def _take_news(self, *, late: bool) -> Script[None]:
        found = yield from self.read_news(ASK_EVENTS)
        if found.reset:
            self._tell_reset()
        elif found.lost:
            self.record(
                CreditsLost(
                    at_most=found.lost,
                    words=f"{found.lost} events of the coin acceptor came too fast to be read: "
                    "coins among them are uncredited",
                ),
                counter=credit.back(found.happenings[0].counter, 1),
                newest=None,
            )
        inhibited = False
        for happening in found.happenings:
            inhibited |= self._tell(happening, late=late)
        if self.is_up and (found.reset or (inhibited and self._reapply_at <= self.now)):
            self._reapply_at = self.now + REAPPLY_S
            yield from self._compare_inhibits()  # before they are set again, and all trace is gone
            yield from self._set_paths()
            yield from self._apply()

    def _tell_reset(self) -> None:
        if self.took:
            self.record(
                CreditsLost(
                    at_most=None,
                    words="the coin acceptor began anew (power cut or reset) while it took coins: "
                    "what it took just before may be uncredited",
                ),
                counter=0,
                newest=None,
                taking=None,
            )
        else:
            self.say("began anew; it took no coins then", "info")
            self.record(None, counter=0, newest=None)

    def _tell(self, happening: credit.Happening, *, late: bool) -> bool:
        """One event; whether it says that a coin went back which should have been taken."""
        a, b, counter = happening.a, happening.b, happening.counter
        seen = {"counter": counter, "newest": [a, b]}
        if a:
            coin = self._coins.get(a)
            if coin is None:
                self.record(
                    CoinRejected(
                        code=f"coin {a}",
                        words=f"a coin of type {a} was taken, whose value is unknown: a dispute, look for it inside",
                    ),
                    **seen,
                )
            else:
                self.record(CoinAccepted(coin=coin, path=b, number=counter, late=late), **seen)
            return False
        if b == CoinError.NONE:
            self.record(None, **seen)
            return False
        self.record(CoinRejected(code=str(b), words=states.coin_error_words(b)), **seen)
        if b in SUSPECT:
            self._check_at = self.now
        if b == CoinError.INHIBITED:
            return any(self._mask)
        if b in states.INHIBITED_CODES:
            return self._wants_number(b - 127)
        return False

    def _wants_number(self, number: int) -> bool:
        return number in self._coins and self._wants(self._coins[number])

    # Leaving it

    def _part(self) -> Script[None]:
        while self.inbox:
            self.missed(*self.inbox.popleft())
        yield from self._apply()
        until = self.now + LAST_COINS_S
        while self.now < until:
            yield from self._take_news(late=False)
            yield Rest(self.now + self.poll_s, nudged=False)
