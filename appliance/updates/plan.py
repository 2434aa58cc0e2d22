"""What updates are told once, at the start, and what they say of themselves."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from appliance.hub import updates_url
from appliance.settings import Settings
from appliance.updates.places import ORIGIN, Places, read_places, this_target
from appliance.updates.source import Where
from wire.version import VERSION

Mode = Literal["off", "notify", "auto"]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Settings, and where this run comes from. `where` is None as long as no hub is known."""

    state_dir: Path
    places: Places
    keys_file: Path
    where: Callable[[], Where | None]
    kiosk_id: Callable[[], str]
    boot_id: str
    mode: Mode = "off"
    window: str = "00:00-00:00"
    trial_s: float = 180.0
    min_free_bytes: int = 0
    origin: str = ""  # package or update; empty: the launcher has not started us, so nobody would start another version
    version: str = VERSION
    target: str = this_target()
    # Seconds
    tick_s: float = 1.0
    first_look_s: tuple[float, float] = (30.0, 120.0)
    look_every_s: float = 3600.0
    retry_s: float = 60.0
    look_at_trial_s: float = 2.0
    ask_again_s: float = 5.0  # after something was under way
    root_within_s: float = 240.0  # longer than root tries a version out


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How updates stand, for the health page and the commands; nothing secret in it."""

    version: str
    boot_id: str
    mode: Mode
    origin: str = ""
    channel: str = ""
    on_trial: bool = False
    lacking: list[str] = []  # what the version on trial has not shown yet
    offered: str = ""  # the newest version there is for this machine, as far as is known
    chosen: str = ""  # the one that is to be installed here
    installed: str = ""  # the newest that lies here and could be switched to
    checked_at: float | None = None
    words: str = ""  # what it is about, or what was wrong, for people
    failed: bool = False  # the words say what was wrong
    waits: list[str] = []  # what a switch or a restart waits for
    switching_to: str = ""
    good: str = ""
    bad: dict[str, str] = {}
    put_off: dict[str, float] = {}  # when they may be tried again, Unix seconds; 0: not known yet


def read_plan(
    settings: Settings, boot_id: str, hub: Callable[[], str], kiosk_id: Callable[[], str],
    environ: Mapping[str, str] = os.environ,
) -> Plan:  # fmt: skip
    """The plan for a run. `hub` gives the address for kiosks as it is known at the moment, or an empty string."""
    return Plan(
        state_dir=Path(settings.state_dir), places=read_places(environ), keys_file=Path(settings.update_keys_file),
        where=lambda: where(settings, hub()), kiosk_id=kiosk_id, boot_id=boot_id, mode=settings.update_mode,
        window=settings.update_window, trial_s=float(settings.update_trial),
        min_free_bytes=settings.disk_min_free_mb * 1024 * 1024, origin=environ.get(ORIGIN, ""),
    )  # fmt: skip


def where(settings: Settings, hub: str) -> Where | None:
    """Where to look for new versions: UPDATE_URL, else beside the hub's address; None where neither is known."""
    url = settings.update_url
    if not url:
        try:
            url = updates_url(hub) if hub else ""
        except ValueError:
            url = ""
    if not url:
        return None
    return Where(
        url=url, channel=settings.update_channel, proxy_url=settings.proxy_url.reveal(), ca_file=settings.ca_file
    )  # fmt: skip
