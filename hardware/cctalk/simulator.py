"""A whole bus of pretenders: a coin acceptor, a hopper and a bill validator behind one adapter.

The adapter has its own power and gives an echo, or none; each device may lose its power by itself. All of them see all
bytes; each reads with the sum it speaks.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, ClassVar

from hardware.cctalk.frames import GAP_S, HOST, NAK, OVERHEAD, REPLY, Frame, Sum, decode, encode
from hardware.cctalk.simulated import SimulatedDevice
from hardware.cctalk.simulated_cash import (
    COINS,
    NOTES,
    SimulatedBillValidator,
    SimulatedCoinAcceptor,
    SimulatedHopper,
)
from hardware.simulation.simulator import Control, ControlError, Ledger, Simulator

COIN, NOTE, DEVICE = {"minor": "10000"}, {"minor": "100000"}, {"device": "coins"}
OPTIONS: Mapping[str, str] = {
    "devices": "coins,hopper,bills",
    "echo": "on",
    "coins_address": "2",
    "hopper_address": "3",
    "bills_address": "40",
    "coins_sum": "sum8",
    "hopper_sum": "sum8",
    "bills_sum": "crc16",
    "coins_serial": "1061013",
    "hopper_serial": "70707",
    "bills_serial": "404040",
    "hopper_flags": "3",
    "hopper_total": "on",
    "hopper_secret": "on",
    "bills_tell": "on",
}
"""All options and what they are when not given."""


class CctalkBusSimulator(Simulator):
    """The bus. Numbers and truths may be given as such; what they are otherwise, stands in `OPTIONS`.

    Options:
        devices: which hang on it, "coins,hopper,bills".
        echo: "on": the host hears itself, as on one wire.
        coins_address, hopper_address, bills_address: 2, 3, 40.
        coins_sum, hopper_sum, bills_sum: "sum8" or "crc16".
        coins_serial, hopper_serial, bills_serial: six or seven digits.
        hopper_flags: how many bytes it answers to its test: 1 (SCH1), 2 or 3.
        hopper_total: "on": it counts all it ever paid.
        hopper_secret: "on": it wants its serial number with an order to pay.
        bills_tell: "on": after a power cut it says what became of the note it held.
    """

    family: ClassVar[str] = "cctalk"
    controls: ClassVar[Mapping[str, Control]] = {
        "insert_coin": Control("put a coin in", COIN),
        "swallow_coin": Control("put a coin in that is swallowed", COIN),
        "string_trick": Control("put a coin on a string in", COIN),
        "insert_slug": Control("put a false coin in", COIN),
        "press_return": Control("press the coin return"),
        "insert_note": Control("put a note in", NOTE),
        "remove_cassette": Control("take the cassette out"),
        "insert_cassette": Control("put the cassette back"),
        "jam": Control("jam the hopper or the bill validator", {"device": "hopper"}),
        "free": Control("free it", {"device": "hopper"}),
        "fill_hopper": Control("put coins into the hopper", {"coins": "100"}),
        "empty_hopper": Control("take all coins out of the hopper"),
        "damage_counters": Control("damage the hopper's memory; told when power returns"),
        "reset": Control("take one device's power and give it back at once", DEVICE),
        "cut": Control("take one device's power", DEVICE),
        "restore": Control("give it back", DEVICE),
    }

    def __init__(self, memory: MutableMapping[str, Any], ledger: Ledger, **options: object) -> None:
        super().__init__(memory, ledger)
        unknown = set(options) - set(OPTIONS)
        if unknown:
            raise ControlError(f"there is no option {', '.join(sorted(unknown))}; there are {', '.join(OPTIONS)}")
        said = {**OPTIONS, **{name: _text(value) for name, value in options.items()}}
        self._echo = _truth(said, "echo")
        self.devices: dict[str, SimulatedDevice] = {}
        for name in said["devices"].replace(" ", "").split(","):
            if name not in {"coins", "hopper", "bills"}:
                raise ControlError(f"devices: there is no {name!r}; there are coins, hopper, bills")
            try:
                address, serial = int(said[f"{name}_address"]), int(said[f"{name}_serial"])
                kind = Sum(said[f"{name}_sum"])
                flag_bytes = int(said["hopper_flags"])
            except ValueError as error:
                raise ControlError(f"{name}: {error}") from None
            store = memory.setdefault(name, {})
            match name:
                case "coins":
                    self.devices[name] = SimulatedCoinAcceptor(address, kind, serial, store, ledger)
                case "hopper":
                    self.devices[name] = SimulatedHopper(
                        address,
                        kind,
                        serial,
                        store,
                        ledger,
                        flag_bytes=flag_bytes,
                        total=_truth(said, "hopper_total"),
                        secret=_truth(said, "hopper_secret"),
                    )
                case _:
                    self.devices[name] = SimulatedBillValidator(
                        address, kind, serial, store, ledger, tells=_truth(said, "bills_tell")
                    )
        self._unread = bytearray()
        self._last = 0.0

    def power_on(self, now: float) -> Sequence[bytes]:
        for device in self.devices.values():
            device.power_on(now)
        return ()

    def power_off(self, now: float) -> None:
        for device in self.devices.values():
            device.power_off(now)
        self._unread.clear()

    def received(self, data: bytes, now: float) -> Sequence[bytes]:
        if now - self._last > GAP_S:
            self._unread.clear()
        self._last = now
        self._unread += data
        answers = [data] if self._echo else []
        for frame, kind in self._frames():
            answers += self._answer(frame, kind, now)
        return answers

    @property
    def wake_at(self) -> float | None:
        return min((at for device in self.devices.values() if (at := device.wake_at) is not None), default=None)

    def wake(self, now: float) -> Sequence[bytes]:
        for device in self.devices.values():
            device.wake(now)
        return ()

    def describe(self) -> Mapping[str, object]:
        return {name: device.describe() for name, device in self.devices.items()}

    # The line

    def _frames(self) -> list[tuple[Frame, Sum]]:
        found = []
        while len(self._unread) >= 2 and len(self._unread) >= (size := self._unread[1] + OVERHEAD):
            for kind in Sum:
                try:
                    frame = decode(bytes(self._unread[:size]), kind)
                except ValueError:
                    continue
                found.append((frame, kind))
                del self._unread[:size]
                break
            else:
                del self._unread[0]
        return found

    def _answer(self, frame: Frame, kind: Sum, now: float) -> list[bytes]:
        heard = [device for device in self.devices.values() if device.powered and device.kind is kind]
        if frame.header == 253 and frame.dest == 0:
            return [bytes((device.address,)) for device in sorted(heard, key=lambda each: each.address)]
        for device in heard:
            if device.address == frame.dest:
                answer = device.answer(frame.header, frame.data, now)
                if answer is not None:
                    refused, data = answer
                    src = device.address if kind is Sum.SUM8 else None
                    return [encode(Frame(frame.src or HOST, NAK if refused else REPLY, data, src), kind)]
        return []

    # A person's hand

    def _coins(self) -> SimulatedCoinAcceptor:
        device = self._device("coins")
        assert isinstance(device, SimulatedCoinAcceptor)
        return device

    def _bills(self) -> SimulatedBillValidator:
        device = self._device("bills")
        assert isinstance(device, SimulatedBillValidator)
        return device

    def _hopper(self) -> SimulatedHopper:
        device = self._device("hopper")
        assert isinstance(device, SimulatedHopper)
        return device

    def _device(self, name: str) -> SimulatedDevice:
        if name not in self.devices:
            raise ControlError(f"there is no {name!r} on this bus; there are {', '.join(self.devices)}")
        return self.devices[name]

    def takes(self) -> Mapping[str, Sequence[int]]:
        """Coins and notes of the devices that are on the bus."""
        there = {"insert_coin": ("coins", COINS), "insert_note": ("bills", NOTES)}
        return {
            name: [minor for _, minor in table] for name, (device, table) in there.items() if device in self.devices
        }

    def do_insert_coin(self, *, now: float, minor: str | int) -> None:
        self._coins().insert(_number(minor), now)

    def do_swallow_coin(self, *, now: float, minor: str | int) -> None:
        self._coins().insert(_number(minor), now, "swallow")

    def do_string_trick(self, *, now: float, minor: str | int) -> None:
        self._coins().insert(_number(minor), now, "string")

    def do_insert_slug(self, *, now: float, minor: str | int) -> None:
        self._coins().insert(_number(minor), now, "slug")

    def do_press_return(self, *, now: float) -> None:
        self._coins().press_return()

    def do_insert_note(self, *, now: float, minor: str | int) -> None:
        self._bills().insert(_number(minor), now)

    def do_remove_cassette(self, *, now: float) -> None:
        self._bills().cassette(inside=False)

    def do_insert_cassette(self, *, now: float) -> None:
        self._bills().cassette(inside=True)

    def do_jam(self, *, now: float, device: str = "hopper") -> None:
        match self._device(device):
            case SimulatedHopper() as hopper:
                hopper.jammed = True
            case SimulatedBillValidator() as bills:
                bills.jam()
            case _:
                raise ControlError(f"{device} cannot be jammed here")

    def do_free(self, *, now: float, device: str = "hopper") -> None:
        match self._device(device):
            case SimulatedHopper() as hopper:
                hopper.jammed = False
            case SimulatedBillValidator() as bills:
                bills.free()
            case _:
                raise ControlError(f"{device} cannot be jammed here")

    def do_fill_hopper(self, *, now: float, coins: str | int) -> Mapping[str, object]:
        store = self._hopper().store
        store["stock"] += _number(coins)
        return {"stock": store["stock"]}

    def do_empty_hopper(self, *, now: float) -> Mapping[str, object]:
        store = self._hopper().store
        taken, store["stock"] = store["stock"], 0
        return {"taken": taken}

    def do_damage_counters(self, *, now: float) -> None:
        self._hopper().store["damaged"] = True

    def do_reset(self, *, now: float, device: str) -> None:
        found = self._device(device)
        if found.powered:
            found.power_off(now)
            found.power_on(now)

    def do_cut(self, *, now: float, device: str) -> None:
        self._device(device).power_off(now)

    def do_restore(self, *, now: float, device: str) -> None:
        self._device(device).power_on(now)


def _text(value: object) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def _truth(said: Mapping[str, str], name: str) -> bool:
    truths = {"on": True, "yes": True, "1": True, "off": False, "no": False, "0": False}
    if said[name] not in truths:
        raise ControlError(f"{name} is on or off, not {said[name]!r}")
    return truths[said[name]]


def _number(value: str | int) -> int:
    try:
        return int(value)
    except ValueError:
        raise ControlError(f"{value!r} is not a number") from None
