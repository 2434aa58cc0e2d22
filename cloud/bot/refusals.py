"""Why a service refused, in the reader's language, where it says by `fact` what stands in the way. Pure."""

from enum import StrEnum

from cloud.bot.html import Html, escape
from cloud.bot.reply import Language
from cloud.bot.shown_kiosk import OP_WORDS
from cloud.bot.texts import Texts
from cloud.bot.texts.times import span
from cloud.errors import Refused
from cloud.operations.operation import State

_WORDS = {
    "no-kiosk": "core.why_no_kiosk",
    "kiosk-exists": "core.why_kiosk_exists",
    "no-operation": "core.why_no_operation",
    "has-ended": "core.why_has_ended",
    "not-unknown": "core.why_not_unknown",
    "may-begin": "core.why_may_begin",
    "under-way": "core.why_under_way",
    "kiosk-tells": "core.why_kiosk_tells",
    "being-settled": "core.why_being_settled",
    "not-muted": "core.why_not_muted",
}


def why(say: Texts, language: Language, refused: Refused) -> Html:
    """As a sentence begins that says no; in the service's own English words where they are not known here."""
    key = _WORDS.get(refused.fact)
    if key is None:
        return escape(refused.detail)
    fields: dict[str, object] = dict(refused.fields)
    if isinstance(state := fields.get("state"), StrEnum):
        fields["state"] = say(language, OP_WORDS[State(state)])
    if isinstance(seconds := fields.get("seconds"), int | float):
        fields["span"] = span(language, seconds)
    return say(language, key, **fields)
