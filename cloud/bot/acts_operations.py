"""/operation and /unknown: what became of an operation, and settling by hand what nobody else can tell.

Settling is three steps, each in the database, so that it goes on over a restart: a question with buttons, for one
person and ten minutes; then why, as a reply to a message, by the same person; then it is written, for good.
"""

import asyncio
import logging
import re

import msgspec

from cloud.bot import refusals
from cloud.bot.asks import Ask
from cloud.bot.command import Command, Press, WrongUse
from cloud.bot.hands import Hands
from cloud.bot.html import Html, code, escape
from cloud.bot.reply import DATA_MAX, Button, Caller, Reply
from cloud.bot.shown_operation import Seen, Shown, Told
from cloud.bot.texts.times import span
from cloud.errors import Refused
from cloud.masking import masked_json
from cloud.operations.by_hand import Resolution, is_by_hand
from cloud.operations.operation import Operation, State
from wire.ids import parse_request_id
from wire.legacy import NO_JOURNAL

log = logging.getLogger(__name__)

SECONDS = 600.0  # for a button, and then for the reason
_PAGE = 5
_LONG_FOR = 86400.0
_QUOTED_MAX = 64
_BEGINNING = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{7,63}")
SETTLE, YES, NO, LONG = "settle", "settle_yes", "settle_no", "operation"  # kinds of questions
_STATES = {YES: State.SUCCEEDED, NO: State.FAILED}


async def operation(hands: Hands, caller: Caller, words: list[str]) -> list[Reply]:
    """/operation <request id>"""
    if not words:
        raise WrongUse("operations.which")
    if len(words) > 1:
        raise WrongUse("operations.one")
    return await _card(hands, caller, await _request_id(hands, words[0]))


async def look(hands: Hands, caller: Caller, rest: str) -> list[Reply]:
    """The same, by a button: `<request id>`."""
    return await _card(hands, caller, await _named(hands, rest))


async def unknown(hands: Hands, caller: Caller, words: list[str]) -> Reply:
    """/unknown"""
    if words:
        raise WrongUse("operations.all")
    return await _unknowns(hands, caller, "", 1, edits=False)


async def turn(hands: Hands, caller: Caller, rest: str) -> Reply:
    """Another page: `<number of its first>:<request id of the last one before>`."""
    number, _, last = rest.partition(":")
    first = int(number) if number.isascii() and number.isdigit() and len(number) < 9 else 1
    return await _unknowns(hands, caller, await _named(hands, last), first, edits=True)


async def settle(hands: Hands, caller: Caller, rest: str) -> Reply:
    """Ask whether it was executed: `<request id>`."""
    say, language = hands.say, caller.language
    seen = await _seen(hands, await _named(hands, rest))
    found, shown = seen.operation, _shown(hands, caller)
    if found.state is not State.UNKNOWN:
        key = "operations.not_unknown" if found.is_final else "operations.not_over"
        return Reply(html=_with_id(found, say(language, key, state=shown.state(found.state))))
    html = shown.question(seen, is_v1=found.journal == NO_JOURNAL)
    if seen.may_begin_for > 0:
        return Reply(html=html)
    ask = await hands.asks.keep(SETTLE, found.request_id, caller, SECONDS)
    choices = [("yes", "operations.button_yes"), ("no", "operations.button_no"), ("leave", "operations.button_leave")]
    return Reply(html=html, buttons=[[Button(say.plain(language, key), f"settled:{ask}:{c}") for c, key in choices]])


async def choose(hands: Hands, caller: Caller, rest: str) -> list[Reply]:
    """What was chosen: `<question>:<yes, no or leave>`."""
    say, language = hands.say, caller.language
    ask_id, _, choice = rest.partition(":")
    ask = await hands.asks.use(ask_id, caller, SETTLE) if choice in {"yes", "no", "leave"} else None
    if ask is None:
        return [Reply(toast=say.plain(language, "operations.gone"))]
    named = code(ask.subject)
    if choice == "leave":
        return [Reply(html=say(language, "operations.left", id=named), edits=True)]
    why = await hands.asks.keep(YES if choice == "yes" else NO, ask.subject, caller, SECONDS)
    return [
        Reply(html=say(language, f"operations.chosen.{choice}", id=named), edits=True),
        Reply(html=say(language, "operations.why", span=span(language, SECONDS)), ask=why),
    ]


async def reason(hands: Hands, caller: Caller, ask: Ask, text: str) -> Reply:
    """Why it is known: now it is written."""
    say, language = hands.say, caller.language
    name = caller.shown.removesuffix(f"({caller.user_id})").strip()
    is_named = name not in ("", str(caller.user_id))
    by, state = f"telegram:{caller.user_id}{f' ({name})' if is_named else ''}", _STATES[ask.kind]
    try:
        done = await hands.resolving.resolve(ask.subject, state, by, text)
    except Refused as refused:
        if refused.problem == "bad-request":
            again = await hands.asks.keep(ask.kind, ask.subject, caller, SECONDS)
            why = say(language, "operations.why_wrong")
            return Reply(html=say(language, "operations.why_again", why=why), ask=again)
        return await _stands_against(hands, caller, ask.subject, refused)
    log.info(
        "admin act",
        extra={
            "act": "operation settled by hand", "by": caller.shown, "request_id": ask.subject, "state": state.value,
        },
    )  # fmt: skip
    caller.did("operation.resolve", ask.subject, state=state.value, why=text)
    called = "operations.callback" if hands.store.callback_of(done) else "operations.no_callback"
    key = "operations.done_yes" if state is State.SUCCEEDED else "operations.done_no"
    lines = [
        say(language, key, id=code(done.request_id), callback=say(language, called)),
        say(language, "operations.done_who", by=by, why=done.detail or ""),
        say(language, "operations.done_next", operation=code(f"/operation {done.request_id}")),
    ]
    return Reply(html=Html("\n".join(lines)))


async def _stands_against(hands: Hands, caller: Caller, request_id: str, refused: Refused) -> Reply:
    """Why it was not written, in the person's language where that is known."""
    say, language, shown = hands.say, caller.language, _shown(hands, caller)
    found = await hands.store.find(request_id)
    if found is not None and found.is_final:
        return Reply(html=_with_id(found, say(language, "operations.not_unknown", state=shown.state(found.state))))
    if found is not None and (left := hands.resolving.may_begin_for(found)) > 0:
        return Reply(html=_with_id(found, say(language, "operations.too_early", span=span(language, left))))
    return Reply(html=say(language, "core.refused", why=refusals.why(say, language, refused)))


async def _unknowns(hands: Hands, caller: Caller, last: str, first: int, *, edits: bool) -> Reply:
    say, language = hands.say, caller.language
    before = await hands.store.find(last) if last else None
    cursor = hands.store.cursor_after(before) if before is not None else None
    page = await hands.resolving.unknown(_PAGE, cursor)
    if not page.operations and cursor is not None:  # the last ones were settled meanwhile
        first, cursor, page = 1, None, await hands.resolving.unknown(_PAGE)
    if not page.operations:
        return Reply(html=say(language, "operations.all_known"), edits=edits)
    count = await hands.resolving.count_unknown()
    html = _shown(hands, caller).unknowns(max(count, len(page.operations)), first, page.operations)
    settling = [
        Button(
            say.plain(language, "operations.settle", number=number),
            await _data(hands, caller, "settle", found.request_id),
        )
        for number, found in enumerate(page.operations, first)
    ]
    turning = []
    if cursor is not None:
        turning.append(Button(say.plain(language, "operations.first"), "unknown:1:"))
    if page.cursor is not None:
        verb = f"unknown:{first + len(page.operations)}"
        data = await _data(hands, caller, verb, page.operations[-1].request_id)
        turning.append(Button(say.plain(language, "operations.next"), data))
    rows = [settling[at : at + 3] for at in range(0, len(settling), 3)]
    return Reply(html=html, buttons=[*rows, turning] if turning else rows, edits=edits)


async def _card(hands: Hands, caller: Caller, request_id: str) -> list[Reply]:
    say, language = hands.say, caller.language
    seen = await _seen(hands, request_id, with_bodies=True)
    shown = _shown(hands, caller)
    html, file = shown.card(seen)
    buttons: list[list[Button]] = []
    if seen.operation.state is State.UNKNOWN:
        data = await _data(hands, caller, "settle", request_id)
        buttons = [[Button(say.plain(language, "operations.settle_this"), data)]]
    replies = [Reply(html=html, buttons=buttons)]
    return replies if file is None else [*replies, Reply(html=shown.caption(seen.operation), file=file)]


async def _seen(hands: Hands, request_id: str, *, with_bodies: bool = False) -> Seen:
    """Raises `WrongUse` where there is none."""
    try:
        found = await hands.operations.find(request_id)
    except Refused as refused:
        raise WrongUse("operations.none", id=code(request_id)) from refused
    kiosk = hands.registry.get(found.kiosk_id)
    resolution = await hands.resolving.of(request_id) if is_by_hand(found) else None
    body = answer = told = ""
    if with_bodies:  # they may have a megabyte each
        body, answer, told = await asyncio.to_thread(_masked, found, resolution)
    return Seen(
        operation=found,
        resolution=resolution,
        body=body,
        answer=answer,
        told_body=told,
        kiosk_name=kiosk.name if kiosk else "",
        is_here=hands.where.is_connected(found.kiosk_id),
        key_name=hands.store.name_of_key(found.api_key_id) if found.api_key_id else "",
        may_begin_for=hands.resolving.may_begin_for(found) if found.state is State.UNKNOWN else 0.0,
    )


def _masked(found: Operation, resolution: Resolution | None) -> tuple[str, str, str]:
    told = b""
    if resolution is not None and resolution.told is not None:
        told = bytes(msgspec.json.decode(resolution.told, type=Told).body)
        told = b"" if told == b"null" else told
    answer = bytes(found.answer or b"")
    return tuple(masked_json(raw) if raw else "" for raw in (bytes(found.body), answer, told))  # type: ignore[return-value]


async def _request_id(hands: Hands, text: str) -> str:
    """The id somebody means by it, or by its beginning. Raises `WrongUse`."""
    if not _BEGINNING.fullmatch(text):
        raise WrongUse("operations.no_id", text=code(text[:_QUOTED_MAX]))
    try:
        await hands.operations.find(text)
    except Refused:
        found = await hands.store.ids_like(text)
        if len(found) > 1:
            raise WrongUse("operations.several", ids=Html("\n".join(code(each) for each in found))) from None
        if not found:
            raise WrongUse("operations.none", id=code(text)) from None
        return found[0]
    return text


async def _data(hands: Hands, caller: Caller, verb: str, request_id: str) -> str:
    """A button's data that names an operation, whose id may be longer than a button takes."""
    data = f"{verb}:{request_id}"
    if len(data.encode()) <= DATA_MAX:
        return data
    return f"{verb}:~{await hands.asks.keep(LONG, request_id, caller, _LONG_FOR, any_admin=True)}"


async def _named(hands: Hands, rest: str) -> str:
    """The operation that a button names; empty where it named none. Raises `WrongUse`."""
    if rest.startswith("~"):
        ask = await hands.asks.look(rest[1:], LONG)
        if ask is None:
            raise WrongUse("operations.gone")
        return ask.subject
    try:
        return parse_request_id(rest) if rest else ""
    except ValueError:
        raise WrongUse("operations.gone") from None


def _with_id(found: Operation, words: Html) -> Html:
    return Html(f"{code(found.request_id)}\n{escape(words)}")


def _shown(hands: Hands, caller: Caller) -> Shown:
    return Shown(hands.say, caller.language, hands.clock())


COMMANDS = [
    Command(name="operation", usage="<request id>", help="operations.help_operation", act=operation),
    Command(name="unknown", help="operations.help_unknown", act=unknown),
]
PRESSES = {
    "operation": Press(act=look, changes=False),
    "unknown": Press(act=turn, changes=False),
    "settle": Press(act=settle, changes=False),
    "settled": Press(act=choose),
}
REPLIES = {YES: reason, NO: reason}
