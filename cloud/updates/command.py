"""`kioskwire-hub rollout`: what an operator types.

What it needs is imported when it is carried out: `kioskwire-hub version` does without a database.
"""

import argparse
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloud.updates.overview import Row

Act = Callable[[Any, argparse.Namespace], Awaitable[int]]
Show = Callable[[argparse.Namespace, Any, list[str]], int]
_BY = "command line"


def declare_rollout(
    into: Any, command: Callable[..., argparse.ArgumentParser], run: Callable[[Act], Any], show: Show
) -> None:
    """The commands, `into` a parser's subcommands; `command` adds one, and `run` has it carried out on a database.

    `show` prints a value where JSON is asked for, else the lines, and returns the exit status.
    """
    listed = command(into, "list", "show every channel's rollout and which versions kiosks run", run(_list))
    shown = command(into, "show", "show one rollout, its changes and the kiosks that failed", run(_show))
    changed = command(into, "set", "begin a rollout, or widen it", run(_set))
    paused = command(into, "pause", "have no more kiosks take the version", run(_pause))
    resumed = command(into, "resume", "have a rollout go on, in spite of failures known now", run(_resume))
    for made in (shown, changed, paused, resumed):
        made.add_argument("channel", help="such as stable")
    changed.add_argument("version", help="a version that the channel offers")
    changed.add_argument("--percent", type=int, metavar="N", help="of the kiosks; needed for another version")
    changed.add_argument("--window", metavar="HH:MM-HH:MM", help='the kiosks\' local time; "" for their own')
    changed.add_argument("--force", action="store_true", help="an older version, fewer percent, or one not offered")
    for made in (listed, shown, changed, paused, resumed):
        made.add_argument("--json", action="store_true", help="print JSON")
        made.set_defaults(show=show)


async def _list(desk: Any, arguments: argparse.Namespace) -> int:
    from cloud.updates.overview import overview  # noqa: PLC0415 - see above

    found = await overview(desk.rollouts, desk.channels, await _enabled(desk))
    lines = [line for row in found.rollouts for line in _lines(row)]
    if not lines:
        lines = ["no channels: put one into UPDATES_DIR, see docs/releases.md"]
    lines += [f"{count} kiosks run {version}" for version, count in found.versions.items()]
    if found.unknown:
        lines.append(f"{found.unknown} kiosks have not said what they run")
    return _shown(arguments, found, lines)


async def _show(desk: Any, arguments: argparse.Namespace) -> int:
    from cloud.updates.overview import overview, when  # noqa: PLC0415 - see above

    channel = arguments.channel
    found = await overview(desk.rollouts, desk.channels, await _enabled(desk))
    row = next((row for row in found.rollouts if row.channel == channel), None)
    if row is None:
        raise ValueError(f"there is no channel {channel}")
    failures = await desk.rollouts.failures(row.version) if row.version else []
    acts = await desk.rollouts.acts(channel)
    lines = _lines(row)
    lines += [f"failed: {one.kiosk} at {when(one.at)}: {one.reason or 'no reason was told'}" for one in failures]
    lines += [f"{when(act.at)} {act.by}: {act.words}" for act in acts]
    return _shown(arguments, {"rollout": row, "failures": failures, "changes": acts}, lines)


async def _set(desk: Any, arguments: argparse.Namespace) -> int:
    return await _change(
        desk,
        arguments,
        version=arguments.version,
        percent=_percent(arguments.percent),
        window=arguments.window,
        force=arguments.force,
    )


async def _pause(desk: Any, arguments: argparse.Namespace) -> int:
    return await _change(desk, arguments, paused=True)


async def _resume(desk: Any, arguments: argparse.Namespace) -> int:
    return await _change(desk, arguments, paused=False)


async def _change(desk: Any, arguments: argparse.Namespace, **change: Any) -> int:
    from cloud.updates.overview import overview  # noqa: PLC0415 - see above
    from cloud.updates.rollouts import Change  # noqa: PLC0415 - see above

    channel = arguments.channel
    offered = desk.channels.offered(channel)
    new = await desk.rollouts.change(channel, Change(**change), offered=offered, by=_BY)
    await desk.note("rollout.change", channel, version=new.version, percent=new.percent, paused=new.paused)
    found = await overview(desk.rollouts, desk.channels, await _enabled(desk))
    row = next(row for row in found.rollouts if row.channel == channel)
    return _shown(arguments, row, _lines(row))


async def _enabled(desk: Any) -> list[str]:
    return [kiosk.id for kiosk in await desk.registry.read_all() if kiosk.enabled]


def _percent(given: int | None) -> int | None:
    if given is not None and not 0 <= given <= 100:
        raise ValueError(f"--percent {given}: right would be 0 to 100")
    return given


def _lines(row: "Row") -> list[str]:
    """A rollout in words."""
    offered = ", ".join(row.offered[-5:]) or "nothing"
    if row.version is None or row.kiosks is None:
        return [f"{row.channel}: nobody gets anything yet; offered: {offered}"]
    state = "PAUSED" if row.paused else "going on"
    window = f", {row.window}" if row.window else ""
    k = row.kiosks
    lines = [f"{row.channel}: {row.version} to {row.percent} %{window}, {state}; offered: {offered}"]
    if row.reason:
        lines.append(f"  paused by the hub: {row.reason}")
    silent = f", {k.silent} of them silent for an hour" if k.silent else ""
    lines.append(
        f"  {k.among} kiosks may have it, {k.running} run it; {k.confirmed} confirmed, {k.failed} failed, "
        f"{k.installed} on trial{silent}"
    )
    return lines


def _shown(arguments: argparse.Namespace, value: Any, lines: list[str]) -> int:
    status: int = arguments.show(arguments, value, lines)
    return status
