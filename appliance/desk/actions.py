"""What any device can be asked by a route `device: x`, with `{"action": …}`; answers are JSON objects, HTTP status 200.

    action         besides                     whom           answer, besides `device` and `action`
    status         -                           any            as on the health page, and `reported`: what a register or
                                                              printer says now (null: it does not say), `reported_why`
    self-test      print: true (printer,       any            `passed`, `checks`: [{check, passed, words}]; harmless.
                   register)                                  With `print` a slip comes out, and `slip` says printed,
                                                              unclear or failed (null: none was asked for)
    enable         -                           any            `in_service` true, `reason`, `work` (what runs, or null)
    disable        reason: text                any            `in_service` false: nothing new is begun with it until
                                                              `enable`, over restarts; `work` is brought to its end
    reset-circuit  -                           any            `was`: closed, open or probing
    levels         -                           notes, coins   as `levels.collections.levels`
    set-level      count, denomination,        notes, coins   as `levels.collections.set_level`; of a hopper the
                   currency                                   denomination is known
    refill         count                       hopper         as `levels.collections.refill`
    collect        -                           notes, coins   as `levels.collections.collect`: counts begin anew
    settle-claim   claim, note: text           any            `claim`, `work`, `currency`, `owed`, `unclear`: what was
                                                              owed is paid, or nothing is to be paid. Once: a claim that
                                                              is settled or not known is the problem `bad-request`
    reconcile      -                           any            as `levels.reconcile.reconcile`; for a register, of it,
                                                              and it is asked for its own totals before

`denomination` is in minor units. What changes something is written once for each request, however often it is tried.
Without a disk nothing is changed: the problem `kiosk-storage`.
"""

import asyncio
import contextlib
import difflib
import functools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from appliance.cash.claims import is_claim
from appliance.cash.owed import SETTLED, look_for, settle
from appliance.journal import Book, Journal, StorageError, Work
from appliance.kinds import DeviceRoute
from appliance.levels.collections import collect, levels, nonce_of, refill, set_level
from appliance.levels.reconcile import reconcile
from appliance.routes import Route
from appliance.supervisor import NoSuchDevice, Supervisor, Watched, standing
from appliance.supervisor.watched import marks_of
from appliance.targets import Answered, Ask, NeverGot, NoAnswer, NotUnderstood, Result, Target, answer
from hardware.errors import DeviceError, OutcomeUnknown
from hardware.events import DeviceState
from hardware.roles import BillValidator, CoinAcceptor, CoinHopper, FiscalRegister, ReceiptPrinter
from hardware.slip import lines
from wire.money import Money

T = TypeVar("T")

_MONEY = ("bill validator", "coin acceptor", "coin hopper")
_HOPPER = ("coin hopper",)
_PRINTS = ("fiscal register", "receipt printer")
_ANY = (*_MONEY, *_PRINTS)
# Each action: whom it is for, and what may stand beside it.
_KNOWN: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "status": (_ANY, ()),
    "self-test": (_ANY, ("print",)),
    "enable": (_ANY, ()),
    "disable": (_ANY, ("reason",)),
    "reset-circuit": (_ANY, ()),
    "levels": (_MONEY, ()),
    "set-level": (_MONEY, ("count", "denomination", "currency")),
    "refill": (_HOPPER, ("count",)),
    "collect": (_MONEY, ()),
    "settle-claim": (_ANY, ("claim", "note")),
    "reconcile": (_ANY, ()),
}
ACTIONS = tuple(_KNOWN)
"""All of them, whatever the role."""

COUNT_MAX = 1_000_000
_REASON_MAX = 200
_ANSWER_S = 10.0  # a device that is asked how it is
_FAULT_S = 1.0  # one that says what is wrong with it is not waited for
_PRINT_S = 60.0
_DISK_S, _DISK_AGAIN_S = 30.0, 1.0  # how long the disk is asked what became of something, and how often
_RECONCILED = "reconcile"  # the kind of a work that is begun and ended at once, so that it is done once


class DeviceActions:
    """Makes the target of a route."""

    def __init__(self, *, journal: Journal, supervisor: Supervisor, clock: Callable[[], float]) -> None:
        self._journal = journal
        self._supervisor = supervisor
        self._clock = clock

    def target(self, route: Route) -> Target:
        """For the device that the route names."""
        name = route.kind.device if isinstance(route.kind, DeviceRoute) else ""
        return ActionsTarget(name, self._journal, self._supervisor, self._clock)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One action, read."""

    action: str
    reason: str = ""
    count: int = 0
    coin: Money | None = None
    claim: str = ""
    note: str = ""
    prints: bool = False


class ActionsTarget(Target):
    """One device's."""

    def __init__(self, device: str, journal: Journal, supervisor: Supervisor, clock: Callable[[], float]) -> None:
        self._device = device
        self._journal = journal
        self._supervisor = supervisor
        self._clock = clock

    def check(self, ask: Ask) -> None:
        """Raises `NotUnderstood` with all that is wrong."""
        self._read(ask)

    async def run(self, ask: Ask) -> Result:
        """Carry it out."""
        try:
            watched, asked = self._read(ask)
        except NotUnderstood as error:  # the routing file has changed since it was looked at
            return NeverGot(str(error), "bad-request")
        try:
            return await self._act(watched, asked, ask.request_id)
        except StorageError as error:
            if error.certain:
                return NeverGot(f"it could not be written down: {error}", "kiosk-storage")
            return NoAnswer(f"it is not known whether it was written down: {error}")

    def can_tell(self, ask: Ask) -> bool:
        """Always: what changes something is done once for a request, the rest changes nothing."""
        return True

    async def find_out(self, ask: Ask) -> Answered | NeverGot | None:
        """Carry it out again: what was done is not done twice. Nothing is printed."""
        try:
            watched, asked = self._read(ask)
        except NotUnderstood:
            return None
        give_up_at = asyncio.get_running_loop().time() + _DISK_S
        while True:
            try:
                return await self._act(watched, asked, ask.request_id, again=True)
            except StorageError:
                if asyncio.get_running_loop().time() > give_up_at:
                    return None
                await asyncio.sleep(_DISK_AGAIN_S)

    def _read(self, ask: Ask) -> tuple[Watched, Asked]:
        try:
            watched = self._supervisor.find(self._device)
        except NoSuchDevice as error:
            raise NotUnderstood(str(error)) from error
        return watched, read_asked(ask.body, watched)

    async def _act(self, watched: Watched, asked: Asked, reference: str, *, again: bool = False) -> Answered | NeverGot:
        match asked.action:
            case "status":
                found = standing(watched) | await self._reported(watched)
            case "self-test":
                found = await self._self_test(watched, asked, reference, again=again)
            case "enable" | "disable":
                await watched.give_order(
                    in_service=asked.action == "enable", reason=asked.reason, nonce=nonce_of("order", reference)
                )
                found = {
                    "in_service": watched.in_service, "reason": watched.order.reason or None,
                    "work": watched.work or None,
                }  # fmt: skip
            case "reset-circuit":
                found = {"was": watched.circuit.state.value}
                watched.reset_circuit()
            case "levels":
                found = await self._journal.read(lambda book: levels(book, watched.name))
            case "reconcile":
                found = await self._reconcile(watched, reference)
            case "settle-claim":
                settled = await self._settle(asked, reference)
                if isinstance(settled, NeverGot):
                    return settled
                found = settled
            case _:
                found = await self._count(watched, asked, reference)
        return answer({"device": watched.name, "action": asked.action, **found})

    # Levels

    async def _count(self, watched: Watched, asked: Asked, reference: str) -> dict[str, Any]:
        name, coin, count, at, marks = watched.name, asked.coin, asked.count, self._clock(), marks_of(watched.entry)

        def write(book: Book) -> dict[str, Any]:
            if coin is None:
                return collect(book, name, at=at, reference=reference, marks=marks)
            change = set_level if asked.action == "set-level" else refill
            return change(book, name, coin, count, at=at, reference=reference, marks=marks)

        return await self._write(write)

    async def _settle(self, asked: Asked, reference: str) -> dict[str, Any] | NeverGot:
        at, nonce = self._clock(), nonce_of(SETTLED, reference)
        after: int | None = 0
        session = ""
        while after is not None and not session:
            look = functools.partial(look_for, claim=asked.claim, after=after)
            after, session = await self._journal.read(look)
        if not session:
            return NeverGot(f"claim: nothing is known of {asked.claim} in this kiosk's journal", "bad-request")
        settled, was = await self._write(lambda book: settle(book, session, note=asked.note, at=at, nonce=nonce))
        if was is None or not settled:
            since = "" if was is None or was.settled_at is None else f" since {_moment(was.settled_at)}"
            return NeverGot(f"claim: {asked.claim} is settled{since}; nothing is owed under it any more", "bad-request")
        return {
            "claim": was.claim, "work": was.work, "currency": was.currency, "owed": was.owed + was.late,
            "unclear": was.unclear,
        }  # fmt: skip

    async def _write(self, call: Callable[[Book], T]) -> T:
        return await self._journal.write(call, point="appliance.desk.count")

    async def _reconcile(self, watched: Watched, reference: str) -> dict[str, Any]:
        register = watched.name if watched.role == "fiscal register" else ""
        if isinstance(watched.device, FiscalRegister):
            with contextlib.suppress(DeviceError):  # what it told stands in the book; what not, is not known
                await watched.use(watched.device.read_totals, _ANSWER_S)
        at = self._clock()
        begun = Work(id=reference, kind=_RECONCILED, begun_at=at, data=msgspec.Raw(b"{}"))

        def write(book: Book) -> dict[str, Any]:
            work = book.begin_work(begun)
            if work.result is not None:
                return msgspec.json.decode(work.result, type=dict[str, Any])
            found = reconcile(book, at=work.begun_at, register=register)
            book.end_work(work.id, found)
            return found

        return await self._journal.write(write, point="appliance.desk.reconcile")

    # Asking the device

    async def _reported(self, watched: Watched) -> dict[str, Any]:
        device = watched.device
        if not isinstance(device, FiscalRegister | ReceiptPrinter):
            return {"reported": None, "reported_why": None}
        try:
            found = await watched.use(device.read_status, _ANSWER_S)
        except DeviceError as error:
            return {"reported": None, "reported_why": str(error)}
        return {"reported": msgspec.to_builtins(found), "reported_why": None}

    async def _self_test(self, watched: Watched, asked: Asked, reference: str, *, again: bool) -> dict[str, Any]:
        checks: list[dict[str, Any]] = []

        def check(name: str, passed: bool, words: str) -> None:
            checks.append({"check": name, "passed": passed, "words": words})

        device = watched.device
        wait_s = _FAULT_S if watched.status.state is DeviceState.FAULT else _ANSWER_S
        try:
            await watched.use(lambda: device.ready(wait_s), wait_s + 5, anyway=True)
        except DeviceError as error:
            check("answers", False, str(error))
        else:
            identity = watched.status.identity
            who = [identity.maker, identity.model, identity.serial and f"serial {identity.serial}", identity.firmware]
            check("answers", True, ", ".join(filter(None, who)) or "it does not say who it is")
        status = watched.status
        well = status.state not in {DeviceState.ABSENT, DeviceState.FAULT}
        check("state", well, f"{status.state.value}{': ' if status.words else ''}{status.words}")
        if isinstance(device, BillValidator | CoinAcceptor):
            known = sorted(device.denominations, key=lambda coin: (coin.currency, coin.minor))
            check("denominations", bool(known), ", ".join(map(str, known)) or "it knows none")
        if isinstance(device, CoinHopper):
            check("denominations", True, str(device.coin))
        check("line", True, f"{status.skipped_bytes} bytes of noise, {status.repeats} frames sent again")
        if watched.role in _PRINTS:
            reported = await self._reported(watched)
            found = reported["reported"] or {}
            words = reported["reported_why"] or found.get("words") or ""
            check("report", bool(found) and not words, words or "nothing hinders it")
        slip = await self._slip(watched, reference) if asked.prints and not again else None
        if asked.prints and again:
            slip = "unclear"
        return {"passed": all(each["passed"] for each in checks) and slip in {None, "printed"}, "checks": checks,
                "slip": slip}  # fmt: skip

    async def _slip(self, watched: Watched, reference: str) -> str:
        device = watched.device
        if not isinstance(device, FiscalRegister | ReceiptPrinter):
            return "failed"
        slip = lines(f"kioskwire: {watched.name}", "Проверка печати 0123456789")
        try:
            await watched.use(lambda: device.print_slip(slip, f"{reference}/self-test"), _PRINT_S)
        except OutcomeUnknown:
            return "unclear"
        except DeviceError:
            return "failed"
        return "printed"


def read_asked(body: bytes, watched: Watched) -> Asked:
    """What a request says. Raises `NotUnderstood` with every mistake in it."""
    try:
        given = msgspec.json.decode(body or b"{}", type=dict[str, Any])
    except msgspec.MsgspecError:
        raise NotUnderstood('right would be a JSON object such as {"action": "status"}') from None
    mistakes: list[str] = []
    action = given.get("action")
    known = [name for name, (roles, _fields) in _KNOWN.items() if watched.role in roles]
    if not isinstance(action, str) or action not in known:
        raise NotUnderstood(_unknown_action(action, known, watched))
    fields = _KNOWN[action][1]
    for name in given:
        if name not in {"action", *fields}:
            takes = f"knows {', '.join(fields)}" if fields else "takes nothing else"
            mistakes.append(f"{name}: is nothing to {action}, which {takes}")
    reason = given.get("reason", "")
    if "reason" in fields and not (isinstance(reason, str) and len(reason) <= _REASON_MAX):
        mistakes.append(f"reason: right would be text of at most {_REASON_MAX} letters")
    prints = given.get("print", False)
    if "print" in fields:
        if not isinstance(prints, bool):
            mistakes.append("print: right would be true or false")
        elif prints and watched.role not in _PRINTS:
            mistakes.append(f"print: {watched.name} is a {watched.role}, and prints nothing")
    claim, note = given.get("claim"), given.get("note", "")
    if "claim" in fields:
        claim = claim.strip().upper() if isinstance(claim, str) else ""
        if not is_claim(claim):
            mistakes.append("claim: right would be the code that the customer shows, such as CD47-KPX3")
        if not (isinstance(note, str) and len(note) <= _REASON_MAX):
            mistakes.append(f"note: right would be text of at most {_REASON_MAX} letters")
    count = given.get("count")
    least = 1 if action == "refill" else 0
    if "count" in fields and not (type(count) is int and least <= count <= COUNT_MAX):
        mistakes.append(f"count: right would be a whole number of notes or coins, {least} to {COUNT_MAX}")
    coin = _read_coin(given, watched, mistakes) if "count" in fields else None
    if mistakes:
        raise NotUnderstood("; ".join(mistakes))
    return Asked(
        action=action, reason=str(reason), prints=prints is True, count=count or 0, coin=coin, claim=str(claim or ""),
        note=str(note),
    )  # fmt: skip


def _unknown_action(action: object, known: list[str], watched: Watched) -> str:
    if action is None:
        return f"action: is required; known are {', '.join(known)}"
    near = difflib.get_close_matches(str(action), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    return f"action: {str(action)[:40]!r} is nothing that {watched.name}, a {watched.role}, can do; {hint}"


def _read_coin(given: Mapping[str, Any], watched: Watched, mistakes: list[str]) -> Money | None:
    """Which denomination is spoken of: a hopper's own, or as the request says it."""
    device = watched.device
    own = device.coin if isinstance(device, CoinHopper) else None
    known = device.denominations if isinstance(device, BillValidator | CoinAcceptor) else ()
    minor, currency = given.get("denomination"), given.get("currency")
    if minor is None and own is not None:
        minor = own.minor
    if currency is None:
        currency = own.currency if own else _one({coin.currency for coin in known}, watched.entry.settings)
    before = len(mistakes)
    if type(minor) is not int or minor <= 0:
        mistakes.append("denomination: right would be minor units, such as 50000 for 500.00")
    if not isinstance(currency, str) or len(currency) != 3 or not currency.isascii() or not currency.isupper():
        mistakes.append("currency: right would be an ISO 4217 code such as KZT")
    if len(mistakes) > before:
        return None
    assert isinstance(minor, int), "a mistake otherwise"
    coin = Money(minor, str(currency))
    if own is not None and coin != own:
        mistakes.append(f"denomination: {watched.name} holds {own}, not {coin}")
    elif known and coin not in known:
        mistakes.append(f"denomination: {watched.name} does not know {coin}; it knows {', '.join(map(str, known))}")
    return coin


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _one(currencies: set[str], settings: Mapping[str, Any]) -> object:
    return next(iter(currencies)) if len(currencies) == 1 else settings.get("currency")
