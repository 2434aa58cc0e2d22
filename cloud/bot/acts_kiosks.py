"""/add_kiosk, /code, /enable_kiosk: kiosks come into service. What takes them out of it is in `acts_dangerous`.

Tokens and codes are said in private chats alone. Asked for in a group, they are sent to who asked; that this works is
known before anything is made.
"""

import logging

from cloud.bot.command import Command, Press, WrongUse
from cloud.bot.hands import Hands
from cloud.bot.html import Html, code, escape
from cloud.bot.kiosk_words import known, parsed
from cloud.bot.reply import DATA_MAX, Button, Caller, Reply, Rows, Target
from cloud.bot.secrets_shown import code_lines, env_lines, last_lines
from cloud.bot.talk import Rejected, TalkError
from cloud.errors import Refused
from cloud.kiosks.registry import Kiosk

log = logging.getLogger(__name__)

_NAME_MAX = 200  # as the admin API has it
_MADE_BY_MAX = 16
_HIDE = "khide"


# /add_kiosk


async def add_kiosk(hands: Hands, caller: Caller, words: list[str]) -> Reply:
    """/add_kiosk kiosk_001 Station, till 2"""
    if not words:
        raise WrongUse("kiosks.new_which")
    kiosk_id = parsed(words[0])
    name = " ".join(" ".join(words[1:]).split())
    if len(name) > _NAME_MAX:
        raise WrongUse("kiosks.long_name", count=len(name), most=_NAME_MAX)
    if hands.registry.get(kiosk_id) is not None:
        return _exists(hands, caller, kiosk_id)
    refused = await opened(hands, caller, f"/add_kiosk {kiosk_id}")
    if refused is not None:
        return refused
    try:
        kiosk, made = await hands.enrolment.add_kiosk(kiosk_id, name, made_by(caller))
    except Refused as error:
        if error.problem != "conflict":
            raise
        return _exists(hands, caller, kiosk_id)
    log_act(caller, "kiosk added", kiosk_id)
    say, language, url = hands.say, caller.language, hands.public_url
    told = Html(f": {escape(name)}") if name else ""
    lines = [say(language, "kiosks.added", kiosk=code(kiosk_id), name=told)]
    if like := _alike(hands, kiosk_id):
        lines.append(say(language, "kiosks.added_like", other=code(like)))
    done = list(lines)
    lines += [Html(""), *code_lines(say, language, made, url, hands.clock())]
    lines += [
        Html(""),
        say(language, "kiosks.by_token"),
        env_lines(hands.tokens.issue(kiosk.id, kiosk.generation), url),
    ]
    lines += [Html(""), *last_lines(say, language, url)]
    return await in_private(hands, caller, kiosk_id, Html("\n".join(lines)), done=done, untold="kiosks.untold")


def _exists(hands: Hands, caller: Caller, kiosk_id: str) -> Reply:
    return Reply(html=hands.say(caller.language, "kiosks.exists", kiosk=code(kiosk_id), plain=kiosk_id))


def _alike(hands: Hands, kiosk_id: str) -> str:
    """Another kiosk whose id differs in its case alone; empty where there is none."""
    folded = kiosk_id.casefold()
    others = (each.id for each in hands.registry.all() if each.id != kiosk_id)
    return next((each for each in others if each.casefold() == folded), "")


# /code


async def new_code(hands: Hands, caller: Caller, words: list[str]) -> Reply:
    """/code kiosk_001"""
    kiosk = await known(hands, caller, words, exactly=True)
    if isinstance(kiosk, Reply):
        return kiosk
    refused = await opened(hands, caller, f"/code {kiosk.id}")
    if refused is not None:
        return refused
    made = await hands.enrolment.new_code(kiosk.id, made_by(caller))
    log_act(caller, "kiosk code made", kiosk.id)
    say, language, url = hands.say, caller.language, hands.public_url
    lines = [say(language, "kiosks.code_is", kiosk=code(kiosk.id))]
    if not kiosk.enabled:
        lines.append(say(language, "kiosks.code_disabled"))
    done = list(lines)
    lines += [Html(""), *code_lines(say, language, made, url, hands.clock()), Html(""), *last_lines(say, language, url)]
    return await in_private(hands, caller, kiosk.id, Html("\n".join(lines)), done=done, untold="kiosks.untold_code")


# /enable_kiosk


async def enable(hands: Hands, caller: Caller, words: list[str]) -> Reply:
    """/enable_kiosk kiosk_001"""
    kiosk = await known(hands, caller, words, exactly=True)
    if isinstance(kiosk, Reply):
        return kiosk
    fields = {"kiosk": code(kiosk.id), "plain": kiosk.id}
    if kiosk.enabled:
        return Reply(html=hands.say(caller.language, "kiosks.enabled_already", **fields))
    await hands.registry.enable(kiosk.id, True)
    log_act(caller, "kiosk enabled", kiosk.id)
    return Reply(html=hands.say(caller.language, "kiosks.enabled", **fields))


# What all acts on kiosks share


def made_by(caller: Caller) -> str:
    """Who made a code, for the audit of enrolment, which has 16 characters: the user's id."""
    told = f"tg:{caller.user_id}"
    return told if len(told) <= _MADE_BY_MAX else str(caller.user_id)[:_MADE_BY_MAX]


_AUDITED = {
    "kiosk added": "kiosk.add",
    "kiosk code made": "kiosk.code",
    "kiosk enabled": "kiosk.enable",
    "kiosk disabled": "kiosk.disable",
    "kiosk removed": "kiosk.remove",
    "kiosk token renewed": "kiosk.token",
}


def log_act(caller: Caller, act: str, kiosk_id: str) -> None:
    """One line for each act, as the admin API has it."""
    log.info("admin act", extra={"act": act, "kiosk": kiosk_id, "by": f"telegram {caller.user_id}"})
    caller.did(_AUDITED[act], kiosk_id)


def titled(kiosk: Kiosk) -> Html:
    """A kiosk's name after its id; empty where it has none."""
    name = " ".join(kiosk.name.split())[:_NAME_MAX]
    return Html(f" ({escape(name)})") if name else Html("")


def private(caller: Caller) -> Target:
    """The chat with the caller alone: it has the user's own id."""
    return caller.target if caller.is_private else Target(caller.user_id)


async def opened(hands: Hands, caller: Caller, text: str) -> Reply | None:
    """See that the caller can be told a secret in private, before it is made. The refusal where that is not so."""
    if caller.is_private:
        return None
    say, language = hands.say, caller.language
    try:
        await hands.talk.send(private(caller), say(language, "kiosks.for_group", text=text))
    except Rejected:
        return Reply(html=say(language, "kiosks.no_private"))
    except TalkError:
        return Reply(html=say(language, "kiosks.no_private_now"))
    return None


async def in_private(
    hands: Hands, caller: Caller, kiosk_id: str, html: Html, *, done: list[Html], untold: str
) -> Reply:
    """Tell a secret: here, or in private, and here what was done and that it stands there. `untold` says that it did
    not go through."""
    buttons = hide_button(hands, caller, kiosk_id)
    if caller.is_private:
        return Reply(html=html, buttons=buttons)
    fields = {"kiosk": code(kiosk_id), "plain": kiosk_id}
    try:
        await hands.talk.send(private(caller), html, buttons=buttons)
    except TalkError as error:
        log.warning("a secret could not be told", extra={"kiosk": kiosk_id, "error": str(error)})
        return Reply(html=hands.say(caller.language, untold, **fields))
    there = hands.say(caller.language, "kiosks.in_private", kiosk=code(kiosk_id))
    return Reply(html=Html("\n".join([*done, there])))


def hide_button(hands: Hands, caller: Caller, kiosk_id: str) -> Rows:
    """Takes what is secret out of the chat."""
    data = f"{_HIDE}:{kiosk_id}"
    return [[Button(hands.say.plain(caller.language, "kiosks.hide"), data[:DATA_MAX])]]


async def press_hide(hands: Hands, caller: Caller, rest: str) -> Reply:
    """Nothing is looked up: it must work whatever has become of the kiosk. The longest ids are shown in part."""
    kiosk = code(rest if len(f"{_HIDE}:{rest}") < DATA_MAX else f"{rest}…")
    return Reply(html=hands.say(caller.language, "kiosks.hidden", kiosk=kiosk), edits=True)


COMMANDS = [
    Command(name="add_kiosk", usage="<id> [name]", help="kiosks.help_add", act=add_kiosk, changes=True, name_after=1),
    Command(name="code", usage="<id>", help="kiosks.help_code", act=new_code, changes=True),
    Command(name="enable_kiosk", usage="<id>", help="kiosks.help_enable", act=enable, changes=True),
]
PRESSES = {_HIDE: Press(act=press_hide, changes=False)}
