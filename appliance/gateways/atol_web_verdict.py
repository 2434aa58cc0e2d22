"""What is kept of a task of ATOL's web server, and what its outcomes come to. Pure."""

from typing import Any

import msgspec

from appliance.gateways.atol_web_tasks import Tasks
from appliance.kinds import AtolWebRoute
from hardware.atol.asking import BLOCK_WORDS
from hardware.atol.frames import Outcome
from hardware.atol.orders import Order
from hardware.atol.states import FAULT_CODES, TaskStatus, words_of


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A work's data. `before` is the number of the last document when it was begun."""

    kind: AtolWebRoute  # without its password
    uuid: str
    before: int | None = None
    storage: str = ""
    accepted: bool = False


class End(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A work's result: one of these."""

    answer: msgspec.Raw = msgspec.Raw(b"null")
    never: str = ""
    problem: str = ""
    unclear: str = ""


def order_of(tasks: Tasks, kept: Kept, reference: str) -> Order:
    """What the storage is asked for."""
    assert tasks.fiscal is not None
    task = tasks.tasks[tasks.fiscal]
    return Order(
        reference=reference, type=str(task["type"]), tasks=(task,), what=f"{task['type']} {reference!r}",
        total=tasks.total, paper=tasks.on_paper, uuid=kept.uuid, before=kept.before, storage=kept.storage,
    )  # fmt: skip


def stage_of(outcome: Outcome) -> tuple[str, str]:
    """A progress: its stage, and words."""
    match outcome.status:
        case TaskStatus.WAIT:
            return "queued", "it waits for the tasks before it"
        case TaskStatus.BLOCKED:
            words = words_of(outcome.code, outcome.description) if outcome.code else BLOCK_WORDS["paperError"]
            return "blocked", words
        case _:
            return "at-the-register", "the register is at work"


def told_of(tasks: Tasks, outcomes: tuple[Outcome, ...]) -> list[dict[str, Any]]:
    """What the answer says of each task."""
    results = []
    for kind, outcome in zip(tasks.types, outcomes, strict=False):
        result: dict[str, Any] = {"type": kind, "status": outcome.word}
        if outcome.status is not TaskStatus.READY:
            result["error"] = {"code": outcome.code, "words": words_of(outcome.code, outcome.description)}
        if outcome.result != b"null":
            result["result"] = msgspec.Raw(outcome.result)  # its numbers as the server wrote them
        results.append(result)
    return results


def doubt_of(outcomes: tuple[Outcome, ...]) -> str:
    """Why what left no document may have been done in part; empty where the register surely said no."""
    for outcome in outcomes:
        if outcome.status in {TaskStatus.READY, TaskStatus.CANCELED}:
            continue
        if outcome.status is TaskStatus.ERROR and outcome.code and outcome.code not in FAULT_CODES:
            return ""  # it said no, and what stands behind that was not begun
        return f"look at the paper and the drawer: {words_of(outcome.code, outcome.description)}"
    return ""
