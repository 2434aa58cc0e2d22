"""Tells the service manager that we are ready, alive and stopping (sd_notify). Without one it does nothing.

"Alive" is not that a timer fires: it is told only while the work really turns. What that means is decided by
`held_up`, a pure function over facts; who asks for them is the task of `Pulse`, which lives in the event loop, so that
a blocked loop ends the telling by itself. Trouble that a restart does not cure (no hub, a full disk, a jammed device)
is no reason to be killed: /health has it, and so has the status line.
"""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping

import msgspec

# What a thread or an operation may take before it counts as hung. The disk of a kiosk that writes back a flash block
# takes tens of seconds at its worst, saving a damaged journal longer; to be killed in it would begin it all over.
WRITER_LIMIT_S = 120.0
LATE_LIMIT_S = 120.0  # how long after its last moment an operation may still wait for its turn
EVERY_S = 5.0  # seconds between two looks, or a third of what the service manager asks for, if that is less
STOP_STEP_S = 20.0  # what each word of a stopping program asks for
STATUS_MAX = 300  # characters

_log = logging.getLogger(__name__)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What `held_up` looks at."""

    writer_silent: float  # seconds since the journal's thread last came round
    latest: float = 0.0  # seconds since the moment until which the most belated of the waiting should have begun
    overrun: tuple[str, ...] = ()  # operations at work longer than their route can take, in words
    ended: tuple[str, ...] = ()  # names of tasks that never end, and have


def held_up(facts: Facts) -> list[str]:
    """Why the work does not turn, in words; nothing: it does."""
    reasons = []
    if facts.writer_silent > WRITER_LIMIT_S:
        reasons.append(f"the journal's thread was last heard of {facts.writer_silent:.0f} s ago")
    if facts.latest > LATE_LIMIT_S:
        reasons.append(f"an operation waits, {facts.latest:.0f} s after it should have begun or been refused")
    reasons += facts.overrun
    reasons += [f"the task {name} has ended" for name in facts.ended]
    return reasons


class Notifier:
    """The socket of the service manager, if there is one. Belongs to the process that it started, and to no child."""

    def __init__(self, environ: Mapping[str, str] | None = None, pid: int | None = None) -> None:
        """What is wrong in the environment counts as not set: a kiosk works without being watched."""
        environ = os.environ if environ is None else environ
        pid = os.getpid() if pid is None else pid
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._socket: socket.socket | None = None
        self._refused = False
        self.watchdog_s: float | None = None  # within which we must be heard
        if environ.get("WATCHDOG_PID", str(pid)) == str(pid):
            with contextlib.suppress(ValueError):
                self.watchdog_s = int(environ.get("WATCHDOG_USEC", "0")) / 1e6 or None

    @property
    def listens(self) -> bool:
        """Whether there is somebody to tell."""
        return bool(self._address)

    def tell(self, *words: str) -> bool:
        """Send these lines as one message, without waiting. Whether it went out."""
        if not self._address:
            return False
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
                self._socket.setblocking(False)
            self._socket.sendto("\n".join(words).encode(), self._address)
        except OSError as error:
            if not self._refused:
                _log.warning("the service manager cannot be told", extra={"reason": str(error)})
            self._refused = True
            return False
        self._refused = False
        return True

    def ready(self, status: str) -> None:
        """Everything is open and signals are heeded."""
        self.tell("READY=1", status_line(status))

    def reloading(self) -> None:
        """Settings are being read again; `ready` ends it."""
        self.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", status_line("reading routes again"))

    def stopping(self, status: str) -> None:
        """The end has begun, and takes up to `STOP_STEP_S` from now."""
        self.tell("STOPPING=1", f"EXTEND_TIMEOUT_USEC={int(STOP_STEP_S * 1e6)}", status_line(status))

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Pulse:
    """Tells that we live, as long as `facts` say so, and how we are."""

    def __init__(self, notifier: Notifier, facts: Callable[[], Facts], status: Callable[[], str]) -> None:
        self._notifier = notifier
        self._facts = facts
        self._status = status
        self._told = ""
        self._was_held_up: list[str] = []

    async def run(self) -> None:
        """Until it is cancelled. Without somebody to tell it still looks, and logs what it sees."""
        watchdog = self._notifier.watchdog_s
        every = EVERY_S if watchdog is None else min(EVERY_S, watchdog / 3)
        while True:
            self.beat()
            await asyncio.sleep(every)

    def beat(self) -> bool:
        """Look once; whether we were found alive."""
        reasons = held_up(self._facts())
        if reasons != self._was_held_up:
            if reasons:
                _log.error("the work does not turn any more", extra={"reasons": reasons})
            else:
                _log.warning("the work turns again", extra={"was": self._was_held_up})
            self._was_held_up = reasons
        words = [] if reasons or self._notifier.watchdog_s is None else ["WATCHDOG=1"]
        status = status_line("; ".join(reasons) or self._status())
        if status != self._told:
            words.append(status)
            self._told = status
        if words and not self._notifier.tell(*words):
            self._told = ""
        return not reasons


def status_line(words: str) -> str:
    """One line, whatever is in the words."""
    return f"STATUS={' '.join(words.split())[:STATUS_MAX]}"


def describe(
    *, connected: bool, trouble: str, nobody: str = "", routes_wrong: bool = False,
    devices: int, ailing: int, waiting: int, running: int, owed: int,
) -> str:  # fmt: skip
    """How the kiosk is, for `systemctl status`. `nobody` says why there is no hub to be reached, if there is none."""
    words = ["connected to the hub" if connected else nobody or f"no hub: {trouble or 'connecting'}"]
    if routes_wrong:
        words.append("the changed routing file is not in force: kioskwire-appliance check-config says why")
    if devices:
        words.append(f"{devices} devices, {ailing} in trouble" if ailing else f"{devices} devices well")
    words.append(f"{running} operations at work, {waiting} waiting" if running or waiting else "idle")
    if owed:
        words.append(f"{owed} outcomes to tell")
    return "; ".join(words)


def _address(text: str) -> str:
    """As `connect` takes it: a path, or a name that begins with NUL where systemd writes @. Others are not ours."""
    if text.startswith("@") and len(text) > 1:
        return "\0" + text[1:]
    return text if text.startswith("/") else ""
