"""One kiosk as this hub reaches it, and who acts on what it says."""

import asyncio
import logging
import time
from typing import Protocol

from cloud.kiosks.absence import Ended
from cloud.kiosks.devices import Devices
from cloud.kiosks.identity import Box, Conflict, Identity
from cloud.kiosks.newcomer import Newcomer, Socket
from wire import legacy
from wire.messages import Event, Events, Hello, Message
from wire.session import Heartbeat, HubSession

log = logging.getLogger(__name__)

# A v1 client or a broken one may send rubbish all day: said once a minute for each kiosk.
_COMPLAIN_EVERY = 60.0


class Owner(Protocol):
    """Who acts on what kiosks say; called in order, must not block."""

    def kiosk_ready(self, link: "Link") -> None:
        """The kiosk can take requests now."""

    def kiosk_lost(self, link: "Link") -> None:
        """Its socket is gone, and no newer one took its place."""

    def kiosk_said(self, link: "Link", message: Message) -> None:
        """It said something else than hello."""

    def orphaned(self, link: "Link", request_id: str) -> None:
        """It came back without the journal that knew this request."""


class Link:
    """One kiosk as this hub reaches it."""

    __slots__ = (
        "_alarmed_at",
        "_complained_at",
        "admitted",
        "connected_at",
        "devices",
        "epoch",
        "events_gap",
        "events_stored",
        "events_waiting",
        "generation",
        "heartbeat",
        "identity",
        "is_v1",
        "kiosk_id",
        "left",
        "lost_at",
        "newcomer",
        "opened_at",
        "pinged",
        "ready",
        "session",
        "socket",
        "waiters",
    )

    def __init__(self, kiosk_id: str) -> None:
        self.kiosk_id = kiosk_id
        self.session = HubSession()
        self.socket: Socket | None = None
        self.is_v1 = False
        self.ready = False  # takes requests: connected and, in v2, greeted
        self.generation = 0  # of the token it came with
        self.epoch = 0  # of the present or last connection, as in `elsewhere.Seen`
        self.heartbeat = Heartbeat(0.0)
        self.connected_at = 0.0  # Unix seconds, of the present or last connection
        self.lost_at: float | None = None  # monotonic
        self.left: Ended | None = None  # how its last connection ended, of those on which it was ready
        self.opened_at = 0.0  # monotonic, of the present socket
        self.waiters: list[asyncio.Future[None]] | None = None
        self.identity = Identity()
        self.admitted: Box | None = None  # at the other end of the socket; None before it is let in
        self.devices = Devices()  # as it told of them last, while it is away as well
        # While the kiosk is ready; among several hubs also until it has said who it is, and another hub has judged.
        self.newcomer: Newcomer | None = None
        self.pinged: tuple[bytes, float] | None = None  # the last ping without its pong: data, and when
        # Where its events stand: kept by `kiosks.inbox`.
        self.events_stored: int | None = None
        self.events_gap: int | None = None
        self.events_waiting: list[Event | Events] | None = None
        self._complained_at = 0.0
        self._alarmed_at: float | None = None

    @property
    def hello(self) -> Hello | None:
        """What the kiosk said of itself on the present connection; None for v1."""
        return self.session.hello

    @property
    def journal(self) -> str:
        """Names what remembers the requests sent now; empty while that is not known."""
        if self.is_v1:
            return legacy.NO_JOURNAL
        return self.session.journal

    @property
    def came_with(self) -> int | None:
        """The generation of the token whose socket is here, be it one that waits; None: there is no socket."""
        if self.socket is not None:
            return self.generation
        return None if self.newcomer is None else self.newcomer.generation

    def complain(self, reason: str) -> None:
        """Log that it sends rubbish, once a minute at most."""
        now = time.monotonic()
        if not self._complained_at or now - self._complained_at >= _COMPLAIN_EVERY:
            self._complained_at = now
            log.warning("kiosk sent what is no message", extra={"kiosk": self.kiosk_id, "reason": reason})

    def alarm(self, conflict: Conflict) -> bool:
        """Log that two boxes have its identity, once a minute at most. True if that was done."""
        if self._alarmed_at is not None and conflict.last_at - self._alarmed_at < _COMPLAIN_EVERY:
            return False
        self._alarmed_at = conflict.last_at
        here, there = conflict.here, conflict.there
        log.error(
            "two boxes go by the identity of one kiosk: one of them must get another",
            extra={
                "kiosk": self.kiosk_id,
                "address": here.address,
                "other_address": there.address,
                "boot_id": here.boot_id or None,
                "other_boot_id": there.boot_id or None,
                "same_journal": there.has_journal_of(here),
                "count": conflict.count,
            },
        )
        return True
