"""One operation's states. Pure.

QUEUED waits at the hub for its kiosk, SENT has been put on a socket at least once, ACCEPTED stands in the kiosk's
journal. Three states are final: SUCCEEDED and FAILED tell what came of it, EXPIRED that it surely was not executed
and never will be. UNKNOWN is not final: the time is up while it may have run, or the kiosk itself cannot know; the
kiosk's stored result, or a person, settles it. FAILED covers a gateway's definite answer outside 2xx and what never
reached the gateway; `executed` tells the two apart.
"""

from enum import StrEnum

import msgspec

from wire.messages import Error, Executed, Response
from wire.problems import PROBLEMS, Outcome


class State(StrEnum):
    """Where an operation stands."""

    QUEUED = "queued"
    SENT = "sent"
    ACCEPTED = "accepted"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


DETAIL_MAX = 8000  # letters of what a kiosk says for people

S = State
FINAL = frozenset({S.SUCCEEDED, S.FAILED, S.EXPIRED})
# From → to. What is not listed cannot happen; a final state is left by nothing.
TRANSITIONS: dict[State, frozenset[State]] = {
    S.QUEUED: frozenset({S.SENT, S.EXPIRED}),
    S.SENT: frozenset({S.ACCEPTED, S.SUCCEEDED, S.FAILED, S.EXPIRED, S.UNKNOWN}),
    S.ACCEPTED: frozenset({S.SUCCEEDED, S.FAILED, S.EXPIRED, S.UNKNOWN}),
    S.UNKNOWN: frozenset({S.SUCCEEDED, S.FAILED, S.EXPIRED, S.UNKNOWN}),
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset(),
    S.EXPIRED: frozenset(),
}
# The problems of what a person settled; no kiosk may use them.
EXECUTED_BY_HAND, NOT_EXECUTED_BY_HAND = "confirmed-executed", "confirmed-not-executed"
BY_HAND = frozenset({EXECUTED_BY_HAND, NOT_EXECUTED_BY_HAND})
# Why a kiosk did not execute: these mean that its time or its caller's wish was over.
_EXPIRED_TYPES = frozenset({"expired", "cancelled"})


class Operation(msgspec.Struct, kw_only=True):
    """An operation as the hub knows it. Times are Unix seconds; `body` and `answer` are JSON as they came."""

    request_id: str
    kiosk_id: str
    operation: str
    method: str
    created_at: float
    state: State
    delivery: str = "now"
    body: bytes = b"{}"
    api_key_id: str | None = None
    idempotency_key: str | None = None
    fingerprint: str | None = None
    executed: str | None = None  # as the kiosk said, or a person: yes, no, unknown; None until it said anything
    status: int | None = None
    answer: bytes | None = None
    problem: str | None = None  # key of wire.problems.PROBLEMS
    detail: str | None = None
    elapsed: float | None = None  # seconds at the kiosk
    journal: str = ""
    start_by: float | None = None
    sent_at: float | None = None
    accepted_at: float | None = None
    finished_at: float | None = None
    hub: str | None = None  # the life of the hub that has it under way, or had; None: nobody yet

    @property
    def is_final(self) -> bool:
        """Whether nothing can change it any more."""
        return self.state in FINAL

    def move(self, state: State) -> bool:
        """Go to `state` if that is possible from here; says whether it was."""
        if state not in TRANSITIONS[self.state]:
            return False
        self.state = state
        return True


def seconds_left(created_at: float, start_by: float, wall: float, newest: float) -> float:
    """How long an operation read from the store may still be started, `wall` being what the clock says.

    Never longer than it was given at first, so that a clock which was set back revives nothing. One that is dated
    later than now is judged by the clock that dated it, which stood at `newest` at least.
    """
    now = wall if wall >= created_at else max(newest, created_at)
    return min(start_by - now, start_by - created_at)


def sent(operation: Operation, now: float) -> None:
    """It is put on a socket, perhaps again."""
    if operation.sent_at is None:
        operation.sent_at = now
    operation.move(S.SENT)


def accepted(operation: Operation, now: float) -> bool:
    """The kiosk has written it down. False if that is no news."""
    if not operation.move(S.ACCEPTED):
        return False
    operation.accepted_at = now
    return True


def is_forgotten(operation: Operation, response: Response) -> bool:
    """Whether a kiosk says it never started what it had accepted: its journal's name is the same, its content older."""
    return (
        operation.accepted_at is not None and not operation.is_final and response.executed is Executed.NO
        and response.error is not None and response.error.type == "expired"
    )  # fmt: skip


def answered(operation: Operation, response: Response, now: float) -> bool:
    """The kiosk told the outcome. False if a definite one was known before: the first stands."""
    if is_forgotten(operation, response):
        error = Error("interrupted", "the kiosk had accepted it and does not know it any more")
        response = msgspec.structs.replace(response, executed=Executed.UNKNOWN, error=error)
    if response.executed is Executed.YES:
        state = S.SUCCEEDED if 200 <= response.status < 300 else S.FAILED
    elif response.executed is Executed.NO:
        state = S.EXPIRED if response.error and response.error.type in _EXPIRED_TYPES else S.FAILED
    else:
        state = S.UNKNOWN
    if not operation.move(state):
        return False
    operation.executed = str(response.executed)
    operation.elapsed = response.elapsed
    operation.finished_at = None if state is S.UNKNOWN else now
    if response.executed is Executed.YES:
        operation.status, operation.answer = response.status, bytes(response.body)
        operation.problem = operation.detail = None
    else:
        no = response.executed is Executed.NO
        told = PROBLEMS.get(response.error.type) if response.error else None
        # A caller acts on the problem's outcome, so one that says something else than `executed` is not passed on.
        agrees = told is not None and told.outcome == (Outcome.NOT_EXECUTED if no else Outcome.UNKNOWN)
        agrees = agrees and response.error is not None and response.error.type not in BY_HAND
        fallback = "gateway-unreachable" if no else "interrupted"
        operation.problem = response.error.type if response.error and agrees else fallback
        operation.detail = _bounded(response.error.detail) if response.error else None
    return True


def _bounded(detail: str) -> str:
    """A kiosk tells all mistakes of a request at once; what must be cut off says so."""
    return detail if len(detail) <= DETAIL_MAX else detail[: DETAIL_MAX - 1] + "…"


def given_up(operation: Operation, problem: str, detail: str, now: float) -> bool:
    """The hub waits no longer. UNKNOWN or EXPIRED, as the problem's outcome says; False if it had ended."""
    state = S.UNKNOWN if PROBLEMS[problem].outcome == "unknown" else S.EXPIRED
    if not operation.move(state):
        return False
    operation.problem, operation.detail = problem, detail
    operation.finished_at = now if state is S.EXPIRED else None
    return True
