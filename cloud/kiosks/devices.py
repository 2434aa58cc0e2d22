"""How a kiosk's devices stand: as its hello named them, and as each of its events since then says.

A hello counts more than all that was told before: a kiosk that was away, or whose hub was, names them anew. What it
names last is kept while it is away.
"""

from collections.abc import Sequence

import msgspec

from wire.messages import Device, Event, Hello

_STATE_MAX = 64
AILING = frozenset({"absent", "fault"})
# A program that runs for less has not given up looking for a device yet: only then does it tell that it is absent.
_YOUNG = 15.0
# A fleet's kiosks name the same few devices: each is kept once. Beyond this many different ones all are forgotten.
_SHARED_MAX = 2_000
_shared: dict[Device, Device] = {}


def shared(hello: Hello) -> Hello:
    """The same, its devices the same objects as those of other kiosks that name equal ones."""
    if len(_shared) > _SHARED_MAX:
        _shared.clear()
    return msgspec.structs.replace(hello, devices=[_shared.setdefault(each, each) for each in hello.devices])


class _Changed(msgspec.Struct):
    state: str


_changed = msgspec.json.Decoder(_Changed)


class Devices:
    """Of one hello, and of what was told after it."""

    __slots__ = ("_named", "_told")

    def __init__(self, hello: Hello | None = None) -> None:
        self._named: Sequence[Device] = () if hello is None else [_as_named(each, hello) for each in hello.devices]
        self._told: dict[str, str] = {}

    def heard(self, event: Event) -> None:
        """An event that the kiosk told after its hello; of devices that it does not name nothing is kept."""
        if event.kind != "state-changed" or all(each.name != event.device for each in self._named):
            return
        try:
            state = _changed.decode(event.data).state
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return
        if state:
            self._told[event.device] = state[:_STATE_MAX]

    def all(self) -> list[Device]:
        """Each in the state that it was told to be in last."""
        told = self._told
        return [
            msgspec.structs.replace(each, state=told[each.name]) if each.name in told else each for each in self._named
        ]

    def ailing(self) -> int:
        """How many are in trouble."""
        told = self._told
        return sum(told.get(each.name, each.state) in AILING for each in self._named)


def _as_named(device: Device, hello: Hello) -> Device:
    """Being busy is no state whose end is told: a device is busy with every note, and well."""
    if device.state == "busy":
        return msgspec.structs.replace(device, state="ready")
    if device.state == "absent" and 0 < hello.uptime < _YOUNG:
        return msgspec.structs.replace(device, state="starting")
    return device
