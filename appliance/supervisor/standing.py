"""How a device stands, for the health page, and what of it a person should look at."""

from typing import Any

from appliance.supervisor.watched import Watched
from hardware.events import DeviceState

STARTING_S = 15.0  # after it was opened first, a device may still be absent and nobody is to worry


def standing(watched: Watched) -> dict[str, Any]:
    """Its part of the health page; nothing secret. `since` is Unix seconds, counts are since it was opened."""
    status, entry, circuit = watched.status, watched.entry, watched.circuit
    identity = status.identity
    return {
        "role": watched.role,
        "label": entry.owned.label or None,
        "driver": entry.driver,
        "port": entry.shown_port,
        "state": status.state.value,
        "code": status.code or None,
        "words": status.words or None,
        "since": round(watched.since, 3),
        "in_service": watched.in_service,
        "hindrance": watched.hindrance or None,
        "identity": {
            "maker": identity.maker, "model": identity.model, "serial": identity.serial, "firmware": identity.firmware,
        },
        "circuit": {"state": circuit.state.value, "failures": circuit.failures, "words": circuit.words or None},
        "skipped_bytes": status.skipped_bytes,
        "repeats": status.repeats,
        "work": watched.work or None,
    }  # fmt: skip


def trouble(watched: Watched, now: float) -> str:
    """What a person should know of it, in words; empty: nothing. `now` is Unix seconds."""
    name = f"{watched.name} ({watched.entry.owned.label})" if watched.entry.owned.label else watched.name
    if watched.hindrance:
        return f"{name}: {watched.hindrance}"
    status = watched.status
    if status.state is DeviceState.FAULT:
        code = f" ({status.code})" if status.code else ""
        return f"{name} is out of service: {status.words or 'it does not say why'}{code}"
    if status.state is DeviceState.ABSENT and (watched.seen or now - watched.since > STARTING_S):
        return f"{name} is absent: {status.words or 'nothing answers'}"
    return ""
