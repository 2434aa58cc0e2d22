"""What the operation log says next: lines or digests, within a rate, in spite of a Telegram that comes and goes. Pure.

**Lines.** Each operation is one message; it is sent a moment after it began, so that a quick one costs one message
with both, and edited when there is more. A message and its edit cost one call each, and in no minute there are more
calls than the rate.

**Digests.** Lines that would exceed the rate, a pause of more than some seconds that Telegram asks for, or a Telegram
that is away turn the log into digests: what was not yet shown is counted instead, and one message a minute tells of
it. What had begun as a line is still edited. Once a minute has passed that lines could have shown with room to spare,
the digest says so, and lines begin again.

Every method takes `now`, monotonic seconds. `next` gives at most one call to carry out; what came of it is told by
`done`, `limited`, `unreachable` or `rejected` before the next is asked for.
"""

from collections import OrderedDict, deque

import msgspec

from cloud.bot.oplog.line import File, is_open, word_of
from cloud.bot.oplog.tally import Tally
from cloud.operations.feed import Told

SETTLE = 0.5  # seconds an operation is given to end before its line is sent without its answer
DIGEST_EVERY = 60.0
_MINUTE = 61.0  # in which there are no more calls than the rate; longer, since calls are not equally long on their way
_LINES_MAX = 2000  # operations whose messages are known; of older ones a new message tells the end
_HELD_MAX = 16 * 1024 * 1024  # bytes of bodies that wait to be shown
_FAILURES_MAX = 5  # of a file, or of an edit
_FILES_MAX, _FILES_BYTES = 16, 8 * 1024 * 1024
_BURST, _A_SECOND = 3.0, 1.0  # calls at once in one chat, and then: about what Telegram allows
_SHORT_PAUSE = 10.0  # seconds of a pause that are waited for without turning to digests
_AWAY = 20.0  # seconds after which a Telegram that does not answer turns lines into digests
_CALM = 0.6  # of the rate
_RETRY_MAX = 30.0
_RETRY_REJECTED = 60.0
# Refusals that are about another operation: the one that had the key first.
_OF_ANOTHER = frozenset({"timeout", "key-unchecked", "idempotency-conflict"})


class Send(msgspec.Struct, frozen=True):
    """A new message."""

    key: str
    told: Told
    was_unknown: bool = False


class Edit(msgspec.Struct, frozen=True):
    """A message of ours says more now. Without `bodies` the JSON is not held any more."""

    key: str
    message_id: int
    told: Told
    was_unknown: bool
    bodies: bool


class Attach(msgspec.Struct, frozen=True):
    """The whole of what did not fit, as a reply."""

    message_id: int
    file: File
    failures: int = 0  # while other calls were taken


class Announce(msgspec.Struct, frozen=True):
    """From here on digests."""


class Digest(msgspec.Struct, frozen=True):
    """What was not shown, over `seconds`. `away`: nothing could be sent for so long; `paused`: Telegram asked for a
    pause; `calm`: from here on lines."""

    tally: Tally
    seconds: float
    away: float
    paused: float
    calm: bool


Call = Send | Edit | Attach | Announce | Digest


class _Line(msgspec.Struct):
    """An operation whose message is to be sent, or is known. `told` is what is not shown yet."""

    since: float
    told: Told | None
    message_id: int = 0
    was_unknown: bool = False
    bodies: bool = True
    failures: int = 0  # of its edit, while other calls were taken


class Plan:
    """The log's mind."""

    def __init__(self, rate: float, now: float) -> None:
        self.limit(rate)
        self._calls: deque[float] = deque()
        self._burst = (_BURST, now)
        self._lines: OrderedDict[str, _Line] = OrderedDict()
        self._waiting: OrderedDict[str, None] = OrderedDict()  # to be sent
        self._stale: OrderedDict[str, None] = OrderedDict()  # to be edited
        self._held = 0
        self._files: deque[Attach] = deque()
        self._taken_back: OrderedDict[str, None] = OrderedDict()
        self._number = 0
        self._demand: deque[list[float]] = deque()  # second, calls that lines would take
        self.is_digest = False
        self._announce = False
        self._tally = Tally()
        self._counted_since = now
        self._digest_at = now
        self._not_before = now
        self._paused_since: float | None = None
        self._limited_at = -_MINUTE
        self._down_since: float | None = None
        self._away = 0.0  # seconds of outages that no digest has told of
        self._failures = 0
        self.wake_at: float | None = None  # when to ask again although nothing was told

    def limit(self, rate: float) -> None:
        """So many messages a minute from now on: other hubs may have come or gone that write to the same chat."""
        self._limit = max(1, int(rate))
        self._reserve = 2 if self._limit >= 10 else 1 if self._limit >= 3 else 0  # for digests
        self._a_second = max(_A_SECOND, rate / _MINUTE)

    @property
    def rate(self) -> int:
        """Messages a minute, at most."""
        return self._limit

    # What happens.

    def told(self, told: Told, now: float) -> None:
        """Something about an operation."""
        self._count_demand(told, now)
        key = told.request_id
        if told.what == "refused":
            if key in self._taken_back:  # told already that it had not been executed
                return
            if told.problem in _OF_ANOTHER:
                self._number += 1
                key = f"{key}#{self._number}"
        elif told.state == "expired":
            self._taken_back[key] = None
            _shorten(self._taken_back, 500)
        line = self._lines.get(key)
        if line is None:
            if self.is_digest:
                self._tally.add(told)
                return
            line = self._lines[key] = _Line(now, None)
            self._waiting[key] = None
        self._hold(line, told)
        if line.message_id:
            self._stale[key] = None
        self._keep_bounds(now)
        if not self.is_digest and len(self._waiting) > max(0, self._free(now) - self._reserve):
            self._turn_to_digests(now, announce=self._can_call(now))

    def lost(self, count: int) -> None:
        """So many were never seen here."""
        self._tally.lost += count

    def next(self, now: float) -> Call | None:
        """What to call now; None: nothing, until something is told or `wake_at`."""
        self.wake_at = None
        if not self.is_digest and self._tally.lost:
            self._turn_to_digests(now, announce=False)
        if not (self._announce or self.is_digest or self._waiting or self._stale or self._files):
            return None
        if now < self._not_before:
            return self._wait(self._not_before)
        if self._free(now) <= 0:
            return self._wait(self._calls[0] + _MINUTE)
        left, at = self._burst
        if (left := min(_BURST, left + (now - at) * self._a_second)) < 1:
            return self._wait(now + (1 - left) / self._a_second)
        call = self._choose(now)
        if call is not None:
            self._burst = (left - 1, now)
            self._calls.append(now)
        return call

    def done(self, call: Call, now: float, message_id: int = 0, files: tuple[File, ...] = ()) -> None:
        """It was taken. `message_id` of what was sent, `files` that belong to it."""
        if self._down_since is not None and now - self._down_since >= _AWAY:
            self._away += now - self._down_since
        self._failures, self._down_since = 0, None
        if isinstance(call, Send | Edit):
            self._shown(call, message_id or (call.message_id if isinstance(call, Edit) else 0), files)
        elif isinstance(call, Digest):
            self._counted_since = now
            self._away, self._paused_since = 0.0, None

    def limited(self, call: Call, after: float, now: float) -> None:
        """Telegram wants a pause of `after` seconds."""
        self._put_back(call, now)
        self._not_before = max(self._not_before, now + after)
        again = now - self._limited_at < _MINUTE
        self._limited_at = now
        if after > _SHORT_PAUSE or again:
            self._paused_since = now if self._paused_since is None else self._paused_since
            self._turn_to_digests(now, announce=False)

    def unreachable(self, call: Call, now: float, retry: float = 0.0) -> None:
        """It is not known whether it arrived: it is said again, after a while. A file that fails again and again while
        all else is taken is given up: on a line too slow for it, each attempt holds up what comes after. An edit is
        then sent anew, as where it is rejected."""
        if isinstance(call, Edit) and self._is_hopeless(call):
            self.rejected(call, now)
            return
        if isinstance(call, Attach) and self._down_since is None:
            call = Attach(call.message_id, call.file, call.failures + 1)
        if isinstance(call, Attach) and call.failures >= _FAILURES_MAX:
            self._tally.files_lost += 1
        else:
            self._put_back(call, now)
        self._failures += 1
        self._not_before = now + (retry or min(_RETRY_MAX, float(2 ** min(self._failures - 1, 10))))
        if self._down_since is None:
            self._down_since = now
        if now - self._down_since >= _AWAY:
            self._turn_to_digests(now, announce=False)

    def _is_hopeless(self, edit: Edit) -> bool:
        line = self._lines.get(edit.key)
        if line is None or self._down_since is not None:
            return False
        line.failures += 1
        return line.failures >= _FAILURES_MAX

    def rejected(self, call: Call, now: float) -> None:
        """Telegram does not take it, and would not the next time. A message that cannot be edited is sent anew."""
        if isinstance(call, Edit) and (line := self._lines.get(call.key)) is not None:
            line.message_id, line.failures = 0, 0
            self._hold(line, line.told or call.told)
            self._waiting[call.key] = None
            self._stale.pop(call.key, None)
            return
        if isinstance(call, Send):
            self._forget(call.key)
            self._tally.add(call.told, begun=call.told.what == "ended")
        elif isinstance(call, Attach):
            self._tally.files_lost += 1
            return
        self.unreachable(call, now, _RETRY_REJECTED)
        self._turn_to_digests(now, announce=False)

    @property
    def is_idle(self) -> bool:
        """Whether all that can be shown has been."""
        return not (self._waiting or self._stale)

    # What to do.

    def _choose(self, now: float) -> Call | None:
        if self._announce:
            self._announce = False
            return Announce()
        if self.is_digest and now >= self._digest_at:
            return self._digest(now)
        if self._free(now) <= self._reserve:
            return self._wait(min(self._calls[0] + _MINUTE, self._digest_at if self.is_digest else now + _MINUTE))
        if self._stale:
            key, _ = self._stale.popitem(last=False)
            line = self._lines[key]
            assert line.told is not None
            return Edit(key, line.message_id, line.told, line.was_unknown, line.bodies)
        soonest = now + _MINUTE
        for key in self._waiting:
            line = self._lines[key]
            assert line.told is not None
            if line.since + SETTLE <= now or word_of(line.told) not in {"sent", "queued"}:
                del self._waiting[key]
                return Send(key, line.told, line.was_unknown)
            soonest = min(soonest, line.since + SETTLE)
        if self._files:
            return self._files.popleft()
        return self._wait(min(soonest, self._digest_at) if self.is_digest else soonest)

    def _digest(self, now: float) -> Digest:
        calm = self._recent_demand(now) <= self._limit * _CALM
        tally, self._tally = self._tally, Tally()
        away = self._away + (0.0 if self._down_since is None else now - self._down_since)
        paused = 0.0 if self._paused_since is None else now - self._paused_since
        self._digest_at = now + DIGEST_EVERY
        self.is_digest = not calm
        return Digest(tally, max(1.0, now - self._counted_since), away, paused, calm)

    def _wait(self, until: float) -> Call | None:
        self.wake_at = until
        return None

    # Keeping.

    def _hold(self, line: _Line, told: Told) -> None:
        if line.told is not None:
            self._held -= line.told.size
            line.was_unknown = line.was_unknown or (line.told is not told and word_of(line.told) == "unknown")
        line.told = told
        self._held += told.size

    def _forget(self, key: str) -> None:
        line = self._lines.pop(key, None)
        self._held -= line.told.size if line and line.told else 0
        self._waiting.pop(key, None)
        self._stale.pop(key, None)

    def _shown(self, call: Send | Edit, message_id: int, files: tuple[File, ...]) -> None:
        for file in files:
            if isinstance(call, Edit) and file.part == "request":
                continue  # it went out with the message
            self._files.append(Attach(message_id, file))
        while len(self._files) > _FILES_MAX or sum(len(each.file.data) for each in self._files) > _FILES_BYTES:
            self._files.popleft()
            self._tally.files_lost += 1
        line = self._lines.get(call.key)
        if line is None:
            return
        line.message_id, line.failures = message_id, 0
        if line.told is not call.told:  # more has come meanwhile
            line.was_unknown = line.was_unknown or word_of(call.told) == "unknown"
            self._stale[call.key] = None
            return
        self._held -= call.told.size
        line.told = None
        line.was_unknown = word_of(call.told) == "unknown"
        if not is_open(call.told):
            del self._lines[call.key]

    def _put_back(self, call: Call, now: float) -> None:
        if isinstance(call, Send | Edit) and call.key in self._lines:
            where = self._waiting if isinstance(call, Send) else self._stale
            where[call.key] = None
            where.move_to_end(call.key, last=False)
        elif isinstance(call, Attach):
            self._files.appendleft(call)
        elif isinstance(call, Announce):
            self._digest_at = now  # which says as much, and what happened
        elif isinstance(call, Digest):
            call.tally.merge(self._tally)
            self._tally = call.tally
            since = self._counted_since
            self._turn_to_digests(now, announce=False)
            self._counted_since, self._digest_at = since, now

    def _turn_to_digests(self, now: float, *, announce: bool) -> None:
        """What waits is counted; what has a message is still edited."""
        if not self.is_digest:
            self.is_digest, self._announce = True, announce
            self._counted_since = min((self._lines[key].since for key in self._waiting), default=now)
            # After a pause or an outage it is told at once, else when a minute is over.
            self._digest_at = now + DIGEST_EVERY if announce else now
        for key in list(self._waiting):
            told = self._lines[key].told
            assert told is not None
            self._tally.add(told, begun=told.what == "ended")
            self._forget(key)

    def _keep_bounds(self, now: float) -> None:
        while len(self._lines) > _LINES_MAX:
            self._forget(next(iter(self._lines)))
        if self._held <= _HELD_MAX:
            return
        self._turn_to_digests(now, announce=False)
        for key in self._stale:
            line = self._lines[key]
            assert line.told is not None
            line.bodies = False
            self._hold(line, msgspec.structs.replace(line.told, body=b"", answer=b""))

    # Counting.

    def _free(self, now: float) -> int:
        while self._calls and self._calls[0] <= now - _MINUTE:
            self._calls.popleft()
        return self._limit - len(self._calls)

    def _can_call(self, now: float) -> bool:
        return now >= self._not_before and self._down_since is None

    def _count_demand(self, told: Told, now: float) -> None:
        quick = told.what == "ended" and told.seconds is not None and told.seconds <= SETTLE
        if not quick:
            if not self._demand or self._demand[-1][0] != now // 1:
                self._demand.append([now // 1, 0])
            self._demand[-1][1] += 1
        while self._demand and self._demand[0][0] < now - _MINUTE:
            self._demand.popleft()

    def _recent_demand(self, now: float) -> float:
        return sum(count for second, count in self._demand if second >= now - _MINUTE)


def _shorten(names: OrderedDict[str, None], most: int) -> None:
    while len(names) > most:
        names.popitem(last=False)
