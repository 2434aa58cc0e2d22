"""What a kiosk's page says in words: keys of sentences. Pure; times are Unix seconds."""

import msgspec

from cloud.dashboard.kiosk_rows import State
from cloud.kiosks.codes import Result
from cloud.kiosks.history import Connection

# How a connection ended on which the kiosk was welcome; see `cloud.kiosks.absence` and `history`.
_LEFT = {
    "1000": "bye", "1001": "bye", "1006": "lost", "lost": "lost", "silent": "silent", "1009": "large",
    "1012": "hub", "hub-stopped": "hub", "hub-died": "hub-died", "4400": "hello", "4401": "token",
    "4403": "forbidden", "replaced": "replaced", "4409": "replaced", "4410": "double", "4411": "cloned",
}  # fmt: skip
_REFUSED = {
    "4400": "hello", "4401": "token", "4403": "forbidden", "4409": "replaced", "4410": "double", "4411": "cloned",
    "4429": "often",
}  # fmt: skip
DEVICE_STATES = {
    "absent": "bad", "starting": "idle", "disabled": "good", "ready": "good", "busy": "info", "fault": "bad",
}  # fmt: skip
ROLES = ("bill validator", "coin acceptor", "coin hopper", "fiscal register", "receipt printer")
LEVELS = {
    "level-normal": "good", "level-near-full": "warn", "level-full": "bad", "level-near-empty": "warn",
    "level-empty": "bad", "level-set": "idle", "level-refilled": "good",
}  # fmt: skip
STATE_TONES = {State.CONNECTED: "good", State.AWAY: "bad", State.NEVER: "idle", State.DISABLED: "idle"}
_ENROLMENTS = {
    Result.MADE: "idle", Result.ENROLLED: "good", Result.REPEATED: "idle", Result.REFUSED: "warn",
    Result.WITHDRAWN: "idle", Result.CLONED: "bad", Result.DUPLICATED: "bad",
}  # fmt: skip


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The sentence at the top. `advice` is what to do; empty: nothing."""

    tone: str
    key: str
    advice: str = ""


def left(why: str) -> str:
    """The key for how a connection ended."""
    return f"kiosks.left-{_LEFT.get(why, 'other')}"


def refused(why: str) -> str:
    """The key for why somebody was not let in."""
    return f"kiosks.no-{_REFUSED.get(why, 'lost')}"


def ended(row: Connection) -> str:
    """The key for a line of the history."""
    if row.ended_at is None:
        return "kiosks.left-open"
    return refused(row.why) if row.refused else left(row.why)


def tone_of(row: Connection) -> str:
    """The look of a line of the history."""
    if row.refused:
        return "warn"
    if row.ended_at is None:
        return "good"
    return "bad" if left(row.why) in {"kiosks.left-lost", "kiosks.left-silent", "kiosks.left-large"} else "idle"


def enrolment(result: str) -> tuple[str, str]:
    """The key for a line of the audit of enrolment, and its look."""
    known = result if result in _ENROLMENTS else "other"
    return f"kiosks.enrolment-{known}", _ENROLMENTS.get(Result(result), "idle") if known == result else "idle"


def verdict(
    *, state: State, attention: int, flaps: bool, double: bool, is_refused: bool, has_code: bool
) -> Verdict:  # fmt: skip
    """What an operator wants to know first. `attention` counts alerts and devices; `is_refused`: it was not let in
    since it went."""
    if state is State.DISABLED:
        return Verdict(tone="idle", key="kiosks.verdict-disabled", advice="kiosks.advice-disabled")
    if double:
        return Verdict(tone="bad", key="kiosks.verdict-double", advice="kiosks.advice-double")
    if state is State.NEVER:
        advice = "kiosks.advice-code" if has_code else "kiosks.advice-never"
        return Verdict(tone="warn" if is_refused else "idle", key="kiosks.verdict-never", advice=advice)
    if state is State.AWAY:
        advice = "kiosks.advice-refused" if is_refused else "kiosks.advice-away"
        return Verdict(tone="bad", key="kiosks.verdict-away", advice=advice)
    if flaps:
        return Verdict(tone="warn", key="kiosks.verdict-flapping", advice="kiosks.advice-flapping")
    if attention:
        return Verdict(tone="warn", key="kiosks.verdict-attention")
    return Verdict(tone="good", key="kiosks.verdict-connected")
