"""Facts → what a person in front of the kiosk should know and do, the gravest first. Pure.

The first is the verdict. Each is a key and the figures of its sentence; pages have the words, in the language of who
reads. It says less than `verdict` (which is for machines and names all reasons) and says it plainly.

**Unknown is not well.** `well` is said only of a kiosk that is connected, of whose devices each has been heard, and
that has its journal. A kiosk that has just been started says so.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum

import msgspec

from appliance.health.causes import Cause, find_cause
from appliance.health.verdict import CLOCK_TOLERANCE_S, LAG_LIMIT_S
from appliance.levels.marks import Level
from appliance.network.steps import Look, Step
from hardware.events import DeviceState

STARTING_S = 20.0  # so long everything may still be on its way
SHORT_DROP_S = 20.0  # so long a lost link is no more than that


class Severity(IntEnum):
    """The higher the graver."""

    GOOD = 0
    INFO = 1  # nothing to be done
    WARN = 2  # works, and should be looked after
    BAD = 3  # customers cannot be served, or soon not


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to know. `device` is whose it is, if it is a device's; `detail` is English, for an engineer."""

    key: str
    severity: Severity
    fields: Mapping[str, str | float] = {}
    device: str = ""
    detail: str = ""


class DeviceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One device. `late`: it had the time to be there."""

    name: str
    role: str
    state: DeviceState
    words: str = ""
    code: str = ""
    late: bool = True
    in_service: bool = True
    order: str = ""  # why its owner took it out of service
    hindrance: str = ""  # why nothing new is begun with it
    circuit_open: bool = False
    level: Level = Level.NORMAL
    paper_low: bool = False


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is advised from. `enrolment` as `Standing.state`; times in seconds."""

    uptime: float
    enrolment: str = "enrolled"
    stuck: bool = False
    connected: bool = True
    down_for: float = 0.0
    link_trouble: str = ""
    failed: Look | None = None  # the first step of the way to the hub that failed, by the last walk
    walked: bool = False  # there was a walk since the link went
    clock_offset: float | None = None
    journal_trouble: str = ""
    disk_low: bool = False
    in_doubt: int = 0
    unsettled: int = 0
    routes: int = 1
    routes_mistakes: Sequence[str] = ()
    changes_wait: Sequence[str] = ()
    loop_lag: float = 0.0
    devices: Sequence[DeviceFacts] = ()


_PAPER = {"fiscal register", "receipt printer"}
_JAMS = {"bill validator": "bill", "coin acceptor": "coin", "coin hopper": "hopper"}
# Without these nobody can pay; a slip that is not printed is a smaller matter.
_WEIGHT = {"fiscal register": 0, "bill validator": 1, "coin acceptor": 2, "coin hopper": 3, "receipt printer": 4}
_ENROLMENT = {"not-enrolled", "asking", "refused", "locked-out"}


def advise(facts: Facts) -> list[Advice]:
    """All there is to know, the gravest first; never empty."""
    found = [*_kiosk(facts), *_link(facts), *_devices(facts), *_smaller(facts)]
    found.sort(key=lambda advice: -advice.severity)  # stable: within one severity the order above is the rank
    if not found or found[0].severity < Severity.WARN:
        found.insert(0, _no_complaint(facts))
    return found


def _no_complaint(facts: Facts) -> Advice:
    unheard = [each for each in facts.devices if each.state in {DeviceState.STARTING, DeviceState.ABSENT}]
    if not facts.connected or unheard:
        if facts.uptime < STARTING_S:
            return Advice(key="starting", severity=Severity.INFO)
        if facts.connected and unheard[0].state is DeviceState.STARTING:
            return Advice(key="device.starting", severity=Severity.INFO, device=unheard[0].name)
        return Advice(key="unknown", severity=Severity.INFO)
    if not facts.devices and not facts.routes:
        return Advice(key="nothing-set-up", severity=Severity.WARN)
    return Advice(key="well", severity=Severity.GOOD)


def _kiosk(facts: Facts) -> list[Advice]:
    found = []
    if facts.journal_trouble:
        found.append(Advice(key="journal", severity=Severity.BAD, detail=facts.journal_trouble))
    if facts.enrolment in _ENROLMENT:
        found.append(Advice(key=f"enrol.{facts.enrolment}", severity=Severity.BAD))
    elif facts.enrolment == "waiting":
        key = "enrol.stuck" if facts.stuck else "enrol.waiting"
        found.append(Advice(key=key, severity=Severity.BAD if facts.stuck else Severity.INFO))
    return found


def _link(facts: Facts) -> list[Advice]:
    found = []
    offset = facts.clock_offset
    if offset is not None and abs(offset) > CLOCK_TOLERANCE_S:
        found.append(clock(offset, Severity.WARN))
    if facts.connected or facts.enrolment in {*_ENROLMENT, "waiting"}:
        return found
    failed = facts.failed
    if facts.down_for < SHORT_DROP_S and (failed is None or not facts.walked):
        return [*found, Advice(key="link.connecting", severity=Severity.INFO, detail=facts.link_trouble)]
    if failed is not None and facts.walked:
        if failed.step is Step.CLOCK:
            found = []  # the same thing, and the graver way to say it
        fields = dict(failed.fields)
        found.insert(0, Advice(
            key=f"net.{failed.finding}", severity=Severity.BAD, fields=fields, detail=facts.link_trouble
        ))  # fmt: skip
    elif facts.walked:
        found.insert(0, Advice(key="link.refuses", severity=Severity.BAD, detail=facts.link_trouble))
    else:
        found.insert(0, Advice(key="link.lost", severity=Severity.BAD, detail=facts.link_trouble))
    return found


def clock(offset: float, severity: Severity) -> Advice:
    """Our clock is wrong by so many seconds; above 0 it is behind."""
    key = "net.clock.behind" if offset > 0 else "net.clock.ahead"
    return Advice(key=key, severity=severity, fields={"offset": abs(offset)})


def _devices(facts: Facts) -> list[Advice]:
    found = []
    for each in sorted(facts.devices, key=lambda each: _WEIGHT.get(each.role, 9)):
        advice = device(each)
        if advice is not None:
            found.append(advice)
        found += _levels(each)
    return found


def device(facts: DeviceFacts) -> Advice | None:
    """What keeps a device from its work; None: nothing."""
    if not facts.in_service:
        fields = {"reason": facts.order}
        key = "device.ordered-why" if facts.order else "device.ordered"
        return Advice(key=key, severity=Severity.WARN, fields=fields, device=facts.name)
    detail = " ".join(filter(None, (facts.words, f"({facts.code})" if facts.code else "")))
    if facts.state is DeviceState.FAULT:
        return _because(facts, detail)
    if facts.state is DeviceState.ABSENT:
        if not facts.late:
            return None
        return Advice(key="device.absent", severity=Severity.BAD, device=facts.name, detail=detail)
    if facts.circuit_open or facts.hindrance:
        words = facts.hindrance or detail
        return Advice(key="device.failing", severity=Severity.BAD, device=facts.name, detail=words)
    if find_cause(facts.words) is Cause.SHIFT_OLD:
        return Advice(key="device.shift-old", severity=Severity.WARN, device=facts.name, detail=detail)
    return None


def _because(facts: DeviceFacts, detail: str) -> Advice:
    cause = find_cause(facts.words)
    key = f"device.{cause.value}"
    if cause is Cause.JAM:
        key += f".{'paper' if facts.role in _PAPER else _JAMS.get(facts.role, 'bill')}"
    return Advice(key=key, severity=Severity.BAD, device=facts.name, detail=detail)


def _levels(facts: DeviceFacts) -> list[Advice]:
    found = []
    if facts.level is not Level.NORMAL:
        severity = Severity.BAD if facts.level in {Level.FULL, Level.EMPTY} else Severity.WARN
        found.append(Advice(key=f"level.{facts.level.value}", severity=severity, device=facts.name))
    if facts.paper_low and facts.state is not DeviceState.FAULT:
        found.append(Advice(key="device.paper-low", severity=Severity.WARN, device=facts.name))
    return found


def _smaller(facts: Facts) -> list[Advice]:
    found = []
    if facts.in_doubt:
        found.append(Advice(key="in-doubt", severity=Severity.WARN, fields={"count": facts.in_doubt}))
    if facts.disk_low:
        found.append(Advice(key="disk-low", severity=Severity.WARN))
    if facts.routes_mistakes:
        detail = "; ".join(facts.routes_mistakes)
        found.append(Advice(key="routes-wrong", severity=Severity.WARN, detail=detail))
    if facts.loop_lag > LAG_LIMIT_S:
        found.append(Advice(key="slow", severity=Severity.WARN, fields={"lag": round(facts.loop_lag, 1)}))
    if facts.changes_wait:
        found.append(Advice(key="changes-wait", severity=Severity.INFO, detail="; ".join(facts.changes_wait)))
    return found


def network_advice(look: Look) -> str:
    """The key of a step's sentence, for the list of steps."""
    return f"net.{look.finding}" if look.finding else f"step.{look.step.value}.{look.state.value}"
