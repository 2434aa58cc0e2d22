"""`kioskwire-appliance update`, `confirm` and `restart`, as a technician types them."""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path

from appliance.journal import JournalError, look_into
from appliance.settings import Loaded, find_setting, find_state_dir, load
from appliance.updates import apply, switch
from appliance.updates.choose import Choice, choose
from appliance.updates.confirm import confirm as look_from_outside
from appliance.updates.download import fetch
from appliance.updates.files import BASELINE, CURRENT, GOOD, READY, RUNNING, STATUS, Running, UpdateFiles
from appliance.updates.follow import become_owner, follow, is_running, restart
from appliance.updates.places import Applied, newest, read_places, this_target
from appliance.updates.plan import Plan, Status, read_plan
from appliance.updates.source import SourceError, load_keys, open_source
from appliance.updates.trial import Baseline
from wire.environment import SettingsError
from wire.release import version_key
from wire.version import VERSION

_USAGE = 2


def run(options: argparse.Namespace) -> int:
    """One of the three commands. Returns the exit status."""
    try:
        if options.command == "confirm":
            return _confirm(options)
        if options.command == "restart":
            state_dir = find_state_dir(options.env_file)
            become_owner(state_dir)
            return restart(UpdateFiles(state_dir), state_dir, options.within, _say)
        return _update(options)
    except SettingsError as error:
        return _complain(*map(str, error.mistakes), status=_USAGE)
    except SourceError as error:
        return _complain(str(error))
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        return _complain(f"{name}{error.strerror or error}")


def _update(options: argparse.Namespace) -> int:
    state_dir = find_state_dir(options.env_file)
    if (options.version is not None) is not (options.action == "forgive"):
        return _complain("right would be: update forgive VERSION", status=_USAGE)
    if options.file is not None:
        if options.action not in {None, "apply"}:
            return _complain("--file goes with `update` alone", status=_USAGE)
        return _install_file(options, state_dir, Path(options.file))
    match options.action:
        case "apply":
            return _apply(options, state_dir)
        case "forgive":
            become_owner(state_dir)
            return _forgive(UpdateFiles(state_dir), options.version)
        case "check" | "fetch":
            return asyncio.run(_look(_owned_plan(options), fetches=options.action == "fetch"))
        case "now":
            become_owner(state_dir)
            if not is_running(state_dir, within_s=15.0):
                return _complain("no appliance runs here; `update fetch` and `update apply` do without one")
            return follow(UpdateFiles(state_dir), "now", options.within, _say)
    return _status(UpdateFiles(state_dir), state_dir)


# What the words do


async def _look(plan: Plan, *, fetches: bool) -> int:
    files = UpdateFiles(plan.state_dir)
    where = plan.where()
    if where is None:
        raise SourceError("there is neither a hub nor UPDATE_URL to look at")
    keys = load_keys(plan.keys_file)
    async with open_source(where) as source:
        manifest = await source.manifest(keys, files.kept().serials.get(where.channel, 0))
        rollout = await source.rollout()
        choice = choose(
            manifest, rollout, running=plan.version, target=plan.target, kiosk_id=plan.kiosk_id(),
            bad=frozenset(files.bad()),
        )  # fmt: skip
        _tell_choice(choice, f"{where.url} {where.channel}", plan.version)
        if choice.release is None or not fetches:
            return 0
        files.make()
        await fetch(source, choice.release, files.downloads, keys, min_free_bytes=plan.min_free_bytes)
    files.write(READY, choice.release.file)
    _say(f"{choice.release.version} is fetched and verified; kioskwire-update.service makes a version of it")
    return 0


def _apply(options: argparse.Namespace, state_dir: Path, given: Path | None = None) -> int:
    done = _applied(options, state_dir, given)
    if not done.ok:
        return _complain(f"{done.file or 'nothing'} was not installed: {done.words}")
    _say(f"{done.version} is installed" + (f" ({done.words})" if done.words else ""))
    return 0


def _applied(options: argparse.Namespace, state_dir: Path, given: Path | None) -> Applied:
    keys_file = Path(find_setting(options.env_file, "UPDATE_KEYS_FILE"))
    return apply.apply(apply.Task(state_dir=state_dir, places=read_places(), keys_file=keys_file, given=given))


def _install_file(options: argparse.Namespace, state_dir: Path, given: Path) -> int:
    done = _applied(options, state_dir, given)
    if not done.ok:
        return _complain(f"{given} was not installed: {done.words}")
    _say(f"{done.version} is installed" + (f" ({done.words})" if done.words else ""))
    become_owner(state_dir)
    files = UpdateFiles(state_dir)
    files.make()
    if is_running(state_dir):
        return follow(files, done.version, options.within, _say)
    if words := _under_way(state_dir):
        return _complain(f"start the service first: {words}")
    before = files.load(BASELINE, Baseline) or Baseline(version=VERSION, at=time.time())
    switch.step_aside(files, done.version, before)
    _say(f"the next start is of {done.version}, on trial")
    return 0


def _under_way(state_dir: Path) -> str:
    """What an appliance that does not run has left open; empty: nothing."""
    try:
        with look_into(state_dir) as look:
            started, works = look.count("operations", "state = 'started'"), len(look.book.open_works())
    except JournalError as error:
        return "" if not (state_dir / "journal.db").exists() else str(error)
    return f"{started} operations and {works} works were left open" if started or works else ""


def _forgive(files: UpdateFiles, version: str) -> int:
    try:
        version_key(version)
    except ValueError as error:
        return _complain(str(error), status=_USAGE)
    if not files.forgive(version):
        return _complain(f"{version} has not failed here")
    _say(f"{version} may be tried again when its turn comes; `update now` does not wait for that")
    return 0


def _status(files: UpdateFiles, state_dir: Path) -> int:
    status, running = files.load(STATUS, Status), files.load(RUNNING, Running)
    places = read_places()
    alive = is_running(state_dir)
    lines = [("runs", f"{running.version}, from {running.origin or 'neither package nor update'}" if running else "")]
    if not alive:
        lines = [("runs", "nothing" + (f"; {running.version} was the last" if running else ""))]
    lines += [("package", newest(places.packaged)), ("from updates", newest(places.versions))]
    lines += [("last good one", files.version(GOOD)), ("wanted", files.version(CURRENT))]
    if status is not None and alive:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(status.checked_at)) if status.checked_at else "never"
        lines += [("mode", status.mode), ("looked", at), ("newest there is", status.offered)]
        if status.on_trial:
            lines.append(("on trial", "; ".join(status.lacking) or "well so far"))
        lines.append(("trouble" if status.failed else "state", status.words))
        lines += [("waits", each) for each in status.waits]
    lines += [("put off", f"{version}, tried {how.tries} times") for version, how in files.put_off().items()]
    lines += [("failed", f"{version} {reason}") for version, reason in files.bad().items()]
    for name, words in lines:
        if words:
            _say(f"{name + ':':<17}{words}")
    return 0


def _confirm(options: argparse.Namespace) -> int:
    state_dir = find_state_dir(options.env_file)
    become_owner(state_dir)
    port = find_setting(options.env_file, "HEALTH_CHECK_PORT")
    host = find_setting(options.env_file, "HEALTH_CHECK_HOST")
    if port == "0":
        return _complain("HEALTH_CHECK_PORT=0: the port is another at each start", status=_USAGE)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - what is not bound to is asked
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/health"
    files = UpdateFiles(state_dir)
    return look_from_outside(url, lambda: files.load(BASELINE, Baseline), options.within, _say)


# Telling


def _owned_plan(options: argparse.Namespace) -> Plan:
    """The plan, and from here on as whom the state belongs to."""
    from appliance import identity  # noqa: PLC0415 - for these two alone

    loaded: Loaded = load(options.env_file, routing=options.routes)
    settings = loaded.settings
    become_owner(Path(settings.state_dir))
    try:
        known = identity.read(Path(settings.state_dir))
    except identity.IdentityError as error:
        raise SourceError(str(error)) from None
    kiosk_id = known.kiosk_id if known else identity.named_by(settings.ws_token.reveal())
    hub = settings.ws_server_url or (known.hub if known else "")
    return read_plan(settings, "", lambda: hub, lambda: kiosk_id)


def _tell_choice(choice: Choice, place: str, running: str) -> None:
    _say(f"{running} looks at {place} for {this_target()}; the newest there is {choice.offered or 'none'}")
    _say(choice.words if choice.release is None else f"{choice.release.version} is to be installed here")
    if choice.release is not None and choice.release.notes:
        _say(choice.release.notes[:2000])


def _say(words: str) -> None:
    """What the service or a release has written may not do anything to the terminal of whoever reads it."""
    print("".join(each if each.isprintable() or each == "\n" else "?" for each in words), flush=True)


def _complain(*words: str, status: int = 1) -> int:
    for each in words:
        print(f"kioskwire-appliance: {each}", file=sys.stderr)
    if status == 1 and os.geteuid() != 0 and any("Permission denied" in each for each in words):
        print("kioskwire-appliance: it may take root: sudo", file=sys.stderr)
    return status
