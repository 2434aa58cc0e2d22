"""The devices of one session: how they stand, and what of it follows for what may be ordered. Pure."""

from dataclasses import dataclass

from appliance.cash.change import Stock
from appliance.cash.orders import Command, Disable, Enable, Ended, Find, How
from hardware import events
from hardware.events import DeviceState
from wire.money import Money

AGAIN_S = 2.0  # a device that could not be enabled is tried again
COINS_S = 1.0  # a coin inside is told within that time (cctalk, LAST_COINS_S)

AWAY = frozenset({DeviceState.ABSENT, DeviceState.FAULT})


@dataclass(slots=True)
class Acceptor:
    """A device that takes money."""

    name: str
    bills: bool
    knows: tuple[Money, ...] | None = None  # None: not found yet
    takes: frozenset[Money] = frozenset()  # as it agreed
    touched: bool = False  # it may have been enabled
    busy: Command | None = None  # ordered, not ended
    again_at: float = 0.0
    away_since: float | None = None
    closed: bool = False
    quiet_at: float = 0.0  # no coin of before comes after that
    trouble: str = ""  # why it does not take money
    tried: bool = False  # in vain

    def told(self, command: Find | Enable | Disable, end: Ended, currency: str, now: float) -> None:
        """A command of it has ended."""
        if self.busy is not command:
            return  # another has come in its place
        self.busy = None
        if isinstance(command, Disable):
            self.takes = frozenset()
            self.closed = True
            self.quiet_at = max(self.quiet_at, now + COINS_S)
        elif end.how is not How.DONE:
            self.tried = True
            self.trouble = end.words
            self.again_at = now + AGAIN_S
            if isinstance(command, Enable):
                self.knows = None  # who knows what is there now
        elif isinstance(command, Find):
            self.knows = tuple(money for money in end.known if money.currency == currency)
        else:
            self.trouble = ""
            self.takes = command.accept

    def changed(self, event: events.StateChanged, now: float) -> None:
        """Its state did."""
        if event.state in AWAY:
            self.trouble = event.words or event.state.value
            self.away_since = now if self.away_since is None else self.away_since
            return
        self.away_since = None
        if event.state is DeviceState.READY:
            self.trouble = ""
        elif event.state is DeviceState.DISABLED and self.takes:
            # It may be on its way to what it was told; if not, as after its driver was built anew, it is told again.
            self.takes = frozenset()
            self.again_at = now + AGAIN_S / 2
        elif event.state is DeviceState.DISABLED:
            self.again_at = min(self.again_at, now)

    def given_up(self, now: float, after_s: float) -> bool:
        """Away for so long that a note in it is no longer waited for."""
        return self.away_since is not None and now >= self.away_since + after_s


@dataclass(slots=True)
class Hopper:
    """A device that pays. `stock` None: it is not to be asked any more."""

    stock: Stock | None
    away: bool = False
    barred: bool = False  # nothing new is to be begun with it, as its watch says

    @property
    def usable(self) -> bool:
        """Whether it may be asked now, and promised."""
        return self.stock is not None and not self.away and not self.barred

    def paid(self, count: int, *, whole: bool) -> None:
        """So many were asked of it."""
        if whole:
            self._less(count)
        else:
            self.stock = None  # it came up short, or cannot be asked

    def told(self, payout: events.PayoutEnded) -> None:
        """What it paid to the customer before, of which it was not known when this session began."""
        self._less(payout.paid if payout.paid >= payout.asked else None)

    def _less(self, count: int | None) -> None:
        """So many left it; None: more than it had was wanted."""
        if self.stock is not None and self.stock.count is not None:
            left = 0 if count is None else self.stock.count - count
            self.stock = Stock(self.stock.device, self.stock.minor, left if left > 0 else None)
