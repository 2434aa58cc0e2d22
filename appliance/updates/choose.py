"""Which version a kiosk is to have: of what the manifest offers, what the rollout does not hold back. Pure.

A rollout speaks of one version. What is newer than that one is not let out yet; what is older has been let out wholly.
So a kiosk that is not among the first to get 1.5.0 still comes to 1.4.0. Without a rollout everybody gets everything.
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
        return Choice(words=f"the hub does not let {good[-1].version} come here yet", offered=offered)
    return Choice(release=let_out[-1], offered=offered)


def _is_let_out(version: str, rollout: Rollout, kiosk_id: str) -> bool:
    key, reached = version_key(version), version_key(rollout.version)
    return key < reached or (key == reached and is_among(rollout.percent, kiosk_id, version))
