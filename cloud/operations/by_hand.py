"""What a person settles, as nobody else can tell: the rules. Pure.

Only UNKNOWN is settled by hand, and only once the kiosk can begin it no more (`starting`): "not executed" lets a
backend try again under a new key. What a person said stands, as any final state does. A kiosk that tells after all is
heard, kept beside it, and where it says otherwise that is a contradiction: money went twice, or not at all, and a
person must know.

Such an operation has no gateway's answer. Its `problem` says so in a type that no kiosk may use, with the outcome
`executed` or `not_executed`: nothing that a backend could take for what its gateway said.
"""

import re

import msgspec

from cloud.errors import Refused
from cloud.operations.operation import BY_HAND, EXECUTED_BY_HAND, NOT_EXECUTED_BY_HAND, Operation, State
from wire.messages import EMPTY_OBJECT, Executed, Response

WHY_MAX = 500
_PROBLEMS = {State.SUCCEEDED: EXECUTED_BY_HAND, State.FAILED: NOT_EXECUTED_BY_HAND}
_WORDS_MAX = 300
_NAMED = re.compile(r"(telegram:\d+) \(.*\)")


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """Who settled it, when (Unix seconds), how and why; `before` is what was known until then, in words.

    `by` is `telegram:1 (Name)` or `admin` and an address; `person` says who that is.

    `told` is what its kiosk told after all, as JSON; `contradiction` says in words how that differs, if it does.
    """

    request_id: str
    at: float
    by: str
    why: str
    state: str
    before: str
    told_at: float | None = None
    told: bytes | None = None
    contradicted_at: float | None = None
    contradiction: str = ""


def is_by_hand(operation: Operation) -> bool:
    """Whether a person settled it."""
    return operation.is_final and operation.problem in BY_HAND


def settle(operation: Operation, state: State, by: str, why: str, now: float) -> Resolution:
    """Make `operation`, which must be UNKNOWN, what a person says it is. Returns what is to be kept of that."""
    if operation.state is not State.UNKNOWN or state not in _PROBLEMS:
        raise ValueError(f"{operation.state} is not settled by hand as {state}")
    kept = Resolution(
        request_id=operation.request_id, at=now, by=by, why=why, state=state.value, before=known_of(operation)
    )
    operation.move(state)
    operation.executed = str(Executed.YES if state is State.SUCCEEDED else Executed.NO)
    operation.problem, operation.detail, operation.finished_at = _PROBLEMS[state], why, now
    return kept


def check_words(by: str, why: str) -> str:
    """The reason as it is kept. Raises `Refused`."""
    words = " ".join(why.split())
    if not by.strip():
        raise Refused("bad-request", "by: who settles it is missing")
    if not 1 <= len(words) <= WHY_MAX or not words.isprintable():
        raise Refused("bad-request", f"why: right would be 1 to {WHY_MAX} letters that say how it was found out")
    return words


def person(by: str) -> str:
    """Who it is, without the name that stands for people beside it: names change, and are nobody else's matter."""
    found = _NAMED.fullmatch(by)
    return found[1] if found else by


def known_of(operation: Operation) -> str:
    """What is known of one that is unknown, in words."""
    words = [f"{operation.problem or 'timeout'}: {operation.detail or 'no word'}"]
    if operation.elapsed is not None:
        words.append("the kiosk itself cannot tell")
    elif operation.accepted_at is not None:
        words.append("the kiosk had accepted it")
    return "; ".join(words)


def contradiction(operation: Operation, response: Response) -> str:
    """How a kiosk's late word differs from what a person said; empty where it does not, or says nothing definite."""
    if response.executed is Executed.UNKNOWN:
        return ""
    if response.executed is Executed.YES:
        if operation.state is State.SUCCEEDED and 200 <= response.status < 300:
            return ""
        told = f"its gateway answered {response.status}"
    else:
        # What accepted it and says "never started" has an older journal, and does not know.
        forgot = operation.accepted_at is not None and response.error is not None and response.error.type == "expired"
        if operation.state is State.FAILED or forgot:
            return ""
        told = f"it was not executed ({response.error.type if response.error else 'no reason'})"
    said = "it was executed" if operation.state is State.SUCCEEDED else "it was not executed"
    return f"a person said that {said}, and the kiosk says that {told}"[:_WORDS_MAX]


def told_of(response: Response) -> bytes:
    """A kiosk's word as it is kept, JSON with the gateway's body as it came."""
    error = response.error
    return msgspec.json.encode(
        {
            "executed": response.executed,
            "status": response.status if response.executed is Executed.YES else None,
            "body": msgspec.Raw(bytes(response.body or EMPTY_OBJECT)) if response.executed is Executed.YES else None,
            "problem": None if error is None else {"type": error.type, "detail": error.detail},
        }
    )
