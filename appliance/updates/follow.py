"""The commands' side of a running appliance: is there one, what does it say, what is it asked for. Blocking."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from appliance.journal import is_used
from appliance.updates.files import GOOD, NOW, RESTART, RUNNING, STATUS, Running, UpdateFiles
from appliance.updates.plan import Status

_EVERY_S = 0.3
_DOWN_S = 90.0  # a new version is tried so long before it is said that none answers

Say = Callable[[str], None]


def is_running(state_dir: Path, within_s: float = 0.0) -> bool:
    """Whether an appliance uses the directory now, or soon: it may just be starting. Raises OSError."""
    deadline = time.monotonic() + within_s
    while not is_used(state_dir):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_EVERY_S)
    return True


def become_owner(state_dir: Path) -> None:
    """As root, go on as whom the directory belongs to, so that nothing is written there as root. Raises OSError."""
    if os.geteuid() != 0:
        return
    try:
        facts = state_dir.stat()
    except FileNotFoundError:
        return  # no appliance has run here
    if facts.st_uid:
        os.setgroups([])
        os.setgid(facts.st_gid)
        os.setuid(facts.st_uid)


def follow(files: UpdateFiles, asked: str, within_s: float, say: Say) -> int:
    """Ask for a version, or (`now`) for the newest, and tell what becomes of it. Returns the exit status."""
    before = files.load(RUNNING, Running)
    before_put_off = files.put_off()
    files.write(NOW, asked)
    deadline = time.monotonic() + within_s
    target, told = asked if asked != "now" else "", ""
    while time.monotonic() < deadline:
        time.sleep(_EVERY_S)
        status, running = files.load(STATUS, Status), files.load(RUNNING, Running)
        if target and target in files.bad():
            say(f"{target} is not tried again: {files.bad()[target]}")
            return 1
        if target and files.put_off().get(target, before_put_off.get(target)) != before_put_off.get(target):
            say(f"{target} is put off, and tried again later: the hub was not reached with it, and was before")
            return 1
        if status is None or running is None:
            continue
        target = status.switching_to or target
        words = "; ".join([status.words, *(f"waits: {each}" for each in status.waits)])
        if words and words != told:
            told = words
            say(words)
        if running != before and running.version == target and files.version(GOOD) == target:
            return 0
        if (
            running == before
            and not files.exists(NOW)
            and not status.switching_to
            and status.boot_id == running.boot_id
        ):
            return int(status.failed)
    files.remove(NOW)
    say(f"it has not come about within {within_s:g} s")
    return 1


def restart(files: UpdateFiles, state_dir: Path, within_s: float, say: Say) -> int:
    """Have the running appliance begin anew while nothing moves. Returns the exit status."""
    if not is_running(state_dir):
        say("no appliance runs here; the next start takes what is there")
        return 0
    before = files.load(RUNNING, Running)
    files.write(RESTART, "restart")
    deadline = time.monotonic() + within_s
    told = ""
    gone_at = 0.0
    while time.monotonic() < deadline or gone_at:
        time.sleep(_EVERY_S)
        running, status = files.load(RUNNING, Running), files.load(STATUS, Status)
        if running is not None and running != before:
            say(f"{running.version} runs anew")
            return 0
        if not files.exists(RESTART):
            gone_at = gone_at or time.monotonic()
            if time.monotonic() - gone_at > _DOWN_S:
                say("it has ended, and was not started again: look after the service")
                return 1
        elif status is not None and status.waits and (words := "; ".join(status.waits)) != told:
            told = words
            say(f"waits: {words}")
    files.remove(RESTART)
    say(f"something moved all the time for {within_s:g} s; nothing was done")
    return 1
