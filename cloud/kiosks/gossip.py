"""What hubs tell each other of their kiosks, and what one knows from it. Pure: time and chance are arguments.

Each hub numbers what it tells. Whoever misses a number, or knows nothing yet, asks for what changed since the last one
it heard, or for the whole list where that is not remembered any more. News and pages of lists may cross: what counts
for a kiosk is the greatest epoch, of one hub as among several.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from cloud.kiosks.elsewhere import Seen
from wire.messages import Device

T = TypeVar("T")

# So much of what a kiosk says of itself is told on: a hostile one fills no other hub.
ROUTES_MAX = DEVICES_MAX = 64
# Changes remembered for who missed them; beyond that the whole list is as cheap.
_REMEMBERED = 20_000
_SHARED_MAX = 10_000


class Here(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A kiosk that is ready at the hub that tells it; as `Seen`."""

    kiosk_id: str
    epoch: int
    since: float
    generation: int
    address: str
    dialect: str
    version: str
    boot_id: str
    journal: str
    routes: tuple[str, ...]
    devices: tuple[tuple[str, str, str, str], ...]  # name, role, driver, state


class Left(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A kiosk that is not; `epoch` is of its last connection there."""

    kiosk_id: str
    epoch: int


class KiosksMoved(msgspec.Struct, frozen=True, kw_only=True):
    """To all: kiosks that came, changed or left. `number` is one more than of the message before."""

    number: int
    came: list[Here] = []
    left: list[Left] = []


class KiosksStand(msgspec.Struct, frozen=True, kw_only=True):
    """To all, now and then: the last number, and how many kiosks are here."""

    number: int
    count: int


class KiosksWanted(msgspec.Struct, frozen=True, kw_only=True):
    """A question: what changed after `since`; -1: the whole list. `page` counts from 0, `offset` kiosks."""

    since: int
    page: int
    offset: int


class KiosksListed(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. `number` is of the last message before this page was made. `is_whole`: who is in no page is not here.

    `is_over`: the list of that page is not known any more; it is to be asked for anew.
    """

    number: int
    is_whole: bool
    came: list[Here]
    left: list[Left]
    has_more: bool
    is_over: bool = False


class Telling:
    """This hub's own: which kiosks the others are to hear of, each once however often it changed meanwhile."""

    def __init__(self) -> None:
        self.number = 0
        self._waiting: dict[str, None] = {}
        self._changes: deque[tuple[int, str]] = deque()  # in the order of their numbers
        self._forgotten = 0  # changes up to this number are not remembered

    def note(self, kiosk_id: str) -> bool:
        """It is not as it was told. True if nothing waited before."""
        is_first = not self._waiting
        self._waiting[kiosk_id] = None
        return is_first

    def __len__(self) -> int:
        return len(self._waiting)

    def next(self, most: int) -> list[str]:
        """Those that waited longest, to be told under the next number: see `told`."""
        return [kiosk_id for kiosk_id, _ in zip(self._waiting, range(most), strict=False)]

    def told(self, kiosk_ids: Iterable[str]) -> int:
        """They were, or nobody could be reached: whoever did not hear it will ask. Returns the number."""
        self.number += 1
        for kiosk_id in kiosk_ids:
            self._waiting.pop(kiosk_id, None)
            self._changes.append((self.number, kiosk_id))
        while len(self._changes) > _REMEMBERED:
            self._forgotten = self._changes.popleft()[0]
        return self.number

    def since(self, number: int) -> list[str] | None:
        """The kiosks that were told of after this number; None: not remembered."""
        if not self._forgotten <= number <= self.number:
            return None
        return list({kiosk_id: None for at, kiosk_id in self._changes if at > number})


class _Fetch:
    """A list that is under way."""

    __slots__ = ("is_whole", "left", "named", "news", "number")

    def __init__(self) -> None:
        self.number = 0  # the list tells all up to it
        self.is_whole = False
        self.named: set[str] = set()  # known to be there, by page or news, since it began
        self.news: set[str] = set()  # those of them that news told of: a page may be older
        self.left: dict[str, int] = {}  # those that left since, which a page may still name


class _Hub:
    __slots__ = ("count", "fetch", "is_doubted", "life", "number", "run", "top", "wants")

    def __init__(self, life: str) -> None:
        self.life = life
        self.number = -1  # all that was told up to it is known; -1: nothing is
        self.run = self.top = 0  # the last numbers heard without a gap: from, to
        self.count = 0  # kiosks it was heard to hold, in conflict or not
        self.fetch: _Fetch | None = None
        self.wants = True
        self.is_doubted = False  # what is known of it cannot be: all is to be told anew

    def heard(self, number: int) -> None:
        """News of this number came."""
        if number != self.top + 1:
            self.run = number
        self.top = number
        self.close_gap()

    def listed(self, number: int) -> None:
        """A list tells all up to this number."""
        self.number = max(self.number, number)
        if number > self.top:
            self.run, self.top = number + 1, number
        self.close_gap()

    def close_gap(self) -> None:
        """What is known may reach to what was heard."""
        if self.number >= self.run - 1 and self.number >= 0:
            self.number = max(self.number, self.top)
        else:
            self.wants = True


class Known:
    """The others' kiosks. Methods that learn return the ids of kiosks that came, moved or left."""

    def __init__(self) -> None:
        self._hubs: dict[str, _Hub] = {}
        self._seen: dict[str, Seen] = {}
        self._rivals: dict[str, dict[str, Seen]] = {}  # of lesser epochs, by hub: until that hub takes it back
        self._shared: dict[object, object] = {}

    def get(self, kiosk_id: str) -> Seen | None:
        """Where it is."""
        return self._seen.get(kiosk_id)

    def all(self) -> Mapping[str, Seen]:
        """All of them."""
        return self._seen

    def count(self, life: str) -> int:
        """How many kiosks one hub was heard to hold."""
        hub = self._hubs.get(life)
        return hub.count if hub else 0

    def wanted(self) -> list[str]:
        """The hubs that must be asked, and are not yet."""
        return [hub.life for hub in self._hubs.values() if hub.wants and hub.fetch is None]

    # What becomes of hubs.

    def hub_came(self, life: str) -> None:
        """Another hub lives: it is to be asked."""
        if life not in self._hubs:
            self._hubs[life] = _Hub(life)

    def hub_gone(self, life: str) -> list[str]:
        """It does not any more, and its kiosks are not there."""
        if self._hubs.pop(life, None) is None:
            return []
        for kiosk_id in [each for each, rivals in self._rivals.items() if life in rivals]:
            self._drop_rival(kiosk_id, life)
        gone = [kiosk_id for kiosk_id, seen in self._seen.items() if seen.hub == life]
        for kiosk_id in gone:
            del self._seen[kiosk_id]
            self._promote(kiosk_id)
        return gone

    # What they tell.

    def moved(self, life: str, news: KiosksMoved) -> list[str]:
        """News came."""
        hub = self._hubs.get(life)
        if hub is None or news.number <= max(hub.number, hub.top):
            return []  # told before, or heard of in a list
        hub.heard(news.number)
        if hub.fetch is not None:
            for came in news.came:
                hub.fetch.named.add(came.kiosk_id)
                hub.fetch.news.add(came.kiosk_id)
                hub.fetch.left.pop(came.kiosk_id, None)
            hub.fetch.left.update((each.kiosk_id, each.epoch) for each in news.left)
        changed = [each.kiosk_id for each in news.came if self._came(hub, each)]
        return changed + [each.kiosk_id for each in news.left if self._left(hub, each)]

    def stands(self, life: str, told: KiosksStand) -> None:
        """It said how far it is."""
        hub = self._hubs.get(life)
        if hub is None or hub.fetch is not None or hub.wants or told.number < hub.top:
            return
        if told.number > hub.number:
            hub.wants = True
        elif told.count != hub.count:
            hub.is_doubted = hub.wants = True

    def begin(self, life: str) -> int:
        """It is asked now. Returns after which number; -1: for all."""
        hub = self._hubs[life]
        hub.fetch, hub.wants = _Fetch(), False
        return -1 if hub.is_doubted else hub.number

    def failed(self, life: str) -> None:
        """It did not answer, or not to the end: it is to be asked again."""
        hub = self._hubs.get(life)
        if hub is not None:
            hub.fetch, hub.wants = None, True

    def listed(self, life: str, page: KiosksListed, *, is_first: bool) -> list[str]:
        """A page came, in order."""
        hub = self._hubs.get(life)
        if hub is None or hub.fetch is None:
            return []
        fetch = hub.fetch
        if is_first:
            fetch.is_whole, hub.is_doubted = page.is_whole, hub.is_doubted and not page.is_whole
        changed = []
        for each in page.came:
            fetch.named.add(each.kiosk_id)
            is_old = each.kiosk_id in fetch.news or fetch.left.get(each.kiosk_id, -1) >= each.epoch
            if not is_old and self._came(hub, each):
                changed.append(each.kiosk_id)
        changed += [each.kiosk_id for each in page.left if self._left(hub, each)]
        if is_first:
            fetch.number = page.number
        if page.has_more:
            return changed
        if fetch.is_whole:
            changed += self._forget_all_but(hub, fetch.named - fetch.left.keys())
        hub.fetch, hub.wants = None, False
        hub.listed(fetch.number)
        return changed

    # One kiosk.

    def _came(self, hub: _Hub, told: Here) -> bool:
        current, life = self._seen.get(told.kiosk_id), hub.life
        if current is None:
            hub.count += 1
            self._seen[told.kiosk_id] = self._kept(hub, told)
            return True
        if current.hub == life:
            if told.epoch < current.epoch:
                return False
            self._seen[current.kiosk_id] = self._kept(hub, told)
            return told.epoch != current.epoch
        rivals = self._rivals.setdefault(current.kiosk_id, {})
        hub.count += life not in rivals
        if (told.epoch, life) > (current.epoch, current.hub):
            rivals.pop(life, None)
            rivals[current.hub] = current
            self._seen[current.kiosk_id] = self._kept(hub, told)
            return True
        if life not in rivals or rivals[life].epoch <= told.epoch:
            rivals[life] = self._kept(hub, told)
        return False

    def _left(self, hub: _Hub, told: Left) -> bool:
        current = self._seen.get(told.kiosk_id)
        if current is not None and current.hub == hub.life:
            if told.epoch < current.epoch:
                return False
            del self._seen[told.kiosk_id]
            hub.count -= 1
            self._promote(told.kiosk_id)
            return True
        rival = self._rivals.get(told.kiosk_id, {}).get(hub.life)
        if rival is not None and rival.epoch <= told.epoch:
            self._drop_rival(told.kiosk_id, hub.life)
            hub.count -= 1
        return False

    def _forget_all_but(self, hub: _Hub, named: set[str]) -> list[str]:
        for kiosk_id in [each for each, them in self._rivals.items() if hub.life in them and each not in named]:
            self._drop_rival(kiosk_id, hub.life)
            hub.count -= 1
        gone = [each for each, seen in self._seen.items() if seen.hub == hub.life and each not in named]
        for kiosk_id in gone:
            del self._seen[kiosk_id]
            hub.count -= 1
            self._promote(kiosk_id)
        return gone

    def _promote(self, kiosk_id: str) -> None:
        """The one that held it does no more: another that said so may be right."""
        rivals = self._rivals.get(kiosk_id)
        if rivals:
            best = max(rivals.values(), key=lambda seen: (seen.epoch, seen.hub))
            self._seen[kiosk_id] = best
            self._drop_rival(kiosk_id, best.hub)

    def _drop_rival(self, kiosk_id: str, life: str) -> None:
        rivals = self._rivals[kiosk_id]
        rivals.pop(life, None)
        if not rivals:
            del self._rivals[kiosk_id]

    def _kept(self, hub: _Hub, told: Here) -> Seen:
        return Seen(
            kiosk_id=told.kiosk_id,
            hub=hub.life,
            epoch=told.epoch,
            since=told.since,
            generation=told.generation,
            address=told.address,
            dialect=self._share(told.dialect),
            version=self._share(told.version),
            boot_id=told.boot_id,
            journal=told.journal,
            routes=self._share(told.routes),
            devices=self._share_devices(told.devices),
        )

    def _share(self, value: T) -> T:
        """The same object for equal values: a fleet's kiosks differ in little."""
        if len(self._shared) > _SHARED_MAX:
            self._shared.clear()
        return self._shared.setdefault(value, value)  # type: ignore[return-value]

    def _share_devices(self, told: tuple[tuple[str, str, str, str], ...]) -> tuple[Device, ...]:
        found = self._shared.get(told)
        if found is None:
            found = tuple(Device(name=each[0], role=each[1], driver=each[2], state=each[3]) for each in told)
            self._shared[told] = found
        return found  # type: ignore[return-value]
