"""A device that is asked by commands: what its role needs of whatever carries them to its protocol."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Protocol as Shape

from hardware.errors import DeviceError, DeviceFault, TransportError
from hardware.events import DeviceState
from hardware.pump import CLOSE_WAIT_S
from hardware.roles import Device, Status


@dataclass(frozen=True, slots=True)
class AwaitReady:
    """Finished with None as soon as the device is set up, at once if it is; `DeviceFault` if it is out of service."""


class CalledDevice(Device):
    """Asked by `_call`, whoever carries that on."""

    @abstractmethod
    async def _call(self, command: object, what: str, timeout_s: float) -> object:
        """Have the protocol carry out a command, and wait for its end: as `Pump.call`."""

    async def ready(self, timeout_s: float) -> None:
        try:
            await self._call(AwaitReady(), "wait", timeout_s)
        except DeviceFault:
            raise
        except DeviceError:
            status = self.status
            if status.state is DeviceState.FAULT:
                raise DeviceFault(status.code, status.words) from None
            raise TransportError(f"{self.name}: {status.words or 'no answer'} ({status.state})") from None


class _Standing(Shape):
    @property
    def status(self) -> Status: ...


class Carrier(Shape):
    """What a device has of a pump."""

    @property
    def protocol(self) -> _Standing:
        """The conversation, to look at. Raises `TransportError` before `open`."""

    @property
    def failed(self) -> str:
        """As `Pump.failed`."""

    async def open(self) -> None:
        """As `Pump.open`."""

    async def close(self, wait_s: float = CLOSE_WAIT_S) -> None:
        """As `Pump.close`."""

    async def call(self, command: object, *, what: str, timeout_s: float) -> object:
        """As `Pump.call`."""


class LinkedDevice(CalledDevice):
    """Has a pump of its own."""

    close_s = CLOSE_WAIT_S  # how long closing waits for what is on its way

    def __init__(self, name: str, link: Carrier) -> None:
        self._name = name
        self._link = link

    @property
    def name(self) -> str:
        return self._name

    async def open(self) -> None:
        await self._link.open()

    async def close(self) -> None:
        await self._link.close(self.close_s)

    @property
    def status(self) -> Status:
        try:
            return self._link.protocol.status
        except TransportError:
            return Status(state=DeviceState.ABSENT, words="not opened")

    @property
    def failed(self) -> str:
        return self._link.failed

    async def _call(self, command: object, what: str, timeout_s: float) -> object:
        return await self._link.call(command, what=f"{self._name}: {what}", timeout_s=timeout_s)
