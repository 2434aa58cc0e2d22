"""Versions that are put off: with them the hub was not reached, and nothing else was wrong. Pure.

A version that cannot reach the hub must go, but whoever sits in it cannot tell that from a line that is down: were it
never tried again, an outage at night would condemn a good version wherever it is on trial. The version before can tell.
So it comes back, and is asked the same: does it reach the hub in the same time? If it does not either, the trial says
nothing of the new version. If it does, that counts against the new one; at `COUNT_MAX` it is bad like any other. Until
then it is tried again later, after one hour, two, four, and so on up to a day.
"""

import msgspec

from appliance.updates.trial import HUB_LACKING

COUNT_MAX = 3
_PAUSE_S = 3600.0
_PAUSE_MAX_S = 86400.0


class PutOff(msgspec.Struct, frozen=True, kw_only=True):
    """How it went with one version. `at` is Unix seconds: of its last trial's end, or of what was found of it."""

    at: float
    tries: int = 1
    counts: int = 0  # how often another version reached the hub where this one had not
    judged: bool = False  # whether that is known of the last try


def is_hub_alone(lacking: list[str]) -> bool:
    """Whether nothing else is wrong than what an outage would explain."""
    return lacking == [HUB_LACKING]


def again(before: PutOff | None, wall: float) -> PutOff:
    """One more trial has ended so."""
    if before is None:
        return PutOff(at=wall)
    return PutOff(at=wall, tries=before.tries + 1, counts=before.counts)


def judge(before: PutOff, wall: float, runs_s: float, connected: bool, trial_s: float) -> PutOff | None:
    """What another version, which has run for so long, has to say of it; None: nothing yet."""
    if not connected and runs_s < trial_s:
        return None
    counts = before.counts + (connected and runs_s <= trial_s)
    return msgspec.structs.replace(before, at=wall, counts=counts, judged=True)


def due_at(put_off: PutOff) -> float:
    """When it may be tried again by itself, once it is judged."""
    return put_off.at + min(_PAUSE_S * (1 << min(put_off.tries - 1, 10)), _PAUSE_MAX_S)


def is_due(put_off: PutOff, wall: float) -> bool:
    """Whether it may be tried again now. A clock that was set back does not keep it off."""
    return put_off.judged and not put_off.at - 60.0 <= wall < due_at(put_off)
