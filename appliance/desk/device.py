"""A device's route: what any device can be asked goes to one place, documents and slips to their rooms."""

import difflib
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from appliance.targets import Answered, Ask, NeverGot, NotUnderstood, Result, Target


class DeviceTarget(Target):
    """By the request's `action`.

    Args:
        rooms: who carries out which actions; the first has those that name none.
    """

    def __init__(self, rooms: Sequence[tuple[Target, Collection[str]]]) -> None:
        self._rooms = rooms

    def check(self, ask: Ask) -> None:
        """Raises `NotUnderstood`."""
        action, known = _action(ask.body), [name for _room, names in self._rooms for name in names]
        if action is not None and action not in known:
            near = difflib.get_close_matches(str(action), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise NotUnderstood(f"action: {action!r} is nothing that can be asked here; {hint}")
        self._target(ask).check(ask)

    async def run(self, ask: Ask) -> Result:
        """Carry it out."""
        return await self._target(ask).run(ask)

    def can_tell(self, ask: Ask) -> bool:
        """As who carries it out."""
        return self._target(ask).can_tell(ask)

    async def find_out(self, ask: Ask) -> Answered | NeverGot | None:
        """As who carries it out."""
        return await self._target(ask).find_out(ask)

    def cancel(self, request_id: str, reason: str) -> bool:
        """As who carries it out."""
        return any(room.cancel(request_id, reason) for room, _names in self._rooms)

    def _target(self, ask: Ask) -> Target:
        action = _action(ask.body)
        return next((room for room, names in self._rooms if action in names), self._rooms[0][0])


class _Body(msgspec.Struct):
    action: Any = None


def _action(body: bytes) -> object:
    """What is asked for; None where nothing is said, or nothing that can be read."""
    try:
        return msgspec.json.decode(body or b"{}", type=_Body).action
    except msgspec.MsgspecError:
        return None
