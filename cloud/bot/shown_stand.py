"""How a kiosk stands, in one word and one line. Pure; times are Unix seconds."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from cloud.bot.html import Html, code, cut_plain, escape
from cloud.bot.reply import Language
from cloud.bot.shown_times import ago
from cloud.bot.texts import Texts
from cloud.bot.texts.times import span
from cloud.kiosks.registry import Kiosk
from cloud.kiosks.whereabouts import Whereabouts

NAME_SHOWN = 60


class State(StrEnum):
    """One word for it. A kiosk that is disabled is that, whatever it was before."""

    ONLINE = "online"
    OFFLINE = "offline"
    NEVER = "never"
    DISABLED = "disabled"


ICONS = {State.ONLINE: "🟢", State.OFFLINE: "🔴", State.NEVER: "⚪️", State.DISABLED: "🚫"}
DOUBLE_ICON = "⚠️"
_WORDS = {
    State.ONLINE: "kiosks.state_online",
    State.OFFLINE: "kiosks.state_offline",
    State.NEVER: "kiosks.state_never",
    State.DISABLED: "kiosks.state_disabled",
}


class Stand(msgspec.Struct, frozen=True, kw_only=True):
    """A kiosk and how it stands. `since` is when it connected, or was here last; None where this hub has not seen it.

    `is_double`: two boxes with its identity were seen lately.
    """

    kiosk: Kiosk
    state: State
    since: float | None
    is_double: bool = False


def stand(kiosk: Kiosk, where: Whereabouts, last_here: Mapping[str, float | None]) -> Stand:
    """How it stands. `last_here` is what the database knows of earlier lives of the hub."""
    place, ended = where.of(kiosk.id), where.left(kiosk.id)
    left = ended.at if ended is not None else last_here.get(kiosk.id)
    if not kiosk.enabled:
        state, since = State.DISABLED, left
    elif place is not None:
        state, since = State.ONLINE, place.since
    elif left is not None or kiosk.id in last_here or kiosk.enrolled_at is not None:
        state, since = State.OFFLINE, left
    else:
        state, since = State.NEVER, None
    return Stand(kiosk=kiosk, state=state, since=since, is_double=where.double(kiosk.id) is not None)


def word(say: Texts, language: Language, state: State) -> Html:
    """The state in a word or two."""
    return say(language, _WORDS[state])


def title(kiosk: Kiosk, most: int = NAME_SHOWN) -> Html:
    """Its id, which a tap copies, and its name as far as that is short."""
    name = cut_plain(" ".join(kiosk.name.split()), most)
    return Html(f"{code(kiosk.id)} {escape(name)}") if name else code(kiosk.id)


def line(say: Texts, language: Language, it: Stand, *, now: float, up: float) -> Html:
    """Its state and since when. `up` is how many seconds the hub has been running."""
    known = word(say, language, it.state)
    if it.state in (State.ONLINE, State.OFFLINE) and it.since is not None:
        since = say(language, "kiosks.since", span=span(language, now - it.since), when=say.when(it.since))
        return Html(f"{known} {since}")
    if it.state is State.OFFLINE:
        return Html(f"{known}, {say(language, 'kiosks.not_since_start', span=span(language, up))}")
    if it.state is State.NEVER:
        created = it.kiosk.created_at
        added = say(language, "kiosks.added_on", ago=ago(say, language, created, now), when=say.when(created))
        return Html(f"{known}, {added}")
    if it.since is not None:
        last = say(language, "kiosks.last_here", ago=ago(say, language, it.since, now), when=say.when(it.since))
        return Html(f"{known}, {last}")
    return known
