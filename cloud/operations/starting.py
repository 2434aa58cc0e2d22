"""Until when kiosks may begin what they were sent: before that nobody may say "not executed" for them.

Known of what this hub's life gave up, by the loop's clock, which nobody sets. What an earlier life sent was sent
before this one began: after the longest time a caller may give, all of it is over. Only what had waited in the queue
goes by the wall clock then, as everywhere, but for what that is set ahead meanwhile, and never by less than that.
"""

from collections import OrderedDict

from cloud.operations.operation import Operation, seconds_left

# `Header-Timeout` at most: what is not queued may be begun for no longer.
LONGEST_S = 300.0
# A message that a line held up, a disk that took its time, a clock at the kiosk that runs a little slower.
_MARGIN_S, _MARGIN_PART = 60.0, 0.001
_KEPT = 1000  # entries, before those that are over are looked for
# Of what came out of the queue and was given up: seconds after its time for which that is remembered, and how many.
GIVEN_UP_FOR, _GIVEN_UP_MAX = 86400.0, 10_000


class Starting:
    """What may still be begun. No I/O; `now` is seconds of the loop's clock, `wall` Unix seconds.

    `began_at` and `began_wall` are those of this life's beginning. `is_shared`: other hubs send too, by one clock for
    all (`wall`): what they sent may have been sent a moment ago, however long this life is.
    """

    def __init__(self, began_at: float, began_wall: float, *, is_shared: bool = False) -> None:
        self._began_at = began_at
        self._began_wall = began_wall
        self._is_shared = is_shared
        self._until: dict[str, float] = {}
        self._look_at = _KEPT

    def note(self, request_id: str, start_by: float, now: float) -> None:
        """It was sent, or asked for again, and may be begun until then."""
        until = start_by + _margin(start_by - now)
        self._until[request_id] = max(until, self._until.get(request_id, until))
        if len(self._until) >= self._look_at:
            self._until = {key: until for key, until in self._until.items() if until > now}
            self._look_at = max(_KEPT, 2 * len(self._until))

    def left(self, operation: Operation, now: float, wall: float) -> float:
        """Seconds for which its kiosk may begin it; 0: it never will, or has begun it."""
        if operation.elapsed is not None:  # the kiosk has told: from then on it answers from its journal
            return 0.0
        known = self._until.get(operation.request_id)
        if known is not None:
            return max(0.0, known - now)
        if self._is_shared:
            return _left_elsewhere(operation, wall)
        left = self._began_at + LONGEST_S + _margin(LONGEST_S) - now
        if operation.start_by is not None:
            given = operation.start_by - operation.created_at
            wall = min(wall, self._began_wall + now - self._began_at)
            # Dated later than now: only the clock that dated it could say.
            by_wall = seconds_left(operation.created_at, operation.start_by, wall, operation.created_at)
            left = max(left, by_wall + _margin(given))
        return max(0.0, left)


def _left_elsewhere(operation: Operation, wall: float) -> float:
    """Of what another hub sent: the longest that it may have been given. Dated later than now: nobody can say."""
    begun = min(operation.created_at, wall)
    if operation.start_by is None:
        return max(0.0, begun + LONGEST_S + _margin(LONGEST_S) - wall)
    given = operation.start_by - operation.created_at
    return max(0.0, begun + given + _margin(given) - wall)


def _margin(seconds: float) -> float:
    return _MARGIN_S + _MARGIN_PART * max(0.0, seconds)


class GivenUp:
    """Until when what came out of the queue, and was given up, might have been started, by the loop's clock.

    Its kiosk may be asked for it again, and the wall clock may have been set back since: it must not have more time
    for that. Its kiosk may also answer at another hub, or never: so what has been over for a day is forgotten, and of
    more than 10,000 the oldest. Of what is forgotten the wall clock decides, as after a restart of the hub; it never
    gives more than the whole time the operation had at first. Pure; `now` is seconds of the loop's clock.
    """

    def __init__(self, most: int = _GIVEN_UP_MAX) -> None:
        self._most = most
        self._start_by: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._start_by)

    def note(self, request_id: str, start_by: float, now: float) -> None:
        """This one was."""
        self._start_by[request_id] = start_by
        self._start_by.move_to_end(request_id)
        while self._start_by and self._is_old(next(iter(self._start_by.values())), now):
            self._start_by.popitem(last=False)

    def _is_old(self, start_by: float, now: float) -> bool:
        return len(self._start_by) > self._most or start_by + GIVEN_UP_FOR <= now

    def get(self, request_id: str) -> float | None:
        """None: not known, or forgotten."""
        return self._start_by.get(request_id)

    def forget(self, request_id: str) -> None:
        """Its kiosk has answered."""
        self._start_by.pop(request_id, None)
