"""Which version a kiosk is to have: of what the manifest offers, what the rollout does not hold back. Pure.

A rollout speaks of one version, and no other is let out, be it newer or older: one that was held because it failed must
not come to those that are not among the first to get the next. Without a rollout everybody gets everything.
"""

import msgspec

from wire.release import Manifest, Release, Rollout, is_among, version_key


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be installed, None: nothing; and why, for people. `offered` is the newest for this machine."""

    release: Release | None = None
    words: str = ""
    offered: str = ""


def choose(
    manifest: Manifest, rollout: Rollout | None, *, running: str, target: str, kiosk_id: str, bad: frozenset[str],
    at_once: bool = False,
) -> Choice:  # fmt: skip
    """The newest that is newer than what runs, is not bad, and is not held back.

    `at_once`: a person wants it now, whatever the rollout says.
    """
    ours = sorted(
        (each for each in manifest.releases if each.target == target), key=lambda each: version_key(each.version)
    )
    if not ours:
        return Choice(words=f"there is nothing for {target}")
    offered = ours[-1].version
    newer = [each for each in ours if version_key(each.version) > version_key(running)]
    if not newer:
        return Choice(words=f"{running} is the newest version", offered=offered)
    good = [each for each in newer if each.version not in bad]
    if not good:
        return Choice(words=f"{newer[-1].version} has failed here and is not tried again", offered=offered)
    if at_once:
        return Choice(release=good[-1], offered=offered)
    if rollout is not None and rollout.paused:
        return Choice(words="the hub has paused updates", offered=offered)
    let_out = [each for each in good if rollout is None or _is_let_out(each.version, rollout, kiosk_id)]
    if not let_out:
        return Choice(words=_words(rollout, good), offered=offered)
    return Choice(release=let_out[-1], offered=offered)


def _is_let_out(version: str, rollout: Rollout, kiosk_id: str) -> bool:
    return version == rollout.version and is_among(rollout.percent, kiosk_id, version)


def _words(rollout: Rollout | None, good: list[Release]) -> str:
    """Why none of these comes."""
    if rollout is not None and any(each.version == rollout.version for each in good):
        return f"the hub does not let {rollout.version} come here yet"
    return f"the hub does not let {good[-1].version} go anywhere yet"
