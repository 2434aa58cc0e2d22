"""Facts → verdict. Pure.

Unhealthy is who cannot work (a watchdog may restart it, a person must come); degraded is who works, but not as it
should, and says why.
"""

from enum import StrEnum

import msgspec

CLOCK_TOLERANCE_S = 60.0
LAG_LIMIT_S = 1.0


class Status(StrEnum):
    """One word for all facts."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the verdict is found from."""

    connected: bool
    enrolled: bool = True  # there is a hub to be connected to
    enrolment: tuple[str, ...] = ()  # what a person should know of it
    link_trouble: str = ""  # why there is no link, or what was last wrong with it
    journal_trouble: str = ""
    journal_notices: tuple[str, ...] = ()
    clock_offset: float | None = None  # seconds by which the hub's clock is ahead of ours
    routes_mistakes: tuple[str, ...] = ()  # of a file that was not taken over
    in_doubt: int = 0  # operations whose gateway is still being asked
    loop_lag: float = 0.0
    devices: tuple[str, ...] = ()  # what is wrong with each, in words
    devices_waiting: tuple[str, ...] = ()  # what the routing file says of devices and is not in force


class Verdict(msgspec.Struct, frozen=True):
    """The status and, unless healthy, why: the worst first."""

    status: Status
    reasons: list[str]


def judge(facts: Facts) -> Verdict:
    """The verdict on the facts."""
    reasons = []
    status = Status.HEALTHY
    if facts.journal_trouble:
        status = Status.UNHEALTHY
        reasons.append(f"no new operations are taken: {facts.journal_trouble}")
    warnings = [*facts.enrolment, *facts.journal_notices]
    if facts.enrolled and not facts.connected:
        warnings.append(f"not connected to the hub: {facts.link_trouble or 'connecting'}")
    if facts.clock_offset is not None and abs(facts.clock_offset) > CLOCK_TOLERANCE_S:
        behind = "behind" if facts.clock_offset > 0 else "ahead of"
        warnings.append(f"the clock is {abs(facts.clock_offset):.0f} s {behind} the hub's")
    if facts.routes_mistakes:
        warnings.append(f"the changed routing file was not taken over: {'; '.join(facts.routes_mistakes)}")
    warnings += facts.devices
    if facts.devices_waiting:
        warnings.append(f"not taken over from the routing file: {'; '.join(facts.devices_waiting)}")
    if facts.in_doubt:
        warnings.append(f"the gateway is being asked what became of {facts.in_doubt} operations")
    if facts.loop_lag > LAG_LIMIT_S:
        warnings.append(f"the program was held up for {facts.loop_lag:.1f} s")
    if warnings and status is Status.HEALTHY:
        status = Status.DEGRADED
    return Verdict(status, reasons + warnings)
