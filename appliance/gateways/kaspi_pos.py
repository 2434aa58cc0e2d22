"""Kaspi Smart POS as a target: start once, poll, ask the bank; what was begun is found again after a power cut.

    room = KaspiPos(journal=journal, gateways=gateways, clock=clock)
    room.target(route)          the target of a route whose kind is `KaspiPosRoute`
    room.target_of(work)        the target for an open work of kind `KIND`, whatever its route has become
    await room.recover()        before operations are recovered: clears away works that belong to none
    await room.close()

What is asked and what is answered: `kaspi_pos_wish` and `kaspi_pos_said.result_of`. Progress: `{"stage", "words",
"sub_status"}`, the stages of `kaspi_pos_said.STAGES` and `asking-the-bank`, `terminal-away`.

A payment in steps, and what is known when the power goes behind each:

    1  the work is written                  nothing was asked yet, or it was and nobody knows: see below
    2  GET /v2/payment, once and never again
    3  its process id is written            polling goes on where it was, with that id
    4  polled until success or fail
    5  the result is written                it answers

Between 1 and 3 no id is known and the terminal has none to give: the operation is `unknown`, with the event
`payment-unclear` {request_id, operation, action, amount, currency, process_id, words}, and a person looks at the
terminal's or Kaspi's own list. It is never started again.

A terminal works for one at a time. Who comes meanwhile is refused (`kiosk-busy`), and so is who finds it busy with
something else (`device-fault`): nothing was begun. There is no way to cancel from here; the customer or a cashier
cancels on its screen, and that is an answer (`declined`, reason `cancelled`).

Where the slip shows another amount than was asked, most likely because the route's `unit` is wrong, the answer has
`charged` and the hub hears `payment-amount-differs`.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from appliance.gateways.http import Gateways
from appliance.gateways.kaspi_pos_said import BUSY_CODES, OK, Said, result_of
from appliance.gateways.kaspi_pos_terminal import Heard, Terminal
from appliance.gateways.kaspi_pos_watch import Gone, Timing, watch
from appliance.gateways.kaspi_pos_wish import CURRENCY, Wish, read_wish
from appliance.gateways.results import Answered, NeverGot, NoAnswer, Result
from appliance.journal import Book, Journal, StorageError, Work
from appliance.kinds import KaspiPosRoute
from appliance.routes import Route
from appliance.targets import Ask, Target, answer

KIND = "kaspi-pos"
UNCLEAR, DIFFERS = "payment-unclear", "payment-amount-differs"
_READ_AGAIN_S = 1.0
_ACCEPT = 'a person must let it in: send {"action": "register"} to this route and accept on the terminal\'s screen'

_log = logging.getLogger(__name__)

_Event = tuple[str, dict[str, Any], float]  # kind, data, when


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A work's data: what was begun, where, and the terminal's number for it."""

    kind: KaspiPosRoute
    operation: str
    wish: Wish
    process_id: str = ""


class End(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A work's result: one of these."""

    answer: dict[str, Any] | None = None
    never: str = ""
    problem: str = ""
    unclear: str = ""


class KaspiPos:
    """The kiosk's Kaspi terminals, usually one."""

    def __init__(
        self, *, journal: Journal, gateways: Gateways, clock: Callable[[], float], timing: Timing | None = None
    ) -> None:
        self.journal = journal
        self.clock = clock
        self.timing = timing or Timing()
        self._gateways = gateways
        self._terminals: dict[str, Terminal] = {}

    def target(self, route: Route) -> "KaspiPosTarget":
        """Of a route of this kind."""
        assert isinstance(route.kind, KaspiPosRoute)
        return KaspiPosTarget(self, route.kind, route.timeout)

    def target_of(self, work: Work) -> "KaspiPosTarget":
        """Who finds out what became of a work."""
        kept = msgspec.json.decode(work.data, type=Kept)
        return KaspiPosTarget(self, kept.kind, kept.kind.timeout_default)

    def terminal(self, url: str) -> Terminal:
        """One, by its URL."""
        found = self._terminals.get(url)
        if found is None:
            found = self._terminals[url] = Terminal(journal=self.journal, gateways=self._gateways, url=url)
        return found

    async def recover(self) -> None:
        """End the works that no operation asks after any more.

        One has its outcome already, and only the end of its work could not be written then. Or it was lost with a
        damaged journal, and nobody will ever ask: a person is told.
        """
        try:
            for work in await self.journal.read(lambda book: book.open_works(KIND)):
                row = await self.journal.find(work.id)
                if row is not None and row.response is None:
                    continue
                end, events = End(never="its operation had ended already"), []  # type: tuple[End, list[_Event]]
                if row is None:
                    words = "its operation was lost with the kiosk's journal"
                    kept = msgspec.json.decode(work.data, type=Kept)
                    end = End(unclear=words)
                    data = _unclear(work.id, kept.operation, kept.wish, kept.process_id, words)
                    events = [(UNCLEAR, data, self.clock())]
                call = partial(_end_work, id=work.id, end=msgspec.to_builtins(end), events=tuple(events))
                await self.journal.write(call, point="appliance.kaspi.clear")
        except (StorageError, msgspec.MsgspecError) as error:
            _log.warning("the works of Kaspi terminals cannot be read", extra={"reason": str(error)})

    async def close(self) -> None:
        """Nothing runs beside operations."""


class KaspiPosTarget(Target):
    """One route's terminal."""

    def __init__(self, room: KaspiPos, kind: KaspiPosRoute, timeout: float) -> None:
        self._room = room
        self._journal = room.journal
        self._kind = kind
        self._timeout = timeout
        self._terminal = room.terminal(kind.url)

    def check(self, ask: Ask) -> None:
        """Raises `NotUnderstood` with all that is wrong."""
        read_wish(ask.body, self._kind.unit)

    async def run(self, ask: Ask) -> Result:
        """Carry it out; a payment or a refund is started once."""
        wish = read_wish(ask.body, self._kind.unit)
        if not self._terminal.hold(ask.request_id):
            words = f"the terminal is busy with {self._terminal.held_by}; nothing was begun"
            return NeverGot(words, "kiosk-busy")
        try:
            return await (self._begin(ask, wish) if wish.moves_money else self._question(wish))
        finally:
            self._terminal.let_go(ask.request_id)

    def can_tell(self, ask: Ask) -> bool:
        """Always: the work tells, or the terminal does."""
        return True

    async def find_out(self, ask: Ask) -> Answered | NeverGot | None:
        """Go on polling where the start's answer was written; None where it was lost."""
        if not read_wish(ask.body, "tiyn").moves_money:
            return NeverGot("its answer was lost; it changed nothing and may be asked again")
        work = await self._read(ask.request_id)
        if work is None:
            if self._journal.facts.notices:  # it may have been lost with a damaged journal
                await self._give_up(ask, None, "what was written of it was lost with the kiosk's journal")
                return None
            return NeverGot("the kiosk was cut off before the terminal was asked")
        if work.result is not None:
            return _known(msgspec.json.decode(work.result, type=End))
        kept = msgspec.json.decode(work.data, type=Kept)
        route = ask.route()
        if route is not None and isinstance(route.kind, KaspiPosRoute) and route.kind.url == kept.kind.url:
            kept = msgspec.structs.replace(kept, kind=route.kind)  # its fingerprint or name may have been corrected
        mine = self._terminal.hold(ask.request_id)
        try:
            if not kept.process_id:
                await self._until_free(ask, kept.kind)
                lost = "the terminal's answer to the start was lost, and with it the number to ask for"
                await self._give_up(ask, kept, lost)
                return None
            until = time.monotonic() + self._room.timing.known_within
            found = await self._follow(ask, kept, until=until, written=True)
            if isinstance(found, Answered):
                return found
            await self._give_up(ask, kept, found.words if found else "the terminal never told how it ended")
            return None
        finally:
            if mine:
                self._terminal.let_go(ask.request_id)

    # Doing

    async def _question(self, wish: Wish) -> Result:
        timing = self._room.timing
        match wish.action:
            case "register":
                heard = await self._terminal.register(self._kind, timeout=self._timeout)
                if isinstance(heard, Said) and heard.code == OK:
                    return answer({"status": "registered", "name": self._kind.name})
            case "device":
                heard = await self._terminal.call(self._kind, "/v2/deviceinfo", timeout=timing.call)
                if isinstance(heard, Said) and heard.code == OK:
                    return answer({"status": "ok", "terminal": heard.data})
            case _:
                pairs = [("processId", wish.process_id)]
                heard = await self._terminal.call(self._kind, "/v2/status", pairs, timeout=timing.call)
                process = heard.process if isinstance(heard, Said) and heard.code == OK else None
                if process is not None:
                    told = {**result_of(wish, wish.process_id, process), "status": process.status}
                    return answer({name: told[name] for name in told if name not in {"action", "amount", "currency"}})
        return self._refused(heard)

    async def _begin(self, ask: Ask, wish: Wish) -> Result:
        kept = Kept(kind=self._kind, operation=ask.operation, wish=wish)
        until = time.monotonic() + self._timeout
        work = Work(
            id=ask.request_id, kind=KIND, begun_at=self._room.clock(), data=msgspec.Raw(msgspec.json.encode(kept))
        )
        try:
            await self._journal.write(
                lambda book: book.begin_work(work), point="appliance.kaspi.begin", needs_room=True
            )
        except StorageError as error:
            return NeverGot(f"it cannot be written down, so nothing was begun: {error}", "kiosk-storage")
        ask.tell({"stage": "starting", "words": "the terminal is asked", "sub_status": ""})
        heard = await self._start(wish)
        process = heard.process if isinstance(heard, Said) and heard.code == OK else None
        if process is not None and process.process_id:
            kept = msgspec.structs.replace(kept, process_id=process.process_id)
            written = await self._keep(ask.request_id, kept)
            found = await self._follow(ask, kept, until=until, written=written)
            if isinstance(found, Answered):
                return found
            return NoAnswer(found.words if found else f"the terminal did not come to an end in {self._timeout:g} s")
        if isinstance(heard, NoAnswer) or (isinstance(heard, Said) and not heard.surely_nothing):
            # Also: begun, and no number for it; a number that nobody has described.
            words = heard.detail if isinstance(heard, NoAnswer) else heard.words()
            if isinstance(heard, Said) and heard.code == OK:
                words = "it answered without the number of a process"
            return NoAnswer(f"whether the terminal began is not known: {words}")
        refused = self._refused(heard)
        end = End(never=refused.detail, problem=refused.problem)
        await self._end(ask.request_id, end)
        return refused

    async def _start(self, wish: Wish) -> Heard:
        """The one call that moves money."""
        pairs = [("amount", wish.amount_in(self._kind.unit))]
        if wish.action == "refund":
            pairs += [("method", wish.method), ("transactionId", wish.transaction_id)]
        pairs.append(("owncheque", "true" if self._kind.own_cheque else "false"))
        timeout = min(self._room.timing.start, self._timeout)
        return await self._terminal.call(self._kind, f"/v2/{wish.action}", pairs, timeout=timeout)

    async def _follow(self, ask: Ask, kept: Kept, *, until: float, written: bool) -> Answered | Gone | None:
        """Poll to the end and write it; None when it has not come by then."""

        async def call(what: str) -> Heard:
            pairs = [("processId", kept.process_id)]
            return await self._terminal.call(kept.kind, f"/v2/{what}", pairs, timeout=self._room.timing.call)

        async def keep() -> None:
            nonlocal written
            written = written or await self._keep(ask.request_id, kept)

        def tell(stage: dict[str, Any]) -> None:
            ask.tell({**stage, "process_id": kept.process_id})

        ended = await watch(call, poll=kept.kind.poll, until=until, timing=self._room.timing, tell=tell, each=keep)
        if ended is None or isinstance(ended, Gone):
            return ended
        result = result_of(kept.wish, kept.process_id, ended)
        events = []
        if "charged" in result:
            asked = {name: result[name] for name in ("action", "amount", "charged", "currency", "process_id")}
            words = "the terminal's slip shows another amount than was asked; look at the route's `unit`"
            events.append(
                (DIFFERS, {"request_id": ask.request_id, "operation": ask.operation, **asked, "words": words})
            )
        await self._end(ask.request_id, End(answer=result), events=events)
        return answer(result)

    async def _until_free(self, ask: Ask, kind: KaspiPosRoute) -> None:
        """Let what may have been begun come to its end, so that no other customer is pressed into it."""
        timing = self._room.timing
        ask.tell(
            {"stage": "unclear", "words": "the terminal may be busy with a payment that was lost", "sub_status": ""}
        )
        until = time.monotonic() + timing.free
        while time.monotonic() < until:
            heard = await self._terminal.call(kind, "/v2/deviceinfo", timeout=timing.call)
            if isinstance(heard, Said) and heard.code == OK:
                return
            await asyncio.sleep(max(kind.poll, min(1.0, timing.free / 10)))

    def _refused(self, heard: Heard) -> NeverGot:
        """Surely nothing came of it; why."""
        if isinstance(heard, Said):
            words = heard.words()
            if heard.code in BUSY_CODES:
                words += "; nothing was begun"
            elif heard.wants_token:
                words += f"; {_ACCEPT}" if self._kind.protected else "; set `protected: true` in its route"
            return NeverGot(words, "device-fault")
        problem = heard.problem if isinstance(heard, NeverGot) else "gateway-unreachable"
        return NeverGot(f"the terminal: {heard.detail}", problem)

    # The book

    async def _read(self, id: str) -> Work | None:
        while True:
            try:
                return await self._journal.read(lambda book: book.find_work(id))
            except StorageError as error:
                _log.warning("the journal cannot be read for a payment in doubt", extra={"reason": str(error)})
                await asyncio.sleep(_READ_AGAIN_S)

    async def _keep(self, id: str, kept: Kept) -> bool:
        """Write the process id; False when the disk does not take it now."""
        data = msgspec.to_builtins(kept)
        try:
            await self._journal.write(lambda book: book.change_work(id, data), point="appliance.kaspi.process")
        except StorageError as error:
            _log.error("a payment's process id is not on the disk yet", extra={
                "request_id": id, "process_id": kept.process_id, "reason": str(error),
            })  # fmt: skip
            return False
        return True

    async def _end(self, id: str, end: End, *, events: list[tuple[str, dict[str, Any]]] | None = None) -> None:
        """Write the end. A disk that does not take it: the operation's own outcome says the same."""
        at = self._room.clock()
        told = tuple((kind, data, at) for kind, data in events or ())
        try:
            await self._journal.write(
                partial(_end_work, id=id, end=msgspec.to_builtins(end), events=told), point="appliance.kaspi.end"
            )
        except StorageError as error:
            _log.error("a payment's end could not be written", extra={"request_id": id, "reason": str(error)})

    async def _tell(self, data: dict[str, Any]) -> None:
        """Of what has no work to end, and as important as of what has one."""
        at = self._room.clock()
        try:
            await self._journal.write(lambda book: book.tell(UNCLEAR, data, at=at))
        except StorageError as error:
            _log.error("an unclear end could not be written", extra={"reason": str(error)})

    async def _give_up(self, ask: Ask, kept: Kept | None, words: str) -> None:
        """It is for a person from now on."""
        wish = read_wish(ask.body, "tiyn")
        data = _unclear(ask.request_id, ask.operation, wish, kept.process_id if kept else "", words)
        _log.error("what became of a payment cannot be known", extra={"request_id": ask.request_id, "reason": words})
        if kept is None:
            await self._tell(data)
            return
        await self._end(ask.request_id, End(unclear=words), events=[(UNCLEAR, data)])


def _unclear(id: str, operation: str, wish: Wish, process_id: str, words: str) -> dict[str, Any]:
    """The event's data."""
    return {
        "request_id": id, "operation": operation, "action": wish.action, "amount": wish.amount, "currency": CURRENCY,
        "process_id": process_id, "words": f"{words}; look for it in the terminal's own list",
    }  # fmt: skip


def _end_work(book: Book, *, id: str, end: object, events: tuple[_Event, ...]) -> None:
    if book.end_work(id, end):
        for kind, data, at in events:
            book.tell(kind, data, at=at)


def _known(end: End) -> Answered | NeverGot | None:
    if end.answer is not None:
        return answer(end.answer)
    return NeverGot(end.never, end.problem or "gateway-unreachable") if end.never else None
