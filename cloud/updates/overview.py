"""Rollouts as operators are shown them: what is offered, who is meant, and how it went."""

import asyncio
from datetime import UTC, datetime

import msgspec

from cloud.updates.channels import Channels
from cloud.updates.rollouts import NONE, Counts, Standing
from cloud.updates.standings import Rollouts
from wire.release import is_among


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Kiosks by how far they are with a rollout's version."""

    among: int  # those that may have it now, of all that are enabled
    running: int  # those that said last that they run it
    installed: int  # it is on trial there, or was when they were last heard of
    silent: int  # of them, those not heard of for an hour since
    confirmed: int
    failed: int


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A channel. Without a rollout `version` is null, and nobody gets anything."""

    channel: str
    offered: list[str]  # versions, oldest first
    version: str | None
    percent: int
    window: str
    paused: bool
    reason: str
    changed_at: str | None
    changed_by: str
    kiosks: Progress | None


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """All channels, and how many kiosks said last that they run which version."""

    rollouts: list[Row]
    versions: dict[str, int]
    unknown: int  # kiosks that have never said


async def overview(rollouts: Rollouts, channels: Channels, kiosks: list[str]) -> Overview:
    """Everything there is; `kiosks` are the ids of those that are enabled."""
    standings = {standing.channel: standing for standing in await rollouts.read_all()}
    counts, running = await rollouts.counts(), await rollouts.running()
    offered = await asyncio.to_thread(_offered, channels, list(standings))
    return Overview(
        rollouts=[
            row(channel, standings.get(channel), versions, counts=counts, running=running, kiosks=kiosks)
            for channel, versions in sorted(offered.items())
        ],
        versions={version: count for version, count in sorted(running.items()) if version},
        unknown=running.get("", 0),
    )


def row(
    channel: str,
    standing: Standing | None,
    offered: list[str],
    *,
    counts: dict[str, Counts],
    running: dict[str, int],
    kiosks: list[str],
) -> Row:
    """One channel."""
    if standing is None:
        return Row(
            channel=channel,
            offered=offered,
            version=None,
            percent=0,
            window="",
            paused=True,
            reason="no rollout was begun",
            changed_at=None,
            changed_by="",
            kiosks=None,
        )
    version, found = standing.version, counts.get(standing.version, NONE)
    return Row(
        channel=channel,
        offered=offered,
        version=version,
        percent=standing.percent,
        window=standing.window,
        paused=standing.paused,
        reason=standing.reason,
        changed_at=when(standing.changed_at),
        changed_by=standing.changed_by,
        kiosks=Progress(
            among=sum(is_among(standing.percent, kiosk, version) for kiosk in kiosks),
            running=running.get(version, 0),
            installed=found.installed,
            silent=found.silent,
            confirmed=found.confirmed,
            failed=found.failed,
        ),
    )


def when(at: float) -> str:
    """Unix seconds as RFC 3339."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _offered(channels: Channels, more: list[str]) -> dict[str, list[str]]:
    return {channel: channels.offered(channel) for channel in {*channels.names(), *more}}
