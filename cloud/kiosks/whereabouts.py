"""A kiosk wherever it is connected: here or at another hub. For whoever shows kiosks; nobody reaches one by it.

Out of memory alone: what other hubs hold is what they told last, some milliseconds ago. A hub that is alone looks at
its own links and at nothing else.
"""

import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from cloud.bus.bus import Alone
from cloud.kiosks.absence import Ended
from cloud.kiosks.doubles import Double, Doubles
from cloud.kiosks.elsewhere import Elsewhere, Nowhere
from cloud.kiosks.history import History
from cloud.kiosks.link import Link
from cloud.kiosks.links import Links
from wire.messages import Device


class Place(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A kiosk that is ready. `hub` is the life of the hub that holds it, empty for this one; `since` Unix seconds.

    What only the hub knows that heard its hello is None elsewhere: `unsettled` requests, `uptime` in seconds.
    """

    hub: str = ""
    since: float
    address: str = ""
    dialect: str = "kiosk.v2"
    version: str = ""
    boot_id: str = ""
    journal: str = ""
    routes: Sequence[str] = ()
    unsettled: int | None = None
    uptime: float | None = None


class Whereabouts:
    """Where kiosks are, of all hubs together."""

    def __init__(
        self,
        links: Links,
        elsewhere: Elsewhere | None = None,
        history: History | None = None,
        *,
        doubles: Doubles | None = None,
        ahead: Callable[[], float] = time.time,
        me: str = "",
        name_of: Callable[[str], str] = str,
    ) -> None:
        """`history` says how connections ended that other hubs held; None where there are none. `ahead` is the bus's
        clock, by which other hubs tell the time; `me` is this hub's life, where there can be others, and `name_of`
        names all of them by their lives."""
        self._links = links
        self._elsewhere = elsewhere or Nowhere()
        self._history = history
        self._doubles = doubles or Doubles(Alone(""), links)
        self._me = me
        self._ahead = ahead
        self._name_of = name_of

    def is_connected(self, kiosk_id: str) -> bool:
        """Whether it takes requests, at whichever hub."""
        link = self._links.get(kiosk_id)
        return (link is not None and link.ready) or self._elsewhere.get(kiosk_id) is not None

    def of(self, kiosk_id: str) -> Place | None:
        """Where it is; None: nowhere."""
        link = self._links.get(kiosk_id)
        if link is not None and link.ready:
            return _here(link)
        seen = self._elsewhere.get(kiosk_id)
        if seen is None:
            return None
        return Place(
            hub=seen.hub,
            since=min(time.time(), seen.since + time.time() - self._ahead()),
            address=seen.address,
            dialect=seen.dialect,
            version=seen.version,
            boot_id=seen.boot_id,
            journal=seen.journal,
            routes=seen.routes,
        )

    def hub_of(self, place: Place) -> str:
        """The name of the hub that holds it; empty where there is only one."""
        life = place.hub or self._me
        return self._name_of(life) if life else ""

    def version(self, kiosk_id: str) -> str | None:
        """What it says that it runs, `v1` of one that does not say; None: it is nowhere."""
        place = self.of(kiosk_id)
        if place is None:
            return None
        return "v1" if place.dialect == "v1" else place.version

    def devices(self, kiosk_id: str) -> Sequence[Device]:
        """As it told of them last, also while it is away; empty where no hub that lives has heard it."""
        link = self._links.get(kiosk_id)
        if link is None or not link.ready:
            seen = self._elsewhere.get(kiosk_id)
            if seen is not None:
                return seen.devices
        return () if link is None else link.devices.all()

    def left(self, kiosk_id: str) -> Ended | None:
        """How its last connection ended, wherever it was; None: it is not known here."""
        link = self._links.get(kiosk_id)
        found = None if link is None else link.left
        last = None if self._history is None else self._history.last(kiosk_id)
        if last is None or last.ended_at is None or (found is not None and found.at >= last.ended_at):
            return found
        return Ended(at=last.ended_at, why=last.why, code=last.code, address=last.address, words=last.words)

    async def refused(self, kiosk_id: str) -> Ended | None:
        """The last attempt of it that was not let in, wherever that was; of a hub that is alone, since its start.

        Raises SQLAlchemyError, OSError; `links.last_refusal` knows what this hub refused without them.
        """
        here = self._links.last_refusal(kiosk_id)
        there = None if self._history is None else await self._history.last_refused(kiosk_id)
        return max((each for each in (here, there) if each is not None), key=lambda each: each.at, default=None)

    def double(self, kiosk_id: str) -> Double | None:
        """Two boxes with its identity, if such were seen lately, at any hub."""
        return self._doubles.of(kiosk_id)

    def doubles(self) -> Mapping[str, Double]:
        """All of those, by kiosk."""
        return self._doubles.all()

    def connected(self) -> int:
        """How many are connected, at all hubs. One that two hold for a moment counts once."""
        others = self._elsewhere.all()
        if not others:
            return self._links.connected
        twice = sum(link.ready and link.kiosk_id in others for link in self._links.all())
        return self._links.connected + len(others) - twice


def _here(link: Link) -> Place:
    hello = link.hello
    return Place(
        since=link.connected_at,
        address=link.socket.address if link.socket is not None else "",
        dialect="v1" if link.is_v1 else "kiosk.v2",
        version=hello.version if hello is not None else "",
        boot_id=hello.boot_id if hello is not None else "",
        journal=hello.journal if hello is not None else "",
        routes=hello.routes if hello is not None else (),
        unsettled=hello.unsettled if hello is not None else None,
        uptime=hello.uptime if hello is not None else None,
    )
