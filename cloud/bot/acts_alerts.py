"""/alerts, /mute, /unmute, /mutes, and the buttons under alerts. Any admin may do all of it."""

import logging

import msgspec

from cloud.alerts.alert import Alert, Mute, Notice, What
from cloud.bot import near
from cloud.bot.alert_words import Words, buttons, title
from cloud.bot.command import Command, Press, WrongUse
from cloud.bot.durations import DAY, HOUR, seconds_of
from cloud.bot.hands import Hands
from cloud.bot.html import Html, bold, code
from cloud.bot.reply import DATA_MAX, Button, Caller, Language, Reply
from cloud.bot.shown_alerts import Listed, shortened
from cloud.bot.texts import Texts
from cloud.bot.texts.times import span

log = logging.getLogger(__name__)

ACK = "ack"  # the kind of the question that holds the alerts of one message
MUTE_MAX = 7 * DAY
_HUSH = HOUR
_NUMBER_MAX = 12  # digits; a question's id has 16 characters
_QUOTED_MAX = 64  # of what somebody wrote
_MUTES_MAX = 30
_NAMED_MAX = 40


async def alerts(hands: Hands, caller: Caller, words: list[str]) -> Reply:
    """/alerts [kiosk]"""
    if len(words) > 1:
        raise WrongUse("alerts.too_many", command="alerts")
    if not words:
        return _listed(hands, caller, "", 0)
    ids = [kiosk.id for kiosk in hands.registry.all()]
    kiosk_id = near.find(words[0], ids)
    if kiosk_id is None and any(alert.kiosk_id == words[0] for alert in hands.alerts.standing()):
        kiosk_id = words[0]  # removed, and its alerts are not over yet
    if kiosk_id is None:
        raise _nothing("alerts.no_kiosk", words[0], near.offer(words[0], ids))
    return _listed(hands, caller, kiosk_id, 0)


async def turn(hands: Hands, caller: Caller, rest: str) -> Reply:
    """A page of /alerts: `<page>:<kiosk>`."""
    page, _, of = rest.partition(":")
    return _turned(hands, caller, page, of)


async def acknowledge_listed(hands: Hands, caller: Caller, rest: str) -> Reply:
    """One of a page of /alerts: `<number>:<page>:<kiosk>`."""
    number, page, of = (*rest.split(":", 2), "", "")[:3]
    if not _is_number(number):
        return Reply(toast=hands.say.plain(caller.language, "core.button_gone"))
    toast = await _acknowledge(hands, caller, [int(number)])
    reply = _turned(hands, caller, page, of)
    return Reply(html=reply.html, buttons=reply.buttons, edits=True, toast=toast)


async def acknowledge(hands: Hands, caller: Caller, rest: str) -> Reply:
    """The button under a message: `<number>`, or a question that holds several."""
    numbers, ask_id = [], ""
    if _is_number(rest):
        numbers = [int(rest)]
    elif (ask := await hands.asks.look(rest, ACK)) is not None:
        numbers, ask_id = [int(number) for number in ask.subject.split(",")], ask.id
    if not numbers:
        return Reply(toast=hands.say.plain(caller.language, "core.button_gone"))
    toast = await _acknowledge(hands, caller, numbers)
    wanted = set(numbers)
    found = [alert for alert in hands.alerts.standing() if alert.number in wanted]
    if not found:
        return Reply(toast=toast)
    reply = taken_note(_words(hands, caller), hands.say, caller.language, found, of=len(numbers), ask_id=ask_id)
    return msgspec.structs.replace(reply, toast=toast)


def taken_note(
    words: Words, say: Texts, language: Language, alerts: list[Alert], *, of: int, ask_id: str = ""
) -> Reply:
    """The message that told of `of` alerts, of which these still stand, with who has taken note of them."""
    first = alerts[0]
    notice = Notice(what=What.RAISED, kind=first.kind, severity=first.severity, alerts=alerts, at=words.now)
    html = words.message(notice)
    if over := of - len(alerts):
        html = Html(f"{html}\n{say(language, 'alerts.over_meanwhile', count=over)}")
    return Reply(html=html, buttons=buttons(say, language, notice, ask_id), edits=True)


async def mute(hands: Hands, caller: Caller, words: list[str]) -> Reply:
    """/mute <kiosk|kind> <duration>"""
    kinds = hands.alerts.kinds()
    if not words:
        raise WrongUse("alerts.mute_what", kinds=_listing(kinds))
    scope = _scope(hands, words[0])
    if len(words) == 1:
        raise WrongUse("alerts.mute_how_long", scope=code(scope))
    text = " ".join(words[1:])
    seconds = seconds_of(text)
    if seconds is None:
        raise WrongUse("alerts.mute_not_long", text=text[:_QUOTED_MAX])
    if seconds > MUTE_MAX:
        raise WrongUse("alerts.mute_too_long", text=text[:_QUOTED_MAX])
    return await _mute(hands, caller, scope, seconds)


async def hush(hands: Hands, caller: Caller, rest: str) -> Reply:
    """The button that mutes for an hour: a kiosk, a kind, or `#` and the number of an alert."""
    scope = rest
    if rest.startswith("#"):
        found = _numbered(hands, rest[1:])
        if found is None:
            return Reply(toast=hands.say.plain(caller.language, "alerts.gone"))
        scope = found.kiosk_id or found.kind
    if hands.registry.get(scope) is None and scope not in hands.alerts.kinds():
        return Reply(toast=hands.say.plain(caller.language, "core.button_gone"))
    return await _mute(hands, caller, scope, _HUSH)


async def unmute(hands: Hands, caller: Caller, words: list[str]) -> Reply:
    """/unmute <kiosk|kind>"""
    muted = [each.scope for each in hands.alerts.mutes()]
    if len(words) > 1:
        raise WrongUse("alerts.too_many", command="unmute")
    if not words:
        if not muted:
            return Reply(html=hands.say(caller.language, "alerts.no_mutes"))
        raise WrongUse("alerts.unmute_what", scopes=_listing(muted))
    return await _unmute(hands, caller, near.find(words[0], muted) or words[0])


async def unhush(hands: Hands, caller: Caller, rest: str) -> Reply:
    """The button that ends a mute."""
    return await _unmute(hands, caller, rest)


async def mutes(hands: Hands, caller: Caller, words: list[str]) -> Reply:
    """/mutes"""
    if words:
        raise WrongUse("alerts.too_many", command="mutes")
    say, language, now = hands.say, caller.language, hands.clock()
    found: list[Mute] = hands.alerts.mutes()
    if not found:
        return Reply(html=say(language, "alerts.no_mutes"))
    lines = [bold(say(language, "alerts.mutes"))]
    shown = found[:_MUTES_MAX]
    for each in shown:
        left, until = span(language, each.until - now), hands.say.moment(language, each.until, now)
        lines.append(say(language, "alerts.mute_line", scope=code(each.scope), span=left, until=until, by=each.by))
    if len(found) > len(shown):
        lines.append(say(language, "alerts.more", count=len(found) - len(shown)))
    row = [
        Button(say.plain(language, "alerts.button.unmute", scope=shortened(each.scope)), data)
        for each in shown
        if len(data := f"unhush:{each.scope}") <= DATA_MAX
    ]
    return Reply(html="\n".join(lines), buttons=[row[n : n + 2] for n in range(0, len(row), 2)])


async def _acknowledge(hands: Hands, caller: Caller, numbers: list[int]) -> str:
    """Take note of these; returns the words for who pressed: it is done, who was quicker, or they are over."""
    say, language = hands.say, caller.language
    count = await hands.alerts.acknowledge(numbers, caller.shown)
    if count:
        log.info(
            "admin act",
            extra={
                "act": "acknowledge",
                "by": caller.shown,
                "alerts": len(numbers),
                "number": numbers[0],
                "new": count,
            },
        )
        caller.did("alert.acknowledge", ", ".join(str(number) for number in numbers), new=count)
        return say.plain(language, "alerts.acked_now")
    wanted = set(numbers)
    known = [alert for alert in hands.alerts.standing() if alert.number in wanted and alert.acknowledged_at is not None]
    if not known:
        return say.plain(language, "alerts.gone")
    last = max(known, key=lambda alert: alert.acknowledged_at or 0.0)
    when = hands.say.moment(language, last.acknowledged_at or 0.0, hands.clock())
    return say.plain(language, "alerts.acked_before", who=last.acknowledged_by, when=when)


async def _mute(hands: Hands, caller: Caller, scope: str, seconds: float) -> Reply:
    say, language = hands.say, caller.language
    done: Mute = await hands.alerts.mute(scope, seconds, caller.shown)
    log.info("admin act", extra={"act": "mute", "by": caller.shown, "scope": scope, "seconds": round(seconds)})
    caller.did("alert.mute", scope, seconds=round(seconds))
    is_kiosk, is_kind = hands.registry.get(scope) is not None, scope in hands.alerts.kinds()
    fields = {
        "scope": code(scope),
        "span": span(language, seconds),
        "until": hands.say.moment(language, done.until, hands.clock()),
    }
    if is_kiosk:
        html = say(language, "alerts.muted_kiosk", **fields)
        if is_kind:
            html = Html(f"{html}\n{say(language, 'alerts.muted_both')}")
    else:
        html = say(language, "alerts.muted_kind", title=title(say, language, scope), **fields)
    data = f"unhush:{scope}"
    text = say.plain(language, "alerts.button.unmute", scope=shortened(scope))
    return Reply(html=html, buttons=[[Button(text, data)]] if len(data) <= DATA_MAX else ())


async def _unmute(hands: Hands, caller: Caller, scope: str) -> Reply:
    say, language = hands.say, caller.language
    if await hands.alerts.unmute(scope, caller.shown):
        log.info("admin act", extra={"act": "unmute", "by": caller.shown, "scope": scope})
        caller.did("alert.unmute", scope)
        return Reply(html=say(language, "alerts.unmuted", scope=code(scope)))
    named = code(scope[:_QUOTED_MAX])
    if muted := [each.scope for each in hands.alerts.mutes()]:
        return Reply(html=say(language, "alerts.not_muted_but", scope=named, scopes=_listing(muted)))
    return Reply(html=say(language, "alerts.not_muted", scope=named))


def _scope(hands: Hands, word: str) -> str:
    """A kiosk, or else a kind, as it is written. Raises `WrongUse`: what is muted by mistake is heard of too late, so
    that nothing is guessed here."""
    kinds = hands.alerts.kinds()
    if hands.registry.get(word) is not None:
        return word
    if word.casefold() in kinds:
        return word.casefold()
    found = near.offer(word, [*kinds, *(kiosk.id for kiosk in hands.registry.all())])
    if found:
        raise WrongUse("alerts.mute_nothing_near", scope=code(word[:_QUOTED_MAX]), near=_listing(found))
    raise WrongUse("alerts.mute_nothing", scope=code(word[:_QUOTED_MAX]), kinds=_listing(kinds))


def _listed(hands: Hands, caller: Caller, kiosk_id: str, page: int, *, edits: bool = False) -> Reply:
    now = hands.clock()
    found = [alert for alert in hands.alerts.standing() if not kiosk_id or alert.kiosk_id == kiosk_id]
    scopes = {each.scope: each for each in hands.alerts.mutes()}
    listed = Listed(hands.say, caller.language, _words(hands, caller), now)
    return listed.page(found, scopes, kiosk_id=kiosk_id, page=page, edits=edits)


def _turned(hands: Hands, caller: Caller, page: str, of: str) -> Reply:
    kiosk_id = of
    if of.startswith("#"):
        found = _numbered(hands, of[1:])
        kiosk_id = found.kiosk_id if found is not None else ""
    return _listed(hands, caller, kiosk_id, int(page) if _is_number(page) else 0, edits=True)


def _numbered(hands: Hands, number: str) -> Alert | None:
    """The alert of that number, if it stands."""
    return next((alert for alert in hands.alerts.standing() if str(alert.number) == number), None)


def _words(hands: Hands, caller: Caller) -> Words:
    def name_of(kiosk_id: str) -> str:
        kiosk = hands.registry.get(kiosk_id)
        return kiosk.name if kiosk is not None else ""

    return Words(hands.say, caller.language, name_of, hands.clock())


def _nothing(key: str, word: str, found: list[str]) -> WrongUse:
    named = code(word[:_QUOTED_MAX])
    return WrongUse(f"{key}_near", kiosk=named, near=_listing(found)) if found else WrongUse(key, kiosk=named)


def _listing(names: list[str]) -> Html:
    """Names that a tap copies."""
    dots = ", …" if len(names) > _NAMED_MAX else ""
    return Html(", ".join(code(name) for name in names[:_NAMED_MAX]) + dots)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _NUMBER_MAX


COMMANDS = [
    Command(name="alerts", usage="[kiosk]", help="alerts.help_alerts", act=alerts),
    Command(name="mute", usage="<kiosk|kind> <duration>", help="alerts.help_mute", act=mute, changes=True),
    Command(name="unmute", usage="<kiosk|kind>", help="alerts.help_unmute", act=unmute, changes=True),
    Command(name="mutes", help="alerts.help_mutes", act=mutes),
]
# To take note twice changes nothing, and is wanted most of all while the database is away.
PRESSES = {
    "ack": Press(act=acknowledge, changes=False),
    "acked": Press(act=acknowledge_listed, changes=False),
    "alerts": Press(act=turn, changes=False),
    "hush": Press(act=hush),
    "unhush": Press(act=unhush),
}
