"""A device's route: what any device can be asked goes to one place, documents and slips to their rooms."""

import difflib
from collections.abc import Collection

import msgspec

from appliance.targets import Answered, Ask, NeverGot, NotUnderstood, Result, Target


class DeviceTarget(Target):
    """By the request's `action`.

    Args:
        common: carries out the actions that every device knows.
        actions: the names of those.
        room: who does the rest, for a register or a printer.
        room_actions: the names of those, for who misspells one.
    """

    def __init__(
        self, common: Target, actions: Collection[str], room: Target | None = None, room_actions: Collection[str] = ()
    ) -> None:
        self._common = common
        self._actions = actions
        self._room = room
        self._room_actions = room_actions

    def check(self, ask: Ask) -> None:
        """Raises `NotUnderstood`."""
        action = _action(ask.body)
        known = [*self._room_actions, *self._actions]
        if isinstance(action, str) and action not in known:
            near = difflib.get_close_matches(action, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise NotUnderstood(f"action: {action!r} is nothing this device can do; {hint}")
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
        return any(target.cancel(request_id, reason) for target in (self._room, self._common) if target is not None)

    def _target(self, ask: Ask) -> Target:
        if self._room is None or _action(ask.body) in self._actions:
            return self._common
        return self._room


class _Body(msgspec.Struct):
    action: msgspec.Raw | None = None


def _action(body: bytes) -> object:
    """What is asked for; None where nothing is said, or nothing that can be read."""
    try:
        given = msgspec.json.decode(body or b"{}", type=_Body).action
        return None if given is None else msgspec.json.decode(given)
    except msgspec.MsgspecError:
        return None
