"""The three pretenders: a coin acceptor, a hopper, a bill validator.

Coins take their time to roll, notes to be drawn in and pushed away, a hopper to throw each coin. The acceptor forgets
its counter and inhibits with its power, as real ones do; the hopper keeps what it paid, coin by coin; a note in the
validator's escrow goes back when power returns, one on its way into the cassette goes in.
"""

from hardware.cctalk.credit import following
from hardware.cctalk.frames import Sum
from hardware.cctalk.simulated import ACK, Inhibited, SimulatedDevice, Store
from hardware.cctalk.states import Category, HopperFlag
from hardware.simulation.simulator import ControlError, Ledger
from wire.money import Money

COINS = (("KZ005A", 500), ("KZ010A", 1000), ("KZ020A", 2000), ("KZ050A", 5000), ("KZ100A", 10000), ("KZ200A", 20000))
NOTES = (("KZ0500A", 50000), ("KZ1K00A", 100000), ("KZ2K00A", 200000), ("KZ5K00A", 500000), ("KZ10K0A", 1000000))
CURRENCY = "KZT"
ROLL_S = 0.25  # from the entry to validation, and from there past the credit sensor
COIN_S = 0.25  # a hopper's coin
EMPTY_S = 2.0  # no coin for so long ends a payout
NOTE_S = 1.2  # drawn in, pushed into the cassette, or pushed out
ESCROW_S = 30.0  # then the validator gives a note back by itself


def _money(minor: int) -> str:
    return str(Money(minor, CURRENCY))


def _all(table: tuple[tuple[str, int], ...]) -> str:
    return ", ".join(_money(minor) for _, minor in table)


class SimulatedCoinAcceptor(Inhibited):
    """Takes coins."""

    category = Category.COIN_ACCEPTOR
    model = "SIM-C"

    def begin(self, now: float) -> None:
        super().begin(now)
        self.status = 0
        self.paths = dict.fromkeys(range(1, 17), 1)

    def insert(self, minor: int, now: float, fate: str = "") -> None:
        """A coin enters. `fate`: "" for a good one, or the event it ends in."""
        numbers = [number for number, (_, value) in enumerate(COINS, 1) if value == minor]
        if not numbers:
            raise ControlError(f"there is no coin of {_money(minor)}; there are {_all(COINS)}")
        if self.powered:
            self.later(now + ROLL_S, lambda at: self._validate(numbers[0], fate, at))
        else:
            self.ledger("coin_returned", {"minor": minor, "currency": CURRENCY})

    def press_return(self) -> None:
        """The coin return's lever."""
        if self.powered:
            self.push(0, 254)

    def _validate(self, number: int, fate: str, now: float) -> None:
        minor = COINS[number - 1][1]
        if fate == "slug" or not self.takes(number):
            self.push(0, 25 if fate == "slug" else 2)
            self.ledger("coin_returned", {"minor": minor, "currency": CURRENCY})
        elif fate:
            self.later(now + ROLL_S, lambda at: self._lose(fate, minor))
        else:
            self.later(now + ROLL_S, lambda at: self._take(number, minor))

    def _take(self, number: int, minor: int) -> None:
        self.push(number, self.paths[number])
        self.ledger("coin_accepted", {"type": number, "minor": minor, "currency": CURRENCY})

    def _lose(self, fate: str, minor: int) -> None:
        if fate == "string":
            self.status = 2
            self.push(0, 20)
        else:
            self.push(0, 36)
            self.ledger("coin_swallowed", {"minor": minor, "currency": CURRENCY})

    def describe(self) -> dict[str, object]:
        if not self.powered:
            return super().describe()
        return super().describe() | {"counter": self.counter, "taking": bool(self.master and self.mask)}

    def on_229(self, data: bytes, now: float) -> bytes:
        return self.buffer()

    def on_248(self, data: bytes, now: float) -> bytes:
        status, self.status = self.status, 0
        return bytes((status,))

    def on_184(self, data: bytes, now: float) -> bytes | None:
        if not 1 <= data[0] <= 16:
            return None
        return COINS[data[0] - 1][0].encode() if data[0] <= len(COINS) else b"......"

    def on_210(self, data: bytes, now: float) -> bytes:
        self.paths[data[0]] = data[1]
        return ACK

    def on_209(self, data: bytes, now: float) -> bytes:
        return bytes((self.paths[data[0]],))


class SimulatedHopper(SimulatedDevice):
    """Pays coins.

    Args:
        flag_bytes: how many bytes it answers to its test: 1 (SCH1), 2 or 3.
        total: whether it counts all coins ever paid (168).
        secret: whether it wants its serial number with 167.
    """

    category = Category.HOPPER
    model = "SIM-H"

    def __init__(
        self,
        address: int,
        kind: Sum,
        serial: int,
        store: Store,
        ledger: Ledger,
        *,
        flag_bytes: int = 3,
        total: bool = True,
        secret: bool = True,
    ) -> None:
        super().__init__(address, kind, serial, store, ledger)
        self._flag_bytes, self._total, self._secret = flag_bytes, total, secret
        for key, value in {
            "stock": 200,
            "paid": 0,
            "unpaid": 0,
            "total": 0,
            "running": False,
            "damaged": False,
        }.items():
            store.setdefault(key, value)
        self.jammed = False

    def begin(self, now: float) -> None:
        self.counter = 0
        self.remaining = 0
        self.enabled = False
        self.flags = HopperFlag.COUNTERS_DOUBTFUL if self.store["damaged"] else 0
        self.store["running"] = False
        self.store["damaged"] = False

    def power_on(self, now: float) -> None:
        if self.powered:
            return
        cut = self.store["running"]
        super().power_on(now)
        self.flags |= HopperFlag.POWER_UP | (HopperFlag.POWER_LOST if cut else 0)

    def describe(self) -> dict[str, object]:
        return super().describe() | dict(self.store) | {"jammed": self.jammed}

    def _throw(self, now: float) -> None:
        if not self.remaining:
            return
        if self.jammed or not self.store["stock"]:
            self.later(now + EMPTY_S, self._give_up)
            return
        self.store["stock"] -= 1
        self.store["paid"] += 1
        self.store["unpaid"] -= 1
        self.store["total"] += 1
        self.remaining -= 1
        self.ledger("coin_paid", {"coins": 1})
        if self.remaining:
            self.later(now + COIN_S, self._throw)
        else:
            self.store["running"] = False

    def _give_up(self, now: float) -> None:
        if self.remaining:
            self.flags |= HopperFlag.OVER_CURRENT if self.jammed else HopperFlag.PAYOUT_TIMEOUT
            self._stop()

    def _stop(self) -> None:
        self.remaining = 0
        self.store["running"] = False
        self._agenda.clear()

    def on_164(self, data: bytes, now: float) -> bytes:
        self.enabled = data[0] == 0xA5
        return ACK

    def on_163(self, data: bytes, now: float) -> bytes:
        flags = self.flags | (0 if self.enabled else HopperFlag.DISABLED)
        return flags.to_bytes(3, "little")[: self._flag_bytes]

    def on_167(self, data: bytes, now: float) -> bytes | None:
        secret = self.serial.to_bytes(3, "little") if self._secret else b""
        if not self.enabled or self.remaining or data[:-1] != secret or not data[-1]:
            return None
        self.counter = following(self.counter)
        self.remaining = data[-1]
        self.store.update(paid=0, unpaid=data[-1], running=True)
        self.later(now + COIN_S, self._throw)
        return bytes((self.counter,)) if self._secret else ACK

    def on_166(self, data: bytes, now: float) -> bytes:
        return bytes((self.counter, self.remaining, self.store["paid"], self.store["unpaid"]))

    def on_168(self, data: bytes, now: float) -> bytes | None:
        return int(self.store["total"]).to_bytes(3, "little") if self._total else None

    def on_172(self, data: bytes, now: float) -> bytes:
        self._stop()
        return bytes((self.store["unpaid"],))

    def on_217(self, data: bytes, now: float) -> bytes:
        return bytes((0x30 | (self.store["stock"] < 10),))


class SimulatedBillValidator(Inhibited):
    """Takes notes, with escrow.

    Args:
        tells: whether it says after a power cut what became of the note it held.
    """

    category = Category.BILL_VALIDATOR
    model = "SIM-B"

    def __init__(
        self, address: int, kind: Sum, serial: int, store: Store, ledger: Ledger, *, tells: bool = True
    ) -> None:
        super().__init__(address, kind, serial, store, ledger)
        self._tells = tells
        store.setdefault("held", 0)  # the type of the note inside
        store.setdefault("where", "")  # escrow, stacking, returning
        store.setdefault("cassette", True)

    def begin(self, now: float) -> None:
        super().begin(now)
        self.mode = 3
        self.patience = 0.0
        self.silent = not self._tells and bool(self.store["held"])
        self.fault = (0,) if self.store["cassette"] else (44,)
        if self.store["held"]:
            self._move("stacking" if self.store["where"] == "stacking" else "returning", now)

    def insert(self, minor: int, now: float) -> None:
        """A note at the entry."""
        numbers = [number for number, (_, value) in enumerate(NOTES, 1) if value == minor]
        if not numbers:
            raise ControlError(f"there is no note of {_money(minor)}; there are {_all(NOTES)}")
        if self.store["held"]:
            raise ControlError("there is a note inside already")
        if self.powered:
            self.later(now + NOTE_S, lambda at: self._validate(numbers[0], at))

    def cassette(self, inside: bool) -> None:
        """Taken out or put in."""
        self.store["cassette"] = inside
        if self.powered:
            self.fault = (0,) if inside else (44,)
            self.push(0, 12 if inside else 11)

    def jam(self) -> None:
        """A note sticks behind the escrow: told, and the fault stays until it is freed."""
        if self.powered:
            self.fault = (39,)
            self.push(0, 16)

    def free(self) -> None:
        """It no longer does."""
        self.fault = (0,) if self.store["cassette"] else (44,)

    def _validate(self, number: int, now: float) -> None:
        if self.store["held"] or not self.takes(number) or not self.store["cassette"]:
            self.push(0, 4)
            return
        self.store.update(held=number, where="escrow")
        self.push(number, 1)
        self.patience = now + ESCROW_S
        self.later(self.patience, self._lose_patience)

    def _lose_patience(self, now: float) -> None:
        if self.store["where"] != "escrow":
            return
        if now < self.patience:
            self.later(self.patience, self._lose_patience)
        else:
            self._move("returning", now)

    def _move(self, where: str, now: float) -> None:
        self.store["where"] = where
        self.later(now + NOTE_S, self._arrive)

    def _arrive(self, now: float) -> None:
        number, where = self.store["held"], self.store["where"]
        minor = NOTES[number - 1][1]
        self.store.update(held=0, where="")
        self.ledger(
            "bill_stacked" if where == "stacking" else "bill_returned",
            {"type": number, "minor": minor, "currency": CURRENCY},
        )
        if not self.silent:
            self.push(*((number, 0) if where == "stacking" else (0, 1)))
        self.silent = False

    def describe(self) -> dict[str, object]:
        return super().describe() | dict(self.store)

    def on_159(self, data: bytes, now: float) -> bytes:
        return self.buffer()

    def on_157(self, data: bytes, now: float) -> bytes | None:
        if not 1 <= data[0] <= 16:
            return None
        return NOTES[data[0] - 1][0].encode() if data[0] <= len(NOTES) else b"......."

    def on_156(self, data: bytes, now: float) -> bytes:
        return bytes((100, 0, 2)) if data == b"KZ" else bytes(3)

    def on_153(self, data: bytes, now: float) -> bytes:
        self.mode = data[0]
        return ACK

    def on_152(self, data: bytes, now: float) -> bytes:
        return bytes((self.mode,))

    def on_154(self, data: bytes, now: float) -> bytes | None:
        if self.store["where"] != "escrow":
            return b"\xfe"
        match data[0]:
            case 0:
                self._move("returning", now)
            case 1:
                if not self.store["cassette"]:
                    return b"\xff"
                self._move("stacking", now)
            case 255:
                self.patience = now + ESCROW_S
            case _:
                return None
        return ACK
