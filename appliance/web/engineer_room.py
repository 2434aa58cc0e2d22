"""The engineer's part with all that it uses, and what its pages need beside it."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from appliance.desk import Desk
from appliance.desk.summary import gather
from appliance.engineer.bundle import Sources, secrets_of_settings
from appliance.engineer.collecting import Collecting
from appliance.engineer.pin import Lock
from appliance.engineer.service import Engineer
from appliance.engineer.work import Note
from appliance.enrolment.service import Enrolment
from appliance.journal import Journal, look_into
from appliance.logs import Logs
from appliance.routes import RouteTable
from appliance.settings import Loaded, effective
from appliance.supervisor import Supervisor
from appliance.updates.restarting import Restarting
from appliance.updates.service import Updates


class Room(msgspec.Struct, frozen=True):
    """What the pages are given. `lan` is SETUP_FROM."""

    engineer: Engineer
    enrolment: Enrolment
    lan: bool = False
    kiosk: Callable[[], str] = lambda: ""


def secrets_of(loaded: Loaded) -> list[str]:
    """The secrets of the settings, and those in their URLs."""
    settings = loaded.settings
    return secrets_of_settings(
        each.reveal() for each in (settings.ws_token, settings.enroll_code, settings.proxy_url, settings.engineer_pin)
    )


def make_engineer(
    loaded: Loaded, *, logs: Logs | None, journal: Journal, supervisor: Supervisor, desk: Desk, note: Note,
    clock: Callable[[], float], routes: Callable[[], RouteTable], updates: Updates,
    health: Callable[[], dict[str, Any]], network: Callable[[], Any],
) -> Engineer:  # fmt: skip
    """Out of the parts of a running appliance."""
    settings = loaded.settings
    state_dir = Path(settings.state_dir)
    known = secrets_of(loaded)

    def report() -> dict[str, Any]:
        with look_into(state_dir) as look:
            return gather(look, routes().devices, time.time())

    def sources() -> Sources:
        return Sources(
            state_dir=state_dir, routing_file=Path(settings.routing_config), log_dir=settings.log_dir,
            settings=[*effective(loaded), *(f"warning: {each}" for each in loaded.warnings)], known=known,
            health=health(), network=network(), recent=logs.recent() if logs is not None else [], report=report,
        )  # fmt: skip

    async def print_lines(reference: str, printer: str, lines: Sequence[str], within_s: float) -> dict[str, Any]:
        return await desk.printing.print_lines(reference=reference, printer=printer, lines=lines, within_s=within_s)

    collecting = Collecting(
        journal=journal, supervisor=supervisor, clock=clock, holder=desk.cash.holder, print_lines=print_lines
    )
    return Engineer(
        lock=Lock(state_dir, settings.engineer_pin, settings.engineer_pin_file), note=note, supervisor=supervisor,
        collecting=collecting, restarts=Restarting(state_dir, lambda: updates.status), holder=desk.cash.holder,
        routes=lambda: routes().all(), sources=sources,
    )  # fmt: skip
