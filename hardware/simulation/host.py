"""A simulated device that really runs: one simulator on a pseudo-terminal or a TCP port, in real time.

    host.came ──► line (speed, faults) ──► Simulator ──► line (speed, faults) ──► to the host
                                     a person's hand │ time
                                                     ▼
                                      Store: on the disk before a byte leaves

A test runs one in its own event loop; `kioskwire-sim device` runs one as a program:

    async with DeviceHost(CcnetSimulator(store.memory, store.note), store) as host:
        ... open host.url ...
        host.do("insert", value="1000")

**Steps.** What a device does counts in steps: bytes or a moment taken in, and each frame sent. `power_cut` takes the
power away behind the n-th from now, so that a power cut can be put between any two.
"""

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from types import TracebackType
from typing import ClassVar, Self

from hardware.simulation.faults import Line, Rates
from hardware.simulation.simulator import Control, ControlError, Simulator
from hardware.simulation.store import Store
from hardware.simulation.wires import PtyWire, Wire

SLICE_BYTES = 16  # handed on at once; a power cut or a fault is never coarser than this
_BITS_A_BYTE = 10  # start, eight data, stop
_RATES = tuple(field.name for field in fields(Rates) if field.name not in {"late_s", "pause_s"})
_DIRECTIONS = ("both", "to_device", "to_host")


class DeviceHost:
    """Runs one simulator until it is closed, told to quit, or fails.

    Args:
        simulator: without power; built with the store's `memory` and `note`.
        store: committed after everything that happens; None: nothing is kept.
        wire: what it hangs on; None: a pseudo-terminal without a name.
        paced: bytes take the time of the simulator's speed; an answer to a host at another speed is garbage.
        seed: of the line's faults.
        powered: whether power comes with `open`.

    Everything but `open` and `close` is at once, and to be called in the event loop it was opened in.
    """

    controls: ClassVar[Mapping[str, Control]] = {
        "power_off": Control("take the power away"),
        "power_on": Control("give it power"),
        "power_cut": Control(
            "take the power away behind the n-th step or byte sent from now; back after `seconds`, if said",
            {"after": "1", "unit": "steps", "seconds": "2"},
        ),
        "unplug": Control("pull its cable: the port vanishes"),
        "plug": Control("put the cable back"),
        "line": Control(
            "spoil the line: how often, 0 to 1; none given: a good line again",
            {"direction": "both", **dict.fromkeys(_RATES, "0.05"), "late_s": "1.0", "pause_s": "0.02"},
        ),
        "fault": Control(f"spoil the next frame, once: {', '.join(_RATES)}", {"name": "lost", "direction": "to_host"}),
        "describe": Control("tell how it stands"),
        "ledger": Control("tell what happened last", {"last": "10"}),
        "quit": Control("end the simulator; its memory stays"),
    }

    def __init__(
        self,
        simulator: Simulator,
        store: Store | None = None,
        wire: Wire | None = None,
        *,
        paced: bool = True,
        seed: int = 0,
        powered: bool = True,
    ) -> None:
        self.simulator = simulator
        self.store = store
        self.wire = wire or PtyWire(baud=simulator.baud)
        self.powered = False
        self.plugged = False
        self._power_at_first = powered
        self._paced = paced
        self._rng = random.Random(seed)  # noqa: S311
        self.to_device = Line(random.Random(self._rng.random()))  # noqa: S311
        self.to_host = Line(random.Random(self._rng.random()))  # noqa: S311
        self._inward = _Lane(self._take_in)
        self._outward = _Lane(self._put_out)
        self._timer: asyncio.TimerHandle | None = None
        self._power_timer: asyncio.TimerHandle | None = None
        self._cut: _PowerCut | None = None
        self._ended: asyncio.Future[None] | None = None

    @property
    def url(self) -> str:
        """How a driver opens it."""
        return self.wire.url

    async def open(self) -> None:
        """Put it on its line and give it power. Raises `WireError`."""
        self._ended = asyncio.get_running_loop().create_future()
        self.wire.came = self._came
        self.wire.hung_up = self._hung_up
        self.plug()
        if self._power_at_first:
            self.power_on()

    async def close(self) -> None:
        """Power off, off the line. Raises what it failed with, if it did."""
        self.stop()
        await self.ended()

    def stop(self) -> None:
        """`close` for those who cannot wait: what it failed with, if it did, is not told."""
        if self._power_timer is not None:
            self._power_timer.cancel()
        if self.powered:
            self.power_off()
        self.unplug()
        self.quit()

    async def ended(self) -> None:
        """Wait until it is closed or told to quit.

        Raises:
            Exception: what it failed with: a mistake in the simulator, a disk that takes no more.
        """
        if self._ended is not None:
            await asyncio.shield(self._ended)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if error is None:
            await self.close()
        else:
            with contextlib.suppress(Exception):
                await self.close()

    # A person's hand

    def do(self, name: str, /, **arguments: str) -> Mapping[str, object]:
        """One of the simulator's controls or of the host's own, by name; its figures.

        Raises:
            ControlError: there is none such, or it cannot be done.
        """
        family = self.simulator.controls.get(name)
        if name in self.controls and not (family and arguments):
            self._check(name, arguments)
            done: Mapping[str, object] | None = getattr(self, name)(**arguments)
            return done or {}
        if name not in self.simulator.controls:
            raise ControlError(f"there is no {name}; there are {', '.join(sorted(self.all_controls()))}")
        figures: list[Mapping[str, object]] = []
        self._live(lambda now: self._move(name, arguments, now, figures))
        if not figures:
            raise ControlError(f"{name}: the simulator failed")
        return figures[0]

    def all_controls(self) -> Mapping[str, Control]:
        """The simulator's and the host's."""
        # A bus has devices whose power goes one by one: what is of the same name is told apart by its arguments.
        both = {
            name: Control(
                f"{each.summary}; or {self.simulator.controls[name].summary}", self.simulator.controls[name].arguments
            )
            for name, each in self.controls.items()
            if name in self.simulator.controls
        }
        return {**self.simulator.controls, **self.controls, **both}

    def power_on(self) -> None:
        """Power comes."""
        if self.powered:
            raise ControlError("it has power already")
        self.powered = True
        self.wire.power(True)
        self._live(self.simulator.power_on)

    def power_off(self) -> None:
        """Power goes; what was on the line is gone with it."""
        if not self.powered:
            raise ControlError("it has no power")
        self.powered = False
        self._cut = None
        self._inward.clear()
        self._outward.clear()
        self.wire.power(False)
        self._live(self._die)

    def power_cut(self, after: int | str = 1, unit: str = "steps", seconds: float | str = "") -> None:
        """Take the power away later. See the module's text."""
        count = _whole("after", after, 0)
        if unit not in {"steps", "bytes"}:
            raise ControlError(f"unit={unit}: right would be steps or bytes")
        back_s = _number("seconds", seconds, 86400.0) if seconds != "" else None
        if not self.powered:
            raise ControlError("it has no power")
        self._cut = _PowerCut(count, unit, back_s)
        if count == 0:
            self._cut_now()

    def unplug(self) -> None:
        """The port vanishes; the device keeps its power."""
        self.plugged = False
        self._inward.clear()
        self._outward.clear()
        self.wire.unplug()

    def plug(self) -> None:
        """The port is there again, maybe under another number. Raises `WireError`."""
        self.wire.plug()
        self.plugged = True

    def line(self, direction: str = "both", **rates: str) -> Mapping[str, object]:
        """How bad the line is from now on; without rates a good one."""
        given = {name: _number(name, value, 60.0 if name.endswith("_s") else 1.0) for name, value in rates.items()}
        spoilt = replace(Rates.NONE, **given)
        for line in self._lines(direction):
            line.rates = spoilt
        return {"faults_so_far": self.to_device.faults + self.to_host.faults}

    def fault(self, name: str, direction: str = "to_host") -> None:
        """Spoil the next transmission."""
        if name not in _RATES:
            raise ControlError(f"name={name}: right would be one of {', '.join(_RATES)}")
        for line in self._lines(direction):
            line.once.append(name)

    def describe(self) -> Mapping[str, object]:
        """How it stands."""
        return {
            "family": self.simulator.family,
            "url": self.url,
            "power": self.powered,
            "plugged": self.plugged,
            **self.simulator.describe(),
        }

    def ledger(self, last: int | str = 10) -> Mapping[str, object]:
        """What happened last."""
        count = _whole("last", last, 1)
        return {"lines": [] if self.store is None else self.store.lines[-count:]}

    def quit(self) -> None:
        """Let `ended` return."""
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def _lines(self, direction: str) -> Sequence[Line]:
        if direction not in _DIRECTIONS:
            raise ControlError(f"direction={direction}: right would be one of {', '.join(_DIRECTIONS)}")
        return [
            line for name, line in (("to_device", self.to_device), ("to_host", self.to_host))
            if direction in {"both", name}
        ]  # fmt: skip

    def _check(self, name: str, arguments: Mapping[str, str]) -> None:
        if unknown := set(arguments) - set(self.controls[name].arguments):
            raise ControlError(f"{name} takes no {', '.join(sorted(unknown))}")
        if name == "fault" and "name" not in arguments:
            raise ControlError(f"fault needs its name: one of {', '.join(_RATES)}")

    # The device's life

    def _live(self, what: Callable[[float], Sequence[bytes]]) -> None:
        """Have the simulator do something, keep what came of it, and only then let its answers out."""
        try:
            try:
                frames = what(time.monotonic())
            finally:
                if self.store is not None:
                    self.store.commit()
        except ControlError:
            self._arm()
            raise
        except Exception as error:
            # A fault of the simulator, or a disk that takes no more: whoever runs it must know.
            if self._ended is None or self._ended.done():
                raise
            self._ended.set_exception(error)
            return
        self._arm()
        for frame in frames:
            if self.powered and self.plugged:
                for after_s, piece in self.to_host.carry(frame):
                    self._outward.add(piece, after_s, self._byte_s())

    def _move(
        self, name: str, arguments: Mapping[str, str], now: float, figures: list[Mapping[str, object]]
    ) -> Sequence[bytes]:
        try:
            figures.append(self.simulator.control(name, arguments, now))
        except ControlError:
            raise
        except (ValueError, TypeError) as error:
            raise ControlError(f"{name}: {error}") from error
        return ()

    def _die(self, now: float) -> Sequence[bytes]:
        self.simulator.power_off(now)
        return ()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self.simulator.wake_at if self.powered else None
        if at is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, at - time.monotonic()), self._wake)

    def _wake(self) -> None:
        self._timer = None
        at = self.simulator.wake_at
        if at is None or at > time.monotonic():
            self._arm()  # the loop's clock is coarser than ours
            return
        self._live(self.simulator.wake)
        self._step()

    def _came(self, data: bytes) -> None:
        if not self.powered:
            return
        if self._wrong_speed():
            data = self._rng.randbytes(len(data))
        for after_s, piece in self.to_device.carry(data):
            self._inward.add(piece, after_s, self._byte_s())

    def _take_in(self, data: bytes, _last: bool) -> None:
        self._live(lambda now: self.simulator.received(data, now))
        self._step()

    def _put_out(self, data: bytes, last: bool) -> None:
        cut = self._cut
        if cut is not None and cut.unit == "bytes":
            data = data[: cut.left]
            cut.left -= len(data)
        self.wire.put(self._rng.randbytes(len(data)) if self._wrong_speed() else data)
        if cut is not None and cut.unit == "bytes" and cut.left == 0:
            self._cut_now()
        elif last:
            self._step()

    def _hung_up(self) -> None:
        self._inward.clear()
        self._outward.clear()
        if self.powered:
            self._live(self._forget_line)

    def _forget_line(self, now: float) -> Sequence[bytes]:
        self.simulator.hung_up(now)
        return ()

    def _step(self) -> None:
        if self._cut is not None and self._cut.unit == "steps" and self.powered:
            self._cut.left -= 1
            if self._cut.left <= 0:
                self._cut_now()

    def _cut_now(self) -> None:
        back_s = None if self._cut is None else self._cut.back_s
        self.power_off()
        if back_s is not None:
            self._power_timer = asyncio.get_running_loop().call_later(back_s, self._power_back)

    def _power_back(self) -> None:
        if not self.powered:
            self.power_on()

    # The line

    def _byte_s(self) -> float:
        return _BITS_A_BYTE / self.simulator.baud if self._paced else 0.0

    def _wrong_speed(self) -> bool:
        return self._paced and self.wire.baud not in {None, self.simulator.baud}


class _PowerCut:
    def __init__(self, left: int, unit: str, back_s: float | None) -> None:
        self.left, self.unit, self.back_s = left, unit, back_s


class _Lane:
    """One direction of the line: hands bytes on in order, each when its time has come."""

    def __init__(self, hand_on: Callable[[bytes, bool], None]) -> None:
        self._hand_on = hand_on
        self._free_at = 0.0
        self._waiting: deque[tuple[float, bytes, bool]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, data: bytes, after_s: float, byte_s: float) -> None:
        at = max(self._free_at, time.monotonic() + after_s)
        step = SLICE_BYTES if byte_s else len(data)
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            at += len(piece) * byte_s
            self._waiting.append((at, piece, start + step >= len(data)))
        self._free_at = at
        if self._timer is None:
            self._arm()

    def clear(self) -> None:
        self._waiting.clear()
        self._free_at = 0.0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._waiting:
            wait_s = max(0.0, self._waiting[0][0] - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._due)

    def _due(self) -> None:
        self._timer = None
        _at, piece, last = self._waiting.popleft()
        self._hand_on(piece, last)
        if self._timer is None:
            self._arm()


def _whole(name: str, value: int | str, least: int) -> int:
    with contextlib.suppress(ValueError):
        if (number := int(value)) >= least:
            return number
    raise ControlError(f"{name}={value}: right would be a whole number from {least} on")


def _number(name: str, value: float | str, most: float) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= (number := float(value)) <= most:
            return number
    raise ControlError(f"{name}={value}: right would be a number from 0 to {most:g}")
