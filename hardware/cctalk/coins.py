"""A coin acceptor's conversation.

A coin counts when the device's buffer (229) names it: each new event is recorded with the counter up to it and the
device's serial number, the oldest first, so that a crash between two loses none and doubles none, and coins that came
while nobody listened are found in the buffer when the same device is seen again.

What cannot be found is told as possibly lost (`CreditsLost`): more than five events between two looks; a counter that
began anew while coins were taken; inhibits that are not as they were left, the only trace of a power cut that a
counter at 0 leaves.
"""

from collections.abc import Mapping, Sequence

from hardware.bills import Disable, Enable
from hardware.cctalk import credit, states
from hardware.cctalk.counted import LAST_S, CountedConversation
from hardware.cctalk.device import FAULT_S
from hardware.cctalk.frames import Sum
from hardware.cctalk.lane import FOREVER, Rest, Script
from hardware.cctalk.states import CoinError
from hardware.cctalk.values import coin_money
from hardware.errors import LocalProtocolError
from hardware.events import CoinAccepted, CoinRejected, DeviceState, Tampered
from hardware.protocol import Memory
from wire.money import Money

COINS = 16
STATUS_S = 1.0  # how often the coin return and the string detector are asked about
LAST_COINS_S = LAST_S  # so long a conversation that ends still listens
SUSPECT = frozenset({14, 15, 26, 29, 30, 35})  # coin events after which the self check is worth asking

STRING_SEEN = 2  # of 248


class CoinConversation(CountedConversation):
    """One coin acceptor.

    Args:
        currency: coins of others are not taken.
        unit_minor: minor units that a value of 1 in a coin's name stands for; None as `values.COIN_UNITS` has it.
        coins: values of coins by their number, instead of what the device names them.
        paths: where the sorter sends a coin, by its value; others are left as the device has them.
    """

    wanted_category = states.Category.COIN_ACCEPTOR
    ask_events = 229
    called, takes = "coin acceptor", "coins"

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
        self._taken: frozenset[int] = frozenset()  # the coins it was last told to take
        self._check_at = self._status_at = 0.0
        self._has_status = True
        self._status = 0

    @property
    def denominations(self) -> tuple[Money, ...]:
        return tuple(sorted(set(self._coins.values())))

    def obey(self, command: object, ticket: int) -> Script[None]:
        match command:
            case Enable() | Disable():
                yield from self.change_wish(command, ticket)
            case _:
                self.finish(ticket, error=LocalProtocolError(f"a coin acceptor knows no {command!r}"))

    def live(self) -> Script[None]:
        yield from self.read_manners()
        yield from self._read_coins()
        yield from self.learn_inhibits()
        yield from self._begin()
        yield from self._set_paths()
        self._has_status = (yield from self.ask_known(248)) is not None
        self.fault = (yield from self.check_self()) or ""
        yield from self.apply()
        self._check_at = self.now + FAULT_S if self.fault else FOREVER
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
        known = self.known_counter
        if known is None or self.memory.get("serial") != serial:
            yield from self.read_baseline(serial=serial, taking=None)
            return
        self.tell_identity()
        yield from self.compare_inhibits()
        yield from self.take_news(late=True)

    def _set_paths(self) -> Script[None]:
        for number, coin in self._coins.items():
            if coin in self._paths:
                answer = yield from self.ask_maybe(210, bytes((number, self._paths[coin])))
                if answer is None:
                    self.say(f"does not agree to send {coin} down path {self._paths[coin]}", "warning")

    def apply(self) -> Script[None]:
        """Make the inhibits as they are wanted, and the state with them."""
        taken = [] if self.fault or self.leaving else [n for n, coin in self._coins.items() if self.wants(coin)]
        yield from self.set_inhibits(taken)
        self._taken = frozenset(taken)
        if self.fault:
            self.change(DeviceState.FAULT, "self-check", self.fault)
        elif taken:
            self.change(DeviceState.READY)
        else:
            self.change(DeviceState.DISABLED)

    # Keeping it

    def _look(self) -> Script[None]:
        yield from self.take_news(late=False)
        if self._check_at <= self.now:
            yield from self._check()
        if self._has_status and self._status_at <= self.now:
            yield from self._ask_status()
        if self.inhibits_at <= self.now:
            yield from self.compare_inhibits()

    def _check(self) -> Script[None]:
        was = self.fault
        fault = yield from self.check_self()
        self.fault = self.fault if fault is None else fault
        self._check_at = self.now + FAULT_S if self.fault else FOREVER
        if self.fault != was:
            yield from self.apply()

    def _ask_status(self) -> Script[None]:
        self._status_at = self.now + STATUS_S
        data = yield from self.ask_maybe(248)
        if data is not None and data[0] != self._status:
            self._status = data[0]
            if self._status == STRING_SEEN:
                self.record(Tampered(code="status 2", words=states.COIN_STATUS[2]))

    def set_up_again(self) -> Script[None]:
        yield from self._set_paths()
        yield from self.apply()

    def tell(self, happening: credit.Happening, later: Sequence[credit.Happening], *, late: bool) -> bool:
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
            return bool(self._taken)
        if b in states.INHIBITED_CODES:
            return b - 127 in self._taken
        return False

    # Leaving it

    def _part(self) -> Script[None]:
        while self.inbox:
            self.missed(*self.inbox.popleft())
        yield from self.apply()
        until = self.now + LAST_COINS_S
        while True:
            asked_at = self.now
            yield from self.take_news(late=False)
            if asked_at >= until:
                return
            yield Rest(self.now + self.poll_s, nudged=False)
