"""What a validator says it is, and which of its channels are to be taken."""

from collections.abc import Callable
from dataclasses import dataclass, field

from hardware.roles import Identity
from hardware.ssp import commands as c
from hardware.ssp.replies import Channel, read_channel_values, read_setup
from hardware.ssp.states import UNITS, VALIDATORS, Generic
from wire.money import Money

PROTOCOLS = (8, 7, 6)


@dataclass
class Configuration:
    """One validator's.

    `wish` is what to take (None: all, empty: nothing). `told` is the inhibits as the device has them, and whether it is
    enabled; None while that is not known. `learn` takes what the channels are worth.
    """

    learn: Callable[[tuple[Channel, ...]], None]
    wish: frozenset[Money] | None = frozenset()
    told: tuple[bytes, bool] | None = None
    identity: Identity = field(default_factory=Identity)
    protocol: int = 0
    channels: int = 16
    table: dict[int, Money] = field(default_factory=dict)
    _versions: list[int] = field(default_factory=lambda: list(PROTOCOLS))

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

    @property
    def enabled(self) -> bool:
        """It takes notes, as far as is known."""
        return self.told is not None and self.told[1]

    def begin(self) -> list[bytes]:
        """What is said behind SYNC."""
        self.told = None
        self._versions = list(PROTOCOLS)
        return [c.REJECT.data(), c.DISABLE.data(), c.PROTOCOL.data(self._versions[0])]

    def protocol_answered(self, version: int, told: int) -> bytes:
        """What is asked next."""
        if told == Generic.OK:
            self.protocol = version
        elif self._versions[1:] and version == self._versions[0] and told != Generic.UNKNOWN_COMMAND:
            self._versions.pop(0)
            return c.PROTOCOL.data(self._versions[0])
        else:
            self.protocol = 0  # the setup says
        return c.SETUP.data()

    def setup_answered(self, data: bytes) -> str:
        """Take in a whole answer to SETUP REQUEST; what is wrong with it, in words, or nothing."""
        setup = read_setup(data[1:]) if data[0] == Generic.OK else None
        if setup is None or setup.unit not in VALIDATORS:
            unit = data[1] if len(data) > 1 else -1
            return f"it is a {UNITS[unit]}, not a note validator" if unit in UNITS else "its setup cannot be read"
        self.protocol = self.protocol or setup.protocol
        self.channels = len(setup.values)
        self.identity = Identity(
            maker="ITL", model=UNITS[setup.unit], serial=self.identity.serial, firmware=setup.firmware
        )
        self.know(setup.channels)
        return ""

    def know(self, channels: tuple[Channel, ...]) -> None:
        """What each channel is worth."""
        self.table = {channel.number: channel.money for channel in channels if channel.money is not None}
        self.learn(channels)

    def values_answered(self, data: bytes) -> None:
        """The answer to CHANNEL VALUE REQUEST, behind F0."""
        self.know(read_channel_values(data, "", 1) or ())

    def serial_answered(self, data: bytes) -> None:
        """The answer to GET SERIAL NUMBER, behind F0."""
        if len(data) >= 4:
            known = self.identity
            serial = str(int.from_bytes(data[:4], "big"))
            self.identity = Identity(maker=known.maker, model=known.model, firmware=known.firmware, serial=serial)

    def inhibits(self, channels: frozenset[int]) -> bytes:
        """02 with its data: bit 0 of the first byte is channel 1, and 1 takes it."""
        size = max(2, (self.channels + 7) // 8)
        return c.SET_INHIBITS.data(*sum(1 << (channel - 1) for channel in channels).to_bytes(size, "little"))

    def change(self) -> bytes | None:
        """The next command that brings the device from what it has to what is wished; None when it is so."""
        if self.told is None:
            return None
        if self.wants_none:
            return c.DISABLE.data() if self.told[1] else None
        wanted = self.inhibits(frozenset(channel for channel, bill in self.table.items() if self.takes(bill)))
        if self.told[0] != wanted[1:]:
            return wanted
        return None if self.told[1] else c.ENABLE.data()

    def agreed(self, data: bytes) -> None:
        """The device did what 02, 09 or 0A say."""
        before = self.told or (b"", False)
        match data[0]:
            case c.SET_INHIBITS.code:
                self.told = (data[1:], before[1])
            case c.ENABLE.code:
                self.told = (before[0], True)
            case c.DISABLE.code if self.told is not None:
                self.told = (before[0], False)

    def disabled_itself(self) -> None:
        """It said so."""
        if self.told is not None:
            self.told = (self.told[0], False)
