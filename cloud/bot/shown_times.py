"""How long ago something was, as kiosks' answers say it. Pure."""

from cloud.bot.html import Html
from cloud.bot.reply import Language
from cloud.bot.texts import Texts
from cloud.bot.texts.times import span


def ago(say: Texts, language: Language, at: float, now: float) -> Html:
    """`12 min ago`; what is less than a second old, or ahead by clocks that differ, is just now."""
    if now - at < 1:
        return say(language, "kiosks.now")
    return say(language, "kiosks.ago", span=span(language, now - at))
