"""How far a channel's newest version may go: what an operator may change, and when the hub holds it by itself. Pure."""

from typing import Annotated

import msgspec

from cloud.errors import Refused
from wire.release import Rollout, parse_window, version_key

_NUMBER = "(0|[1-9][0-9]{0,5})"
_TIME = "([01][0-9]|2[0-3]):[0-5][0-9]"
_VERSION_PATTERN = rf"^{_NUMBER}\.{_NUMBER}\.{_NUMBER}(rc[1-9][0-9]{{0,3}})?$"
_WINDOW_PATTERN = f"^({_TIME}-{_TIME})?$"
Percent = Annotated[int, msgspec.Meta(ge=0, le=100, description="Of the kiosks; each works out whether it is meant.")]


class Change(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Body of PUT /admin/rollouts/{channel}; members left out stay as they are. A first one has version and percent."""

    version: (
        Annotated[
            str,
            msgspec.Meta(
                max_length=32,
                description="One that the channel offers.",
                examples=["1.4.0"],
                extra_json_schema={"pattern": _VERSION_PATTERN},
            ),
        ]
        | None
    ) = None
    percent: Percent | None = None
    window: (
        Annotated[
            str,
            msgspec.Meta(
                max_length=11,
                description="HH:MM-HH:MM, the kiosks' time; empty: their own.",
                examples=["02:00-05:00"],
                extra_json_schema={"pattern": _WINDOW_PATTERN},
            ),
        ]
        | None
    ) = None
    paused: bool | None = None
    force: Annotated[bool, msgspec.Meta(description="An older version, fewer percent, or one not offered here.")] = (
        False
    )


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A channel's rollout as kept. `forgiven` failures were known when somebody had it go on in spite of them."""

    channel: str
    version: str
    percent: int
    window: str = ""
    paused: bool = False
    reason: str = ""
    forgiven: int = 0
    changed_at: float = 0.0
    changed_by: str = ""

    def told(self) -> Rollout:
        """As kiosks are told."""
        return Rollout(version=self.version, percent=self.percent, window=self.window, paused=self.paused)


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Kiosks whose last word on updates was about one version."""

    installed: int = 0  # and not said since how it went
    silent: int = 0  # of them, those that should have by now
    confirmed: int = 0
    failed: int = 0

    @property
    def tried(self) -> int:
        """All of them."""
        return self.installed + self.confirmed + self.failed

    @property
    def bad(self) -> int:
        """Those that failed, or were not heard of again."""
        return self.failed + self.silent


NONE = Counts()


def decide(
    channel: str,
    old: Standing | None,
    change: Change,
    *,
    offered: list[str],
    bad: int,
    now: float,
    by: str,
) -> tuple[Standing, str]:
    """The rollout after a change, and the words for it. Raises `Refused`.

    `offered` are the versions of the channel's manifest; `bad` is what `Counts.bad` says of the version in force.
    """
    version = _version(channel, old, change, offered)
    if old is not None and old.version == version:
        begun = old
        if change.percent is None and change.window is None and change.paused is None:
            raise Refused("conflict", "there is nothing to change: version, percent, window or paused is missing")
        if change.percent is not None and change.percent < old.percent and not change.force:
            words = f"{old.percent} percent have {version} already or get it now, and keep it; pause it instead"
            raise Refused("conflict", words)
    else:
        begun = Standing(channel=channel, version=version, percent=0, window=old.window if old else "")
        if change.percent is None:
            raise Refused("conflict", f"percent is missing: how much of the fleet gets {version} first?")
    window = begun.window if change.window is None else change.window
    _check_window(window)
    paused = begun.paused if change.paused is None else change.paused
    resumed = begun.paused and not paused
    new = msgspec.structs.replace(
        begun,
        percent=begun.percent if change.percent is None else change.percent,
        window=window,
        paused=paused,
        reason=begun.reason if paused else "",
        forgiven=bad if resumed else begun.forgiven,
        changed_at=now,
        changed_by=by,
    )
    return new, _words(new, resumed=resumed)


def hold(standing: Standing, counts: Counts, most: int, percent: float) -> str:
    """Why the hub has to pause a rollout; empty if it has not."""
    bad = counts.bad - standing.forgiven
    limit = max(most, counts.tried * percent / 100)
    if standing.paused or bad <= limit:
        return ""
    words = f"of {counts.tried} kiosks that took {standing.version} {counts.failed} failed"
    return f"{words} and {counts.silent} were not heard of since" if counts.silent else words


def held(standing: Standing, reason: str, now: float) -> tuple[Standing, str]:
    """A rollout that the hub pauses, and the words for it."""
    new = msgspec.structs.replace(standing, paused=True, reason=reason, changed_at=now, changed_by="the hub")
    return new, f"paused: {reason}"


def _version(channel: str, old: Standing | None, change: Change, offered: list[str]) -> str:
    version = change.version or (old.version if old else None)
    if version is None:
        raise Refused("conflict", f"version is missing: channel {channel} has no rollout yet")
    try:
        key = version_key(version)
    except ValueError as error:
        raise Refused("bad-request", f"version: {error}") from error
    if old is not None and version == old.version:
        return version
    if version not in offered and not change.force:
        known = ", ".join(offered[-5:]) or "nothing"
        raise Refused("conflict", f"channel {channel} does not offer {version}; it offers {known}")
    if old is not None and key < version_key(old.version) and not change.force:
        raise Refused("conflict", f"{version} is older than {old.version}, and no kiosk goes back by itself")
    return version


def _check_window(window: str) -> None:
    try:
        if window:
            parse_window(window)
    except ValueError as error:
        raise Refused("bad-request", f"window: {error}") from error


def _words(new: Standing, *, resumed: bool) -> str:
    words = [f"{new.version} to {new.percent} %"]
    if new.window:
        words.append(new.window)
    if new.paused:
        words.append("paused")
    if resumed:
        words.append(f"resumed in spite of {new.forgiven} failures" if new.forgiven else "resumed")
    return ", ".join(words)
