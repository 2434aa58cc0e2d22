"""/regenerate_token, /disable_kiosk, /remove_kiosk: what takes a kiosk out of service, after a question.

The question says what will happen. It is for who asked alone, for a minute, once; and where that is no longer true
which it said, the answer is another question.
"""

from functools import partial

import msgspec

from cloud.bot.acts_kiosks import hide_button, log_act, opened, private, titled
from cloud.bot.command import Command, Press
from cloud.bot.hands import Hands
from cloud.bot.html import Html, code
from cloud.bot.kiosk_words import known
from cloud.bot.reply import Button, Caller, Reply
from cloud.bot.secrets_shown import env_lines, last_lines
from cloud.bot.talk import TalkError
from cloud.kiosks.registry import Kiosk

ASK_FOR = 60.0
_YES, _NO = "y", "n"


class Danger(msgspec.Struct, frozen=True, kw_only=True):
    """One of these acts. `verb` is its button's, and the kind of its question; the rest are keys of texts."""

    verb: str
    ask: str
    yes: str
    is_secret: bool = False  # it is answered with a token
    is_final: bool = False  # the kiosk will not come back by itself


TOKEN = Danger(verb="ktoken", ask="kiosks.ask_token", yes="kiosks.yes_token", is_secret=True)
DISABLE = Danger(verb="kdisable", ask="kiosks.ask_disable", yes="kiosks.yes_disable")
REMOVE = Danger(verb="kremove", ask="kiosks.ask_remove", yes="kiosks.yes_remove", is_final=True)


# The question


async def command(danger: Danger, hands: Hands, caller: Caller, words: list[str]) -> Reply:
    """Ask whether it is meant."""
    kiosk = await known(hands, caller, words, exactly=True)
    if isinstance(kiosk, Reply):
        return kiosk
    say, language = hands.say, caller.language
    if danger is DISABLE and not kiosk.enabled:
        return Reply(html=say(language, "kiosks.disabled_already", kiosk=code(kiosk.id), plain=kiosk.id))
    if not danger.is_secret or caller.is_private:
        return await _question(danger, hands, caller, kiosk)
    refused = await opened(hands, caller, f"/regenerate_token {kiosk.id}")
    if refused is not None:
        return refused
    there = msgspec.structs.replace(caller, target=private(caller), is_private=True)
    question = await _question(danger, hands, there, kiosk)
    try:
        await hands.talk.send(there.target, question.html, buttons=question.buttons)
    except TalkError:
        return Reply(html=say(language, "kiosks.no_private_now"))
    return Reply(html=say(language, "kiosks.in_private_ask"))


async def _question(danger: Danger, hands: Hands, caller: Caller, kiosk: Kiosk, *, first: Html | None = None) -> Reply:
    """What will happen, and two buttons. They hold what the question was true of: see `_is_true`."""
    say, language = hands.say, caller.language
    link, place = hands.links.get(kiosk.id), hands.where.of(kiosk.id)
    running, queued = await hands.operations.load_of(kiosk.id)
    lines = [first, Html("")] if first else []
    lines.append(say(language, danger.ask, kiosk=code(kiosk.id), name=titled(kiosk)))
    if place is not None:
        lines.append(say(language, "kiosks.will_close", address=place.address))
    elif link is not None and link.socket is not None:
        lines.append(say(language, "kiosks.will_close", address=link.socket.address))
    else:
        lines.append(say(language, "kiosks.will_not_close"))
    if running:
        key = "kiosks.will_running_lost" if danger.is_final else "kiosks.will_running"
        lines.append(say(language, key, count=running))
    if queued:
        lines.append(
            say(language, "kiosks.will_queued_lost" if danger.is_final else "kiosks.will_queued", count=queued)
        )
    if not running and not queued:
        lines.append(say(language, "kiosks.will_nothing"))
    lines.append(say(language, "kiosks.ask_within", seconds=round(ASK_FOR)))
    ask = await hands.asks.keep(danger.verb, kiosk.id, caller, ASK_FOR)
    true_of = f"{kiosk.generation}:{int(running > 0)}:{int(queued > 0)}"
    row = [
        Button(say.plain(language, danger.yes), f"{danger.verb}:{ask}:{_YES}:{true_of}"),
        Button(say.plain(language, "kiosks.no"), f"{danger.verb}:{ask}:{_NO}"),
    ]
    return Reply(html=Html("\n".join(lines)), buttons=[row])


# The answer


async def press(danger: Danger, hands: Hands, caller: Caller, rest: str) -> Reply:
    """Yes or no, by who was asked, in time, and once."""
    ask_id, _, choice = rest.partition(":")
    say, language = hands.say, caller.language
    ask = await hands.asks.of_id(ask_id)
    if ask is not None and ask.user_id != caller.user_id:
        return Reply(toast=say(language, "kiosks.not_yours"))
    taken = await hands.asks.use(ask_id, caller, danger.verb)
    if taken is None:
        # The message says what came of the answer, perhaps with a token: it stays.
        if ask is not None and (ask.used_at is not None or ask.until > hands.clock()):
            return Reply(toast=say(language, "kiosks.answered"))
        too_late = say(language, "kiosks.expired", seconds=round(ASK_FOR))
        return Reply(html=too_late, edits=True, toast=too_late)
    kiosk = hands.registry.get(taken.subject)
    if kiosk is None:
        return Reply(html=say(language, "kiosks.gone_meanwhile", kiosk=code(taken.subject)), edits=True)
    choice, _, true_of = choice.partition(":")
    if choice != _YES:
        return Reply(html=say(language, "kiosks.not_done", kiosk=code(kiosk.id)), edits=True)
    if danger is DISABLE and not kiosk.enabled:
        html = say(language, "kiosks.disabled_already", kiosk=code(kiosk.id), plain=kiosk.id)
        return Reply(html=html, edits=True)
    if not await _is_true(hands, kiosk, true_of):
        anew = await _question(danger, hands, caller, kiosk, first=say(language, "kiosks.changed_meanwhile"))
        return Reply(html=anew.html, buttons=anew.buttons, edits=True)
    return await _do(danger, hands, caller, kiosk)


async def _is_true(hands: Hands, kiosk: Kiosk, told: str) -> bool:
    """Whether what the question said is no worse by now: the same token, and operations only where it named some."""
    running, queued = await hands.operations.load_of(kiosk.id)
    generation, had_running, had_queued = [*told.split(":"), "", "", ""][:3]
    return (
        generation == str(kiosk.generation)
        and (had_running == "1" or not running)
        and (had_queued == "1" or not queued)
    )


async def _do(danger: Danger, hands: Hands, caller: Caller, kiosk: Kiosk) -> Reply:
    say, language = hands.say, caller.language
    if danger is DISABLE:
        await hands.registry.enable(kiosk.id, False)
        log_act(caller, "kiosk disabled", kiosk.id)
        return Reply(html=say(language, "kiosks.disabled", kiosk=code(kiosk.id), plain=kiosk.id), edits=True)
    if danger is REMOVE:
        await hands.registry.remove(kiosk.id)
        log_act(caller, "kiosk removed", kiosk.id)
        return Reply(html=say(language, "kiosks.removed", kiosk=code(kiosk.id)), edits=True)
    renewed = await hands.registry.renew_token(kiosk.id)
    log_act(caller, "kiosk token renewed", kiosk.id)
    token = hands.tokens.issue(renewed.id, renewed.generation)
    lines = [say(language, "kiosks.token_is", kiosk=code(kiosk.id)), env_lines(token, hands.public_url), Html("")]
    lines += last_lines(say, language, hands.public_url)
    return Reply(html=Html("\n".join(lines)), buttons=hide_button(hands, caller, kiosk.id), edits=True)


COMMANDS = [
    Command(name="regenerate_token", usage="<id>", help="kiosks.help_token", act=partial(command, TOKEN)),
    Command(name="disable_kiosk", usage="<id>", help="kiosks.help_disable", act=partial(command, DISABLE)),
    Command(name="remove_kiosk", usage="<id>", help="kiosks.help_remove", act=partial(command, REMOVE)),
]
PRESSES = {danger.verb: Press(act=partial(press, danger)) for danger in (TOKEN, DISABLE, REMOVE)}
