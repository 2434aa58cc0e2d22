"""Which other hubs live, by their heartbeats. Pure; time is an argument.

A hub is gone when nothing was heard of it for as long as it takes to hear five of our own heartbeats, and five seconds.
Our own come the same way: while they do not, nobody is judged; and after we stood still ourselves, what others said
meanwhile is read before they are.
"""

from collections.abc import Mapping

import msgspec

from cloud.bus.bus import Peer

GONE_AFTER = 5.0  # seconds
_BEATS = 5
_MOST = 1000  # hubs; more is a mistake, or somebody plays
_DEPARTED = 256
_AILS, _NAME_MAX, _AIL_MAX = 4, 32, 160  # things that are wrong with a hub, as it tells them and as it is believed


def ails(told: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with a hub, as much as a heartbeat has room for."""
    return {name[:_NAME_MAX]: words[:_AIL_MAX] for name, words in list(told.items())[:_AILS]}


class Beat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A heartbeat: what a `Peer` tells of itself. `is_new`: it has just come to the bus, and knows nobody yet."""

    name: str
    version: str
    since: float
    kiosks: int
    running: int
    is_new: bool = False
    ails: dict[str, str] = {}


class Echo(msgspec.Struct, frozen=True):
    """What a hub says to itself with each heartbeat: `at` is its monotonic clock."""

    at: float


class Goodbye(msgspec.Struct, frozen=True):
    """This hub ends."""


class _Member:
    __slots__ = ("beats", "heard_at", "peer")

    def __init__(self, peer: Peer, now: float) -> None:
        self.peer = peer
        self.heard_at = now
        self.beats = 0  # of our own since it was heard


class Members:
    """The other hubs."""

    def __init__(self) -> None:
        self._gone_after = GONE_AFTER
        self._members: dict[str, _Member] = {}
        self._departed: dict[str, None] = {}  # said goodbye, in this order; they are not heard again

    def peers(self) -> list[Peer]:
        """All that live."""
        return [member.peer for member in self._members.values()]

    def lives(self, life: str) -> bool:
        """Whether it is one of them."""
        return life in self._members

    def heard(self, life: str, now: float) -> bool:
        """Something came from this hub. False if nobody knows who it is: it has not told yet."""
        member = self._members.get(life)
        if member is None:
            return False
        member.heard_at, member.beats = now, 0
        return True

    def beat(self, life: str, beat: Beat, now: float) -> Peer | None:
        """A heartbeat came from this hub; returns who it is if it was not there."""
        peer = Peer(
            life=life,
            name=beat.name,
            version=beat.version,
            since=beat.since,
            kiosks=beat.kiosks,
            running=beat.running,
            ails=ails(beat.ails),
        )
        if member := self._members.get(life):
            member.peer, member.heard_at, member.beats = peer, now, 0
            return None
        if life in self._departed or len(self._members) >= _MOST:
            return None
        self._members[life] = _Member(peer, now)
        return peer

    def goodbye(self, life: str) -> bool:
        """This hub ends; returns whether it was there."""
        self._departed[life] = None
        while len(self._departed) > _DEPARTED:
            self._departed.pop(next(iter(self._departed)))
        return self._members.pop(life, None) is not None

    def own_beat(self, now: float) -> list[Peer]:
        """One of our own heartbeats came back; returns those that are gone by now."""
        gone = []
        for life, member in list(self._members.items()):
            member.beats += 1
            if member.beats > _BEATS and now - member.heard_at >= self._gone_after:
                gone.append(self._members.pop(life).peer)
        return gone

    def again(self, now: float) -> None:
        """Messages get through again: the others need time to come back too."""
        for member in self._members.values():
            member.heard_at, member.beats = now, 0
