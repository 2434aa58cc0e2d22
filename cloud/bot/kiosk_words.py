"""Which kiosk a command means: its words read, and what is said where there is no such kiosk."""

import asyncio

from cloud.bot import near
from cloud.bot.command import WrongUse
from cloud.bot.hands import Hands
from cloud.bot.html import Html, code
from cloud.bot.reply import Caller, Reply
from cloud.kiosks.registry import Kiosk
from wire.ids import parse_kiosk_id

_QUOTED_MAX = 80


def one_word(words: list[str]) -> str:
    """The only word of a command that takes a kiosk. Raises `WrongUse`."""
    if not words:
        raise WrongUse("kiosks.which")
    if len(words) > 1:
        raise WrongUse("kiosks.too_many")
    return words[0]


def parsed(text: str) -> str:
    """An id as it may be. Raises `WrongUse`."""
    try:
        return parse_kiosk_id(text)
    except ValueError:
        raise WrongUse("kiosks.wrong_id", text=text[:_QUOTED_MAX]) from None


async def known(hands: Hands, caller: Caller, words: list[str], *, exactly: bool) -> Kiosk | Reply:
    """The kiosk, or the answer that there is none, with what may have been meant. Raises `WrongUse`.

    Not `exactly`: the beginning of its id, or the id in another case, will do where that is one kiosk's alone.
    """
    text = one_word(words)
    kiosk = hands.registry.get(text)
    if kiosk is not None:
        return kiosk
    ids = [each.id for each in hands.registry.all()]
    if not exactly and (found := near.find(text, ids)) and (kiosk := hands.registry.get(found)):
        return kiosk
    say, language = hands.say, caller.language
    if not ids:
        return Reply(html=say(language, "kiosks.none_at_all", kiosk=parsed(text)))
    offered = await asyncio.to_thread(near.offer, text[:_QUOTED_MAX], ids)
    if not offered:
        return Reply(html=say(language, "kiosks.none", kiosk=code(parsed(text))))
    told = Html(", ".join(code(each) for each in offered))
    return Reply(html=say(language, "kiosks.none_near", kiosk=code(text[:_QUOTED_MAX]), near=told))
