"""The view → what the templates print, in one language. Pure: `Teller` has the words and the moment.

Everything that others said (devices, the routing file, the hub, bodies) goes out as plain text, cut short; the
templates escape it. Details of drivers and of the system stay in English: they are for who repairs it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from appliance.health.advice import Advice, Severity
from appliance.journal import Recent
from appliance.network.steps import Look, State, Step, Walk
from appliance.web.page_facts import DeviceView, LastEvent, View
from appliance.web.page_words import Teller
from wire.bodies import masked_text
from wire.masking import mask
from wire.messages import Executed
from wire.version import VERSION

_LONGEST = 300
_KINDS = {Severity.GOOD: "good", Severity.INFO: "idle", Severity.WARN: "warn", Severity.BAD: "bad"}
_BADGES = {"ready": "good", "disabled": "good", "busy": "good", "starting": "idle", "absent": "bad", "fault": "bad"}
_MARKS = {State.PASSED: "✓", State.FAILED: "✗", State.DOUBTFUL: "!", State.SKIPPED: "·"}
_SETUP = ("enrol.", "net.token.missing", "net.token.refused")
_OUTCOMES = {Executed.YES: ("yes", "good"), Executed.NO: ("no", "warn"), Executed.UNKNOWN: ("unknown", "bad")}
PARTS = ("verdict", "devices", "connection", "network", "operations", "kiosk")


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence with what to do about it."""

    kind: str
    text: str
    do: str = ""
    whose: str = ""
    detail: str = ""

    @property
    def whole(self) -> str:
        """With whose it is: "Bill validator: a note is stuck"."""
        return f"{self.whose}: {self.text[:1].lower()}{self.text[1:]}" if self.whose else self.text


def present(view: View, teller: Teller) -> dict[str, Any]:
    """What the templates are given."""
    first, *others = [_advice(each, view, teller) for each in view.advice]
    return {
        "kiosk_name": _name(view), "verdict": first, "others": others, "setup": _leads_to_setup(view),
        "connection": _connection(view, teller), "network": _network(view, teller),
        "devices": [_device(each, view, teller) for each in view.devices],
        "operations": [_operation(each, teller) for each in view.operations], "kiosk": _kiosk(view, teller),
    }  # fmt: skip


def _name(view: View) -> str:
    told = view.health["enrolment"]
    return " ".join(dict.fromkeys(filter(None, (told["name"], told["kiosk"] or view.kiosk_id))))


def _leads_to_setup(view: View) -> bool:
    return view.takes_codes or view.advice[0].key.startswith(_SETUP)


def _fields(fields: Mapping[str, str | float], teller: Teller) -> dict[str, object]:
    """Figures as a sentence takes them."""
    found: dict[str, object] = {
        name: _cut(value) if isinstance(value, str) else value for name, value in fields.items()
    }
    if isinstance(offset := fields.get("offset"), float):
        found["offset"] = teller.lasting(offset)
    for name in ("begins", "ends", "wall"):
        if isinstance(at := fields.get(name), float):
            found[name] = teller.day(at) if at else "?"
    return found


def _advice(advice: Advice, view: View, teller: Teller) -> Shown:
    key = advice.key
    near = f"{key}.near"
    if advice.fields.get("near") and teller.has(near):
        key = near
    fields = _fields(advice.fields, teller)
    return Shown(
        kind=_KINDS[advice.severity], text=teller.say(key, **fields), do=teller.say(f"{advice.key}.do", **fields),
        whose=_whose(advice.device, view, teller) if advice.device else "", detail=_cut(mask(advice.detail)),
    )  # fmt: skip


def _whose(name: str, view: View, teller: Teller) -> str:
    """A device as a shop assistant knows it: what it is, and its label where there are several of the kind."""
    device = next((each for each in view.devices if each.name == name), None)
    if device is None:
        return name
    alone = sum(each.facts.role == device.facts.role for each in view.devices) == 1
    role = _role(device.facts.role, teller)
    more = device.standing["label"] or ("" if alone else name)
    return f"{role} ({_cut(more, 60)})" if more else role


def _role(role: str, teller: Teller) -> str:
    key = f"role.{role}"
    return teller.say(key) if teller.has(key) else role


def _connection(view: View, teller: Teller) -> dict[str, Any]:
    health = view.health
    state = "up" if health["ws_connected"] else "down"
    if state == "down" and view.takes_codes:
        state = "none"
    drop, trouble = view.dropped_at, view.dropped_why
    if not health["ws_connected"] and health["last_error"] is not None:
        trouble = health["last_error"]["message"]  # why it does not come back says more than why it went
    return {
        "state": teller.say(f"connection.{state}"), "kind": {"up": "good", "down": "bad", "none": "idle"}[state],
        "since": teller.when(health["since"]) if health["since"] else None, "hub": _cut(health["hub"] or ""),
        "drop": None if drop is None else teller.when(drop), "trouble": _cut(mask(trouble)),
        "unsettled": health["unsettled"], "events": health["journal"]["events"],
        "waiting": health["queue"]["waiting"], "running": health["queue"]["running"],
    }  # fmt: skip


def _network(view: View, teller: Teller) -> dict[str, Any]:
    walk = view.walk
    failed = walk.first_failed if walk else None
    return {
        "running": view.walking, "when": teller.when(walk.at) if walk else None,
        "well": walk is not None and failed is None, "can_ask": not view.takes_codes,
        "steps": [_step(look, teller) for look in _steps(walk)] if walk else [],
    }  # fmt: skip


def _steps(walk: Walk) -> Iterator[Look]:
    """Those that were walked, and those behind the one that failed. What is not needed here is left out."""
    failed = False
    for look in walk.looks:
        failed = failed or look.state is State.FAILED
        # Who goes by no proxy need not read of one.
        if look.state is not State.SKIPPED or (failed and look.step is not Step.PROXY):
            yield look


def _step(look: Look, teller: Teller) -> dict[str, str]:
    state, text, do = look.state.value, "", ""
    if look.finding:
        key = f"net.{look.finding}"
        fields = _fields(look.fields, teller)
        near = f"{key}.near"
        text = teller.say(near if look.fields.get("near") and teller.has(near) else key, **fields)
        do = teller.say(f"{key}.do", **fields)
    shown = (look.fields.get(name) for name in ("names", "addresses", "proxy", "issuer"))
    more = "" if look.finding else next((str(each) for each in shown if each), "")
    return {
        "state": state, "mark": _MARKS[look.state], "name": teller.say(f"step.{look.step.value}"),
        "said": teller.say(state), "text": text, "do": do, "more": _cut(more, 120),
    }  # fmt: skip


def _device(device: DeviceView, view: View, teller: Teller) -> dict[str, Any]:
    standing, facts = device.standing, device.facts
    state = standing["state"]
    kind = _BADGES.get(state, "idle")
    if not facts.in_service:
        state, kind = "ordered", "warn"
    elif kind == "good" and (facts.circuit_open or facts.hindrance):
        state, kind = "failing", "bad"
    elif state == "absent" and not facts.late:
        state, kind = "starting", "idle"
    about = [_advice(each, view, teller) for each in view.advice if each.device == device.name]
    identity = standing["identity"]
    model = " ".join(filter(None, (identity["maker"], identity["model"], identity["firmware"])))
    says = " ".join(filter(None, (standing["words"], f"({standing['code']})" if standing["code"] else "")))
    details = [
        ("devices.says", says), ("devices.driver", standing["driver"]), ("devices.port", standing["port"]),
        ("devices.model", model), ("devices.serial", identity["serial"]),
        ("devices.noise", teller.say("devices.bytes", count=standing["skipped_bytes"])
         if standing["skipped_bytes"] else ""),
        ("devices.repeats", str(standing["repeats"] or "")),
    ]  # fmt: skip
    return {
        "name": _whose(device.name, view, teller), "id": device.name, "state": teller.say(f"state.{state}"),
        "kind": kind, "since": teller.when(standing["since"]), "advice": about, "holds": _holds(device, teller),
        "last": _last(device.last, teller), "last_when": teller.when(device.last.at) if device.last else None,
        "details": [(teller.say(key), _cut(value)) for key, value in details if value],
    }  # fmt: skip


def _holds(device: DeviceView, teller: Teller) -> str:
    lying = device.lying
    if lying is None:
        return ""
    if device.facts.role == "coin hopper" and not lying["known"]:
        return teller.say("devices.not-counted")
    count = sum(sum(each["counts"].values()) for each in lying["lying"])
    amounts = [teller.money(each["total"], each["currency"]) for each in lying["lying"]]
    if device.capacity:
        pieces = teller.say("devices.of", count=count, capacity=device.capacity)
    elif count:
        pieces = teller.say("devices.pieces", count=count)
    else:
        return teller.say("devices.nothing")
    return ", ".join([pieces, *amounts])


def _last(last: LastEvent | None, teller: Teller) -> str:
    if last is None:
        return ""
    data = last.data
    amount = ""
    for name in ("bill", "coin", "amount"):
        money = data.get(name)
        if isinstance(money, dict) and "minor" in money and "currency" in money:
            times = data.get("paid", 1) if last.kind == "payout-ended" else 1
            amount = teller.money(int(money["minor"]) * int(times), str(money["currency"]))
            break
    document = data.get("document")
    number = document.get("number", "") if isinstance(document, dict) else ""
    return teller.say(f"event.{last.kind}", amount=amount, number=number)


def _operation(operation: Recent, teller: Teller) -> dict[str, Any]:
    response = operation.response
    word, kind = ("running", "idle") if response is None else _OUTCOMES[response.executed]
    more = ""
    if response is not None:
        if response.executed is Executed.YES and not 200 <= response.status < 300:
            kind, more = "warn", teller.say("operations.answered", status=response.status)
        elif response.error is not None:
            more = _cut(masked_text(response.error.detail or response.error.type), 160)  # a gateway names people
    return {
        "type": _cut(operation.operation, 60), "when": teller.when(operation.started_at), "kind": kind,
        "outcome": teller.say(f"operations.{word}"), "amount": _amount(response, teller), "more": more,
        "id": _cut(operation.request_id, 64), "untold": operation.state == "done",
    }  # fmt: skip


def _amount(response: Any, teller: Teller) -> str:
    """Of what was paid, where the answer is one of ours: only then its units are known."""
    if response is None:
        return ""
    try:
        body = msgspec.json.decode(response.body, type=_Body)
    except (msgspec.MsgspecError, UnicodeError):
        return ""
    return teller.money(body.collected, body.currency) if body.currency and body.collected is not None else ""


class _Body(msgspec.Struct):
    collected: int | None = None
    currency: str = ""


def _kiosk(view: View, teller: Teller) -> list[tuple[str, str]]:
    health, machine = view.health, view.machine
    offset = health["clock"]["offset"]
    if offset is None:
        clock = teller.say("kiosk.clock-unknown")
    elif abs(offset) > 60:
        key = "net.clock.behind" if offset > 0 else "net.clock.ahead"
        clock = teller.say(key, offset=teller.lasting(abs(offset)))
    else:
        clock = teller.say("kiosk.clock-right")
    found = [
        ("kiosk.id", _name(view)), ("kiosk.version", VERSION), ("kiosk.update", _update(health["updates"], teller)),
        ("kiosk.uptime", teller.lasting(health["uptime"])),
        ("kiosk.machine-uptime", teller.lasting(machine.uptime) if machine.uptime is not None else ""),
        ("kiosk.clock", f"{teller.moment(view.now)}, {clock}"),
        ("kiosk.disk", _part(machine.disk_free, machine.disk_all, teller)),
        ("kiosk.memory", _part(machine.memory_free, machine.memory_all, teller)),
        ("kiosk.temperature", "" if machine.temperature is None
         else teller.say("celsius", count=f"{machine.temperature:.0f}")),
    ]  # fmt: skip
    return [(teller.say(key), _cut(value)) for key, value in found if value]


def _part(free: int | None, whole: int | None, teller: Teller) -> str:
    if free is None:
        return ""
    return teller.say("kiosk.of", free=teller.size(free), whole=teller.size(whole)) if whole else teller.size(free)


def _update(updates: dict[str, Any], teller: Teller) -> str:
    if updates["mode"] == "off":
        return teller.say("update.off")
    if updates["on_trial"]:
        return teller.say("update.trial", version=VERSION)
    if updates["failed"]:
        return teller.say("update.failed")
    for name in ("installed", "offered"):
        if updates[name] and updates[name] != VERSION:
            return teller.say(f"update.{name}", version=updates[name])
    return teller.say("update.latest" if updates["checked_at"] else "update.unknown")


def _cut(text: str, most: int = _LONGEST) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
