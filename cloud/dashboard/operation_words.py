"""What became of an operation, for who must know whether a customer was charged. Pure: keys of sentences."""

import math
from collections.abc import Callable

import msgspec

from cloud.masking import masked_text
from cloud.operations.by_hand import Resolution, is_by_hand, person
from cloud.operations.deliveries import Delivery
from cloud.operations.operation import Operation, State
from wire.problems import PROBLEMS

Say = Callable[..., str]
Span = Callable[[float], str]
TONES = {
    "succeeded": "good", "refused": "warn", "not-executed": "idle", "unknown": "bad", "queued": "idle", "sent": "info",
    "accepted": "info", "hand-executed": "good", "hand-not-executed": "idle", "contradicted": "bad",
}  # fmt: skip
_DETAIL_MAX = 600
_LATE = 5.0  # seconds between a kiosk's being done and its word's coming: more is told
_PATH_MAX = 300


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the timeline; `at` None: it is not known when, or it is yet to come. `gap` is since the line before."""

    at: float | None
    words: str
    tone: str = "idle"
    more: str = ""
    gap: float | None = None


def outcome(operation: Operation, resolution: Resolution | None = None) -> str:
    """One of `TONES`: what it comes to."""
    if is_by_hand(operation):
        if resolution is not None and resolution.contradiction:
            return "contradicted"
        return "hand-executed" if operation.state is State.SUCCEEDED else "hand-not-executed"
    match operation.state:
        case State.FAILED:
            return "refused" if operation.executed == "yes" else "not-executed"
        case State.EXPIRED:
            return "not-executed"
        case state:
            return str(state)


def problem(operation: Operation, say: Say) -> str:
    """The problem in words; empty where there is none."""
    if operation.problem is None:
        return ""
    return say(f"operations.problem.{operation.problem}") if operation.problem in PROBLEMS else operation.problem


def took(operation: Operation) -> float | None:
    """Seconds from its beginning to its end; None before."""
    return None if operation.finished_at is None else max(0.0, operation.finished_at - operation.created_at)


def shown(text: str, limit: int = _DETAIL_MAX) -> str:
    """What a kiosk or a receiver said for people: it may have quoted what nobody is to read."""
    masked = masked_text(text[: 2 * limit])
    return masked if len(masked) <= limit else masked[: limit - 1] + "…"


def timeline(
    it: Operation, *, resolution: Resolution | None, delivery: Delivery | None, under_way: bool, asked_by: str,
    say: Say, span: Span,
) -> list[Moment]:  # fmt: skip
    """All that is known of its life, in order."""
    found = [Moment(at=it.created_at, words=say("operations.life-created", who=asked_by))]
    if it.delivery == "queue":
        left = "" if it.start_by is None else say("operations.life-start-by", span=span(it.start_by - it.created_at))
        found.append(Moment(at=it.created_at, words=say("operations.life-queued"), more=left))
    if it.sent_at is not None:
        found.append(Moment(at=it.sent_at, words=say("operations.life-sent"), tone="info"))
    if it.accepted_at is not None:
        found.append(Moment(at=it.accepted_at, words=say("operations.life-accepted"), tone="info"))
    if resolution is not None:
        found += _by_hand(resolution, say)
    elif it.finished_at is not None:
        found.append(_ended(it, say, span))
    elif it.state is State.UNKNOWN:
        words = say("operations.life-unknown")
        found.append(Moment(at=None, words=words, tone="bad", more=problem(it, say)))
    if delivery is not None:
        found += _called_back(delivery, say, under_way=under_way)
    return _with_gaps(found)


def _ended(it: Operation, say: Say, span: Span) -> Moment:
    words = say(f"operations.life-{outcome(it)}", status=it.status or 0)
    more = problem(it, say)
    begun = it.accepted_at or it.sent_at
    if it.elapsed is not None and it.finished_at is not None and begun is not None:
        more = more or say("operations.life-elapsed", span=span(it.elapsed))
        late = it.finished_at - begun - it.elapsed
        if late > _LATE:
            more += " " + say("operations.life-late", span=span(late))
    return Moment(at=it.finished_at, words=words, tone=TONES[outcome(it)], more=more)


def _by_hand(kept: Resolution, say: Say) -> list[Moment]:
    executed = kept.state == State.SUCCEEDED
    who = person(kept.by).removeprefix("dashboard:")  # of other doors it is told which
    words = say("operations.life-hand-executed" if executed else "operations.life-hand-not", who=who)
    found = [Moment(at=kept.at, words=words, tone="good" if executed else "idle", more=shown(kept.why))]
    if kept.told_at is not None and not kept.contradiction:
        found.append(Moment(at=kept.told_at, words=say("operations.life-told"), tone="good"))
    if kept.contradiction:
        words = say("operations.life-contradicted")
        found.append(Moment(at=kept.contradicted_at, words=words, tone="bad", more=shown(kept.contradiction)))
    return found


def _called_back(it: Delivery, say: Say, *, under_way: bool) -> list[Moment]:
    found = [Moment(at=it.created_at, words=say("operations.life-callback"))]
    error = shown(it.last_error or "", _PATH_MAX)
    if under_way:
        found.append(Moment(at=None, words=say("operations.life-callback-now"), tone="info", more=error))
    elif it.stand == "delivered":
        words = say("operations.life-callback-delivered", count=it.attempts)
        found.append(Moment(at=it.delivered_at, words=words, tone="good"))
    elif it.stand == "given-up":
        words = say("operations.life-callback-given-up", count=it.attempts)
        found.append(Moment(at=None, words=words, tone="bad", more=error))
    elif it.attempts:
        words = say("operations.life-callback-failing", count=it.attempts)
        found.append(Moment(at=None, words=words, tone="warn", more=error))
    return found


def _with_gaps(found: list[Moment]) -> list[Moment]:
    """In order of time; what has none is how it stands now, and comes last."""
    done: list[Moment] = []
    before: float | None = None
    for moment in sorted(found, key=lambda each: math.inf if each.at is None else each.at):
        gap = None if before is None or moment.at is None else max(0.0, moment.at - before)
        done.append(msgspec.structs.replace(moment, gap=gap))
        before = moment.at if moment.at is not None else before
    return done
