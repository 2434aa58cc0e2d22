"""Carries an enrolment through while the appliance runs, wherever the code came from; says who the kiosk is.

It looks every two seconds at what others may have put into STATE_DIR: `kioskwire-appliance enroll` writes there itself,
whether this runs or not. What was done for one kiosk is never told as another: a new identity comes into force at once
where nobody was served before it, or the same kiosk of the same hub; else when there is nothing left to tell.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from appliance.box import is_other
from appliance.cancelled import cancelled
from appliance.enrolment.given import Given
from appliance.enrolment.moving import follow, in_force, may_tell
from appliance.enrolment.papers import BusyError, Dropped, Papers, Pending, Served, Source
from appliance.enrolment.standing import Standing
from appliance.enrolment.trade import TradeError, Trouble, trade
from appliance.hub import read_hub
from appliance.identity import Identity, IdentityError
from wire.enrolment import parse_code

LOOK_S = 2.0
_LOCK_S, _LOCK_TRIES = 0.05, 20  # the command lets go at once when it has written
RETRY_FIRST_S, RETRY_MOST_S, TOLD_MOST_S = 1.0, 60.0, 600.0

_log = logging.getLogger(__name__)


class Enrolment:
    """`start` after the journal and the operations, `stop` before them. Belongs to one event loop.

    `untold` says whether anything waits to be told to the hub; `forget` drops events that are for nobody any more;
    `changed` has the uplink leave the hub and see who the kiosk is now; `note` keeps an event.
    """

    def __init__(
        self, given: Given, *, untold: Callable[[], bool], forget: Callable[[], Awaitable[None]],
        changed: Callable[[], Awaitable[None]], note: Callable[[str, dict[str, Any]], Awaitable[None]],
        chance: Callable[[], float] = random.random,
    ) -> None:  # fmt: skip
        self._given = given
        self._papers = Papers(given.directory)
        self._untold, self._forget, self._changed, self._note = untold, forget, changed, note
        self._chance = chance
        self._identity: Identity | None = None  # with its hub where the settings say that it is
        self._kept: Identity | None = None  # the same, as it stands in the file
        self._welcomed = False  # it was, by that hub
        self._next: Identity | None = None
        self._pending: Pending | None = None
        self._served: Served | None = None
        self._seen: object = None
        self._due = 0.0  # monotonic: when the hub is asked again
        self._failures = 0
        self._damaged = ""
        self._trouble: tuple[Trouble, str] | None = None
        self._tried: tuple[str, Source] | None = None  # hub and source of what was refused
        self._bad_token = False
        self._moved = ""
        self._wake = asyncio.Event()
        self._asking: asyncio.Task[Any] | None = None
        self._running: asyncio.Task[None] | None = None

    @property
    def identity(self) -> Identity | None:
        """Who the kiosk is, if it was enrolled."""
        return self._identity

    async def start(self) -> None:
        """See who this is, then look on."""
        if self._given.has_token:
            await self._note_token()
            return
        try:
            await self._reread()
        except Exception:  # it is tried again, and the rest of the appliance works meanwhile
            _log.exception("who this kiosk is cannot be found out yet")
        self._running = asyncio.create_task(self._run(), name="enrolment")

    async def stop(self) -> None:
        """Leave off; a code that is being traded is traded on at the next start."""
        await cancelled(self._asking, self._running)

    async def submit(self, hub: str, code: str, *, forced: bool = False) -> None:
        """Trade a code that a person typed on the page, instead of any other.

        `forced`: also of a kiosk that is enrolled already, as an engineer says who may.

        Raises `ValueError` (in words), `BusyError` and OSError.
        """
        hub, code = read_hub(hub), parse_code(code)
        standing = self.standing()
        if not (standing.takes_codes or (forced and standing.state == "enrolled")):
            raise ValueError("this kiosk is enrolled already")
        await self._begin(hub, code, "page", forced=forced and standing.state == "enrolled")
        self._wake.set()

    def token_is_bad(self, bad: bool) -> None:
        """What the hub says of it."""
        if bad and not self._bad_token and self._identity is not None:
            _log.error("the hub no longer accepts this kiosk's token: enrol it again")
        self._bad_token = bad and self._identity is not None
        if not bad and self._identity is not None and self._identity.moved:
            self._welcomed = True
            self._wake.set()

    def standing(self) -> Standing:
        """How far it is."""
        identity, pending = self._identity, self._pending
        kind, words = self._trouble or (None, "")
        notices = (self._moved,) if self._moved else ()
        if self._given.has_token:
            return Standing(state="token", hub=self._given.hub)
        if self._next is not None:
            before = f"{self._served.kiosk_id} of {self._served.hub}" if self._served else ""
            return Standing(
                state="waiting", next_kiosk_id=self._next.kiosk_id, next_hub=self._next.hub, before=before,
                notices=notices, kiosk_id=identity.kiosk_id if identity else "",
                name=identity.name if identity else "", hub=identity.hub if identity else "",
            )  # fmt: skip
        if pending is not None and (identity is None or self._bad_token):
            return Standing(
                state="asking", hub=pending.hub, source=pending.source, trouble=kind, words=words, notices=notices
            )
        if identity is not None:
            return Standing(
                state="locked-out" if self._bad_token else "enrolled", kiosk_id=identity.kiosk_id, name=identity.name,
                hub=identity.hub, trouble=kind, words=words, notices=notices, enrolled_at=identity.enrolled_at,
            )  # fmt: skip
        if kind is not None:
            hub, source = self._tried or ("", None)
            return Standing(state="refused", hub=hub, source=source, trouble=kind, words=words)
        return Standing(state="not-enrolled", hub=self._given.hub, words=self._damaged)

    async def _run(self) -> None:
        """The top of the task."""
        while True:
            try:
                await self._look()
            except OSError as error:
                _log.warning("the files of the enrolment cannot be used", extra={"reason": error.strerror})
            except Exception:
                _log.exception("the enrolment failed within the appliance")
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    async def _look(self) -> None:
        if self._welcomed:
            await self._settle_move()
        if self._next is not None or await asyncio.to_thread(self._papers.seen) != self._seen:
            await self._reread()
        if self._next is not None:
            return
        if self._identity is None or self._bad_token:
            await self._take_up()
        pending = self._pending
        wanted = pending is not None and (self._identity is None or self._bad_token or pending.forced)
        if wanted and time.monotonic() >= self._due:
            await self._attempt()

    async def _reread(self) -> None:
        """Somebody wrote: this program at another time, the command, or a person."""
        seen, self._seen = await asyncio.to_thread(self._papers.seen), None
        damaged = ""
        identity, waiting, pending = None, None, None
        try:
            identity = await asyncio.to_thread(self._papers.read_identity)
        except IdentityError as error:
            damaged = str(error)
        try:
            waiting = await asyncio.to_thread(self._papers.read_next)
            pending = await asyncio.to_thread(self._papers.read_pending)
        except IdentityError as error:
            damaged = damaged or str(error)
        if damaged and damaged != self._damaged:
            _log.error("who this kiosk is cannot be read", extra={"reason": damaged})
        self._damaged = damaged
        if pending != self._pending:
            self._failures, self._due, self._trouble = 0, 0.0, None
        self._pending = pending
        self._served = await asyncio.to_thread(self._papers.read_served)
        await self._decide(identity, waiting)
        self._seen = seen

    async def _decide(self, identity: Identity | None, waiting: Identity | None) -> None:
        """Who the kiosk is, out of what stands in the files."""
        setting = self._given.setting
        if identity is not None and not may_tell(
            follow(identity, setting), self._served, setting, untold=self._untold()
        ):
            # Put there by hand, or the power failed over `promote`, or nobody knows who was served.
            identity, waiting = None, waiting or identity
        if waiting is None:
            self._next = None
            await self._go_by(identity)
            return
        if self._next != waiting:
            _log.warning("the next identity waits until all is told", extra={"kiosk": waiting.kiosk_id})
        self._next = waiting
        if not self._untold():
            await self._go_by(None)  # nothing new comes in from here on
            if not self._untold():
                await self._forget()
                waiting = msgspec.structs.replace(waiting, setting=setting, new=False)
                await asyncio.to_thread(self._papers.promote, waiting)
                self._served, self._next = Served(waiting.kiosk_id, waiting.hub), None
                identity = waiting
        await self._go_by(identity)

    async def _go_by(self, identity: Identity | None) -> None:
        """Have this one in force."""
        if self._kept == identity:
            return
        before, kept = self._identity, identity
        if identity is not None:
            home = await self._at_home(in_force(identity, self._given.setting))
            kept = await self._rewrite(identity, home)
            identity = follow(home, self._given.setting)
            if identity != home:
                _log.warning("WS_SERVER_URL was changed since the enrolment, and is followed", extra={
                    "hub": identity.hub, "enrolled_at": identity.enrolled_at
                })  # fmt: skip
            if not identity.moved:  # else once it is known that the same hub is there
                await self._write_served(identity)
        self._kept, self._identity, self._welcomed = kept, identity, False
        if before is None or identity is None or before.token != identity.token or before.hub != identity.hub:
            self._bad_token, self._trouble, self._failures = False, None, 0
            if identity is not None:
                _log.info("this kiosk is enrolled", extra={"kiosk": identity.kiosk_id, "hub": identity.hub})
            await self._changed()

    async def _at_home(self, identity: Identity) -> Identity:
        """The same, with the marks of this machine; that it is another one than before is told, and no reason to stop.

        Cards and boards are replaced, and nobody is locked out for it. Of two copies the hub lets in one.
        """
        marks = self._given.marks
        if not is_other(identity.marks, marks):
            new = {**identity.marks, **marks}
        else:
            new = marks
            self._moved = (
                "this disk was in another machine before: if it is a copy, enrol this kiosk with a code of its own "
                "(kioskwire-appliance enroll --force)"
            )
            _log.error("the identity was another machine's before", extra={"kiosk": identity.kiosk_id})
            kinds = sorted(kind for kind in identity.marks if kind in marks and identity.marks[kind] != marks[kind])
            await self._note("disk-moved", {"kiosk": identity.kiosk_id, "differs": kinds})
        return msgspec.structs.replace(identity, marks=new)

    async def _rewrite(self, kept: Identity, new: Identity) -> Identity:
        """Have the file say so, unless somebody else has written it meanwhile; returns what stands there.

        A disk that refuses is no reason to stop: the same is found out at the next start.
        """
        if kept == new:
            return kept
        try:
            for _ in range(_LOCK_TRIES):
                if await asyncio.to_thread(self._papers.rewrite, kept, new):
                    return new
                await asyncio.sleep(_LOCK_S)
        except IdentityError:
            return kept
        except OSError as error:
            _log.warning("the identity cannot be written anew", extra={"reason": error.strerror})
        return kept

    async def _settle_move(self) -> None:
        """The hub takes this kiosk's token at its new address: it is the same hub, and that is where it is now."""
        identity, kept = self._identity, self._kept
        self._welcomed = False
        if identity is None or kept is None or not identity.moved:
            return
        # Until it stands in both files that the hub is there, the first says that the other may be older.
        kept = await self._rewrite(kept, identity)
        await self._write_served(identity)
        identity = msgspec.structs.replace(identity, moved=False)
        self._kept, self._identity = await self._rewrite(kept, identity), identity

    async def _write_served(self, identity: Identity) -> None:
        served = Served(identity.kiosk_id, identity.hub)
        await asyncio.to_thread(self._papers.write_served, served)
        self._served = served

    async def _take_up(self) -> None:
        """Look for a code: in a file that somebody dropped, then in the settings."""
        dropped = await asyncio.to_thread(self._papers.read_dropped)
        if dropped is not None:
            await self._take_dropped(dropped)
        hub, code = self._given.hub, self._given.code
        if self._pending is None and hub and code:
            hub, code = read_hub(hub), parse_code(code)
            if not await asyncio.to_thread(self._papers.was_refused, hub, code):
                await self._begin(hub, code, "settings")
            elif self._trouble is None:
                self._tried = (hub, "settings")
                self._trouble = (Trouble.REFUSED, "the hub has refused the code in ENROLL_CODE before")

    async def _take_dropped(self, dropped: Dropped) -> None:
        code = dropped.code.reveal()
        if self._pending is not None and (self._pending.hub, self._pending.code) == (dropped.hub, dropped.code):
            return
        wrong = dropped.wrong
        if not wrong and await asyncio.to_thread(self._papers.was_refused, dropped.hub, code):
            wrong = "the hub has refused the code in enroll.env before"
        if not wrong:
            await self._begin(dropped.hub, code, "file")
            return
        before = self._trouble
        if self._pending is None:  # else somebody has typed another meanwhile, and is told of that
            self._tried, self._trouble = (dropped.hub, "file"), (Trouble.REFUSED, wrong)
        try:
            await asyncio.to_thread(self._papers.refuse_dropped)
        except OSError as error:  # it is looked at again, and keeps nobody from typing a code
            if before == self._trouble:
                return
            wrong += f"; it cannot be put aside: {error.strerror}"
        _log.error("a dropped code cannot be used", extra={"reason": wrong})

    async def _begin(self, hub: str, code: str, source: Source, *, forced: bool = False) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking}, timeout=LOOK_S)
            await asyncio.sleep(0)  # whoever waited for it lets go of the lock
        with self._papers.lock():
            self._pending = await asyncio.to_thread(self._papers.begin, hub, code, source, forced=forced)
            self._seen = await asyncio.to_thread(self._papers.seen)
        self._failures, self._due, self._trouble, self._tried = 0, 0.0, None, (hub, source)
        _log.info("a code is being traded", extra={"hub": hub, "source": source})

    async def _attempt(self) -> None:
        """Ask the hub once, and keep what comes of it."""
        try:
            with self._papers.lock():
                pending = await asyncio.to_thread(self._papers.read_pending)
                if pending is None or pending != self._pending:
                    self._seen = None  # the command was here
                    return
                await self._ask(pending)
        except BusyError:
            self._due = time.monotonic() + LOOK_S
        except IdentityError as error:
            self._damaged, self._pending = str(error), None
        except OSError as error:
            self._failed(Trouble.DISK, f"STATE_DIR cannot be written to: {error.strerror}", None)

    async def _ask(self, pending: Pending) -> None:
        self._asking = asyncio.create_task(trade(pending, self._given.way), name="enrolment-trade")
        try:
            await asyncio.wait({self._asking})
            if self._asking.cancelled():  # another code is tried instead
                return
            answer = self._asking.result()
        except TradeError as error:
            if error.kind is not Trouble.REFUSED:
                self._failed(error.kind, str(error), error.retry_after)
                return
            _log.error("the hub refused the code", extra={"hub": pending.hub, "reason": str(error)})
            await asyncio.to_thread(self._papers.refuse, pending)
            self._pending, self._trouble, self._tried = None, (error.kind, str(error)), (pending.hub, pending.source)
            self._seen = await asyncio.to_thread(self._papers.seen)
            return
        finally:
            self._asking.cancel()
            self._asking = None
        await asyncio.to_thread(self._papers.finish, pending, answer, self._given.marks)
        self._pending = None
        self._wake.set()  # it is read, and decided upon, like what others wrote
        self._seen = None

    def _failed(self, kind: Trouble, words: str, retry_after: float | None) -> None:
        delay = min(RETRY_MOST_S, RETRY_FIRST_S * 2.0 ** min(self._failures, 10)) * (0.5 + self._chance() / 2)
        if retry_after is not None:
            delay = min(max(retry_after, RETRY_FIRST_S), TOLD_MOST_S) * (1 + self._chance() / 10)
        if (kind, words) != self._trouble:
            _log.warning("the kiosk cannot be enrolled yet", extra={"reason": words})
        self._failures += 1
        self._trouble = (kind, words)
        self._due = time.monotonic() + delay

    async def _note_token(self) -> None:
        """A token out of the settings beats all of this. What it did is told as its kiosk's, should that change."""
        if await asyncio.to_thread(self._papers.seen) != (None,) * 3:
            _log.warning("WS_TOKEN says who this kiosk is, and what was enrolled here is passed over")
        if self._given.served is not None:
            try:
                await asyncio.to_thread(self._papers.write_served, self._given.served)
            except OSError as error:
                _log.warning("whom the journal serves cannot be kept", extra={"reason": error.strerror})
