"""What a validator is told once it begins anew, who it says it is, and which notes it is to take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hardware.id003 import commands as c
from hardware.id003.currency import FIRST_CODE, LAST_CODE, mask, parse
from hardware.id003.exchange import Request
from hardware.roles import Identity
from wire.money import Money

_ALL = frozenset(range(FIRST_CODE, LAST_CODE + 1))


@dataclass
class Configuration:
    """One validator's.

    `currency` and `countries` translate the table's countries; `wish` is what to take (None: all, empty: nothing).
    `told` is C0's and C3's data as the device has them, None while that is not known.
    """

    currency: str | None
    countries: Mapping[int, str]
    security: bytes
    direction: bytes
    options: bytes
    say: Callable[[str], None]
    wish: frozenset[Money] | None = frozenset()
    told: tuple[bytes, bytes] | None = None
    identity: Identity = field(default_factory=Identity)
    table: dict[int, Money] = field(default_factory=dict)

    @property
    def denominations(self) -> tuple[Money, ...]:
        """The notes it knows, each once."""
        return tuple(sorted(set(self.table.values()), key=lambda bill: (bill.currency, bill.minor)))

    @property
    def wants_none(self) -> bool:
        """Nothing is to be taken."""
        return self.wish is not None and not self.wish

    def takes(self, bill: Money) -> bool:
        """Whether this note is to be taken."""
        return self.wish is None or bill in self.wish

    def unknown(self, wish: frozenset[Money] | None) -> str:
        """What of a wish the device does not know, in words."""
        known = set(self.table.values())
        return ", ".join(sorted(str(bill) for bill in wish or () if bill not in known))

    def questions(self) -> list[Request]:
        """Who it is, and what its codes are worth."""
        return [Request(c.GET_VERSION), Request(c.GET_CURRENCY)]

    def set_up(self) -> list[Request]:
        """All that a validator in INITIALIZE waits for; inhibited to begin with."""
        self.told = (b"", b"")
        data = {
            c.SET_DENOMINATIONS.code: mask(_ALL - set(self.table)) if self.table else b"\xff\xff",
            c.SET_SECURITY.code: self.security,
            c.SET_INHIBIT.code: b"\x01",
            c.SET_DIRECTION.code: self.direction,
            c.SET_OPTIONS.code: self.options,
            c.SET_COMMUNICATION.code: b"\x00",
        }
        return [Request(command, data[command.code]) for command in c.SET_UP]

    def changes(self) -> list[Request]:
        """What brings the device from what it has to what is wished; empty when it is so."""
        if self.told is None:
            return []
        taken = frozenset(code for code, bill in self.table.items() if self.takes(bill))
        refused, inhibit = mask(_ALL - taken), b"\x01" if self.wants_none else b"\x00"
        requests = []
        if inhibit == b"\x00" and self.told[0] != refused:
            requests.append(Request(c.SET_DENOMINATIONS, refused))
        if self.told[1] != inhibit:
            requests.append(Request(c.SET_INHIBIT, inhibit))
        return requests

    @property
    def inhibited(self) -> bool:
        """It takes nothing, as far as is known."""
        return self.told is None or self.told[1] != b"\x00"

    def agreed(self, request: Request) -> None:
        """The device echoed a setting."""
        if self.told is not None and request.command is c.SET_DENOMINATIONS:
            self.told = (request.data, self.told[1])
        elif self.told is not None and request.command is c.SET_INHIBIT:
            self.told = (self.told[0], request.data)

    def answered(self, command: c.Command, data: bytes) -> None:
        """The device answered a question."""
        if command is c.GET_VERSION:
            text = data.decode("ascii", "replace").strip("\x00 \r\n")
            self.identity = Identity(maker="JCM", model=text.split(" ", 1)[0].split("(", 1)[0], firmware=text)
        elif command is c.GET_CURRENCY:
            self.table = {}
            for line in parse(data):
                bill = line.money(self.countries, self.currency)
                if bill is not None:
                    self.table[line.code] = bill
                elif line.major:
                    country = f"country {line.country:02X}, which no setting names"
                    self.say(f"code {line.code:02X} is {line.major} of {country}")
