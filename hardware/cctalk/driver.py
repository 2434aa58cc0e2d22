"""The roles of devices on a ccTalk bus: each with its own name and page, all on one line.

    bus = Bus("/dev/serial/by-id/usb-FTDI_A1")
    coins = CctalkCoinAcceptor("coins", bus, coins_page)
    hopper = CctalkHopper("hopper", bus, hopper_page, coin=Money(10000, "KZT"))

The first device that is opened opens the port, the last that is closed gives it back. In the place of a bus its URL
may stand: devices with the same URL then share the line.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Literal
from weakref import WeakSet, WeakValueDictionary

from hardware.bills import CALL_S, CalledBillValidator, Disable, Enable
from hardware.calling import CalledDevice
from hardware.cctalk.coins import CoinConversation
from hardware.cctalk.device import DeviceConversation
from hardware.cctalk.frames import Sum
from hardware.cctalk.hopper import HopperConversation
from hardware.cctalk.notes import NoteConversation
from hardware.cctalk.payout import PayOut
from hardware.cctalk.protocol import BusProtocol, For, Guest, Join, Leave
from hardware.cctalk.survey import Answered, How, SurveyConversation
from hardware.errors import DeviceError, TransportError
from hardware.events import DeviceState
from hardware.journal import DeviceJournal
from hardware.link import Link
from hardware.ports import LineSettings
from hardware.protocol import Memory
from hardware.pump import CLOSE_WAIT_S
from hardware.roles import CoinAcceptor, CoinHopper, Payout, Status
from wire.money import Money

if TYPE_CHECKING:
    from hardware.trace import Trace

Echo = Literal["auto", "on", "off"]
Checksum = Literal["sum8", "crc16"]
PAY_S = 90.0  # above what a hopper needs to give up, and all that is asked after a lost answer
SURVEY_S = 600.0
_ECHO: Mapping[str, bool | None] = {"auto": None, "on": True, "off": False}


class Bus:
    """One line, for several devices.

    Args:
        url: its port.
        echo: whether what is sent comes back; "auto" finds out.
        trace: where every byte is written, if anywhere.
    """

    def __init__(self, url: str, *, echo: Echo = "auto", trace: "Trace | None" = None) -> None:
        if echo not in _ECHO:
            raise ValueError(f"echo: {echo!r} is not one of auto, on, off")
        self.url = url
        self.echo = echo
        self._trace = trace
        self._link: Link[BusProtocol] | None = None
        self._users = 0
        self._turn = asyncio.Lock()
        self._known: WeakSet[_OnBus] = WeakSet()

    async def survey(self, how: How = "defaults") -> list[Answered]:
        """Who is there: at the default addresses, at all 255 of them, or by the address poll.

        Devices that are open go on meanwhile, but for the address poll, which takes the line for 1.5 s.

        Raises:
            TransportError: the port cannot be opened.
        """
        link = await self._enter(None)
        try:
            found = await link.call(Guest(SurveyConversation(how)), what=f"survey {self.url}", timeout_s=SURVEY_S)
        finally:
            await self._exit()
        return found if isinstance(found, list) else []

    def _add(self, device: "_OnBus", echo: Echo) -> None:
        name = device.name
        if echo not in ("auto", self.echo):
            if self._known and self.echo != "auto":
                raise ValueError(f"{name}.echo: is {echo}, and {self.echo} for another device on the same line")
            self.echo = echo
        for other in self._known:
            if other.name == name:
                raise ValueError(f"{name}: there is a device of that name on {self.url} already")
            if other.address == device.address:
                raise ValueError(f"{name}.address: {device.address} is the address of {other.name} on the same line")
            if device.kind is Sum.CRC16 and other.kind is Sum.CRC16:
                raise ValueError(
                    f"{name}.checksum: one device on a line can have crc16, which says not who answers; "
                    f"{other.name} has it"
                )
        self._known.add(device)

    async def _enter(self, trace: "Trace | None") -> Link[BusProtocol]:
        async with self._turn:
            if self._link is None:
                trace = self._trace or trace
                link: Link[BusProtocol] = Link(
                    name=f"ccTalk bus {self.url}",
                    url=self.url,
                    line=LineSettings(baud=9600),
                    protocol=lambda _: BusProtocol(echo=_ECHO[self.echo]),
                    journals={},
                    wrap=None if trace is None else trace.wrap,
                )
                await link.open()
                self._link = link
            self._users += 1
            return self._link

    async def _exit(self) -> None:
        async with self._turn:
            self._users -= 1
            if not self._users and self._link is not None:
                link, self._link = self._link, None
                await link.close()


_BUSES: "WeakValueDictionary[str, Bus]" = WeakValueDictionary()


def bus_of(url: str) -> Bus:
    """The one bus with this URL, for as long as anybody uses it."""
    bus = _BUSES.get(url)
    if bus is None:
        _BUSES[url] = bus = Bus(url)
    return bus


class _OnBus(CalledDevice):
    """What all three have in common."""

    def __init__(
        self,
        name: str,
        bus: Bus | str,
        journal: DeviceJournal,
        *,
        address: int,
        checksum: str,
        echo: Echo,
        trace: "Trace | None",
    ) -> None:
        if not 2 <= address <= 255:
            raise ValueError(f"{name}.address: is {address}, must be 2 to 255")
        if checksum not in set(Sum):
            raise ValueError(f"{name}.checksum: {checksum!r} is not one of {', '.join(Sum)}")
        self._name = name
        self._journal = journal
        self._trace = trace
        self.address = address
        self.kind = Sum(checksum)
        self._bus = bus_of(bus) if isinstance(bus, str) else bus
        self._link: Link[BusProtocol] | None = None
        self._conversation: DeviceConversation | None = None
        self._bus._add(self, echo)

    @abstractmethod
    def _make(self, memory: Memory) -> DeviceConversation:
        """Its conversation, from what it remembered."""

    @property
    def name(self) -> str:
        return self._name

    async def open(self) -> None:
        conversation = self._make(await self._journal.recall())
        link = await self._bus._enter(self._trace)
        try:
            link.add_page(self._name, self._journal)
            await link.call(Join(conversation), what=f"{self._name}: join the bus", timeout_s=CALL_S)
        except BaseException:
            await self._bus._exit()
            raise
        self._link, self._conversation = link, conversation

    async def close(self) -> None:
        link, self._link = self._link, None
        self._bus._known.discard(self)
        if link is None:
            return
        try:
            await link.call(Leave(self._name), what=f"{self._name}: leave the bus", timeout_s=CLOSE_WAIT_S)
        except DeviceError:
            pass  # it would not come to rest in time, or the link failed: all the same it is closed
        finally:
            await self._bus._exit()

    @property
    def status(self) -> Status:
        if self._conversation is None or self._link is None:
            return Status(state=DeviceState.ABSENT, words="not opened")
        return self._conversation.status

    @property
    def failed(self) -> str:
        return "" if self._link is None else self._link.failed

    @property
    def denominations(self) -> Collection[Money]:
        return () if self._conversation is None else self._conversation.denominations

    async def _call(self, command: object, what: str, timeout_s: float) -> object:
        if self._link is None:
            raise TransportError(f"{self._name} is not open")
        return await self._link.call(For(self._name, command), what=f"{self._name}: {what}", timeout_s=timeout_s)


class CctalkCoinAcceptor(_OnBus, CoinAcceptor):
    """A coin acceptor.

    Args:
        name: what the owner calls it.
        bus: the line, or its URL.
        journal: its page.
        address: 2, or 11 to 17, as it is set.
        currency: ISO 4217, of the coins it is to take; all others are refused.
        checksum: "sum8" or "crc16", as it is set.
        unit_minor: minor units that a value of 1 in a coin's name stands for, where `values.COIN_UNITS` is wrong.
        coins: minor units by the coin's number, for devices that name their coins wrongly or not at all.
        paths: where the sorter sends a coin, by its minor units: {10000: 2}.
        echo: as of `Bus`; all devices of one line have the same.
        trace: where every byte of the line is written, if anywhere.

    Raises:
        ValueError: a setting is wrong; names it.
    """

    def __init__(
        self,
        name: str,
        bus: Bus | str,
        journal: DeviceJournal,
        *,
        address: int = 2,
        currency: str = "KZT",
        checksum: Checksum = "sum8",
        unit_minor: int | None = None,
        coins: Mapping[int, int] | None = None,
        paths: Mapping[int, int] | None = None,
        echo: Echo = "auto",
        trace: "Trace | None" = None,
    ) -> None:
        self._currency = _checked_currency(name, currency)
        if unit_minor is not None and unit_minor < 1:
            raise ValueError(f"{name}.unit_minor: is {unit_minor}, must be 1 or more")
        for key, values in (("coins", coins), ("paths", paths)):
            for number, value in (values or {}).items():
                if number < 1 or value < 1 or (key == "coins" and number > 16) or (key == "paths" and value > 255):
                    raise ValueError(f"{name}.{key}: {{{number}: {value}}} cannot be")
        self._unit_minor = unit_minor
        self._coins = {number: Money(minor, currency) for number, minor in (coins or {}).items()}
        self._paths = {Money(minor, currency): path for minor, path in (paths or {}).items()}
        super().__init__(name, bus, journal, address=address, checksum=checksum, echo=echo, trace=trace)

    def _make(self, memory: Memory) -> DeviceConversation:
        return CoinConversation(
            self._name,
            self.address,
            self.kind,
            memory,
            currency=self._currency,
            unit_minor=self._unit_minor,
            coins=self._coins,
            paths=self._paths,
        )

    async def enable(self, accept: Collection[Money] | None = None) -> None:
        await self._call(Enable(None if accept is None else frozenset(accept)), "take coins", CALL_S)

    async def disable(self) -> None:
        await self._call(Disable(), "take no coins", CALL_S)


class CctalkHopper(_OnBus, CoinHopper):
    """A hopper.

    Args:
        name: what the owner calls it.
        bus: the line, or its URL.
        journal: its page.
        address: 3 to 10, as it is set.
        coin: what it is filled with: 100 KZT; or in two words:
        denomination: its minor units: 10000.
        currency: of `denomination`.
        checksum: "sum8" or "crc16", as it is set.
        security: what goes with the order to pay: "serial" (most: the serial number), "none", or hex of 1 to 8 bytes.
        echo: as of `Bus`.
        trace: where every byte of the line is written, if anywhere.

    Raises:
        ValueError: a setting is wrong; names it.
    """

    def __init__(
        self,
        name: str,
        bus: Bus | str,
        journal: DeviceJournal,
        *,
        coin: Money | None = None,
        denomination: int | None = None,
        currency: str = "KZT",
        address: int = 3,
        checksum: Checksum = "sum8",
        security: str = "serial",
        echo: Echo = "auto",
        trace: "Trace | None" = None,
    ) -> None:
        coin = _coin_of(name, coin, denomination, currency)
        if security not in {"serial", "none"}:
            try:
                size = len(bytes.fromhex(security))
            except ValueError:
                size = 0
            if not 1 <= size <= 8:
                raise ValueError(f"{name}.security: {security!r} is neither serial, none, nor 1 to 8 bytes in hex")
        self._coin, self._security = coin, security
        super().__init__(name, bus, journal, address=address, checksum=checksum, echo=echo, trace=trace)

    def _make(self, memory: Memory) -> DeviceConversation:
        return HopperConversation(self._name, self.address, self.kind, memory, coin=self._coin, security=self._security)

    @property
    def coin(self) -> Money:
        return self._coin

    async def pay_out(self, count: int, reference: str) -> Payout:
        paid = await self._call(PayOut(count, reference), f"pay out {count} coins", PAY_S + count)
        if not isinstance(paid, Payout):
            raise TypeError(f"{self._name}: a payout came back as {paid!r}")
        return paid


class CctalkBillValidator(_OnBus, CalledBillValidator):
    """A bill validator.

    Args:
        name: what the owner calls it.
        bus: the line, or its URL.
        journal: its page.
        address: 40 to 47, as it is set.
        currency: ISO 4217, of the notes it is to take; all others are refused.
        checksum: "crc16" or "sum8", as it is set.
        echo: as of `Bus`.
        trace: where every byte of the line is written, if anywhere.

    Raises:
        ValueError: a setting is wrong; names it.
    """

    def __init__(
        self,
        name: str,
        bus: Bus | str,
        journal: DeviceJournal,
        *,
        address: int = 40,
        currency: str = "KZT",
        checksum: Checksum = "crc16",
        echo: Echo = "auto",
        trace: "Trace | None" = None,
    ) -> None:
        self._currency = _checked_currency(name, currency)
        super().__init__(name, bus, journal, address=address, checksum=checksum, echo=echo, trace=trace)

    def _make(self, memory: Memory) -> DeviceConversation:
        return NoteConversation(self._name, self.address, self.kind, memory, currency=self._currency)


def _coin_of(name: str, coin: Money | None, denomination: int | None, currency: str) -> Money:
    if coin is None and denomination is None:
        raise ValueError(f"{name}.denomination: is required; right would be a coin's minor units, such as 10000")
    if coin is not None and denomination is not None:
        raise ValueError(f"{name}.denomination: is given besides coin; right would be one of them")
    if coin is None:
        if denomination is None or denomination <= 0:
            raise ValueError(f"{name}.denomination: {denomination} is no coin; right would be minor units, as 10000")
        coin = Money(denomination, _checked_currency(name, currency))
    if coin.minor <= 0:
        raise ValueError(f"{name}.coin: {coin} is no coin")
    return coin


def _checked_currency(name: str, currency: str) -> str:
    if len(currency) != 3 or not currency.isascii() or not currency.isupper():
        raise ValueError(f"{name}.currency: {currency!r} is not an ISO 4217 code such as KZT")
    return currency
