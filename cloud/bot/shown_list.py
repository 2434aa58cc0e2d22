"""/list_kiosks: what is wanted, which page of it, and the page. Pure."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from cloud.bot.html import Html, escape
from cloud.bot.reply import Language
from cloud.bot.shown_stand import DOUBLE_ICON, ICONS, Stand, State, line, title
from cloud.bot.texts import Texts

PER_PAGE = 10
# What people may call a state, in both languages, in lower case.
_STATES: dict[str, State] = {
    "online": State.ONLINE,
    "connected": State.ONLINE,
    "онлайн": State.ONLINE,
    "offline": State.OFFLINE,
    "офлайн": State.OFFLINE,
    "оффлайн": State.OFFLINE,
    "never": State.NEVER,
    "new": State.NEVER,
    "новые": State.NEVER,
    "disabled": State.DISABLED,
    "отключённые": State.DISABLED,
    "отключенные": State.DISABLED,
}
_DOUBLE = frozenset({"double", "doubles", "duplicate", "duplicates", "двойники", "двойник"})
_COUNTS = {
    State.ONLINE: "kiosks.count_online",
    State.OFFLINE: "kiosks.count_offline",
    State.NEVER: "kiosks.count_never",
    State.DISABLED: "kiosks.count_disabled",
}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which kiosks: in this state, with two boxes, with this in their id or name (in lower case). All where nothing
    is said."""

    state: State | None = None
    is_double: bool = False
    text: str = ""

    def takes(self, it: Stand) -> bool:
        """Whether it is among them."""
        if (self.state is not None and it.state is not self.state) or (self.is_double and not it.is_double):
            return False
        return self.text in it.kiosk.id.casefold() or self.text in it.kiosk.name.casefold()

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return self == Wanted()


def wanted(text: str) -> Wanted:
    """What somebody wrote: the first word that names a state is one, the rest is looked for as it stands."""
    words = text.split()
    for at, each in enumerate(words):
        rest = " ".join(words[:at] + words[at + 1 :]).casefold()
        if (state := _STATES.get(each.casefold())) is not None:
            return Wanted(state=state, text=rest)
        if each.casefold() in _DOUBLE:
            return Wanted(is_double=True, text=rest)
    return Wanted(text=" ".join(words).casefold())


class ListPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some kiosks of those wanted. `number` counts from 0; `found` are all that are wanted, of all there are."""

    stands: list[Stand]
    number: int
    pages: int
    found: int
    counts: dict[State, int]
    doubles: int


def page(stands: Sequence[Stand], want: Wanted, number: int) -> ListPage:
    """The page of that number, or the last one where there are fewer."""
    found = [it for it in stands if want.takes(it)]
    pages = max(1, -(-len(found) // PER_PAGE))
    number = min(max(0, number), pages - 1)
    return ListPage(
        stands=found[number * PER_PAGE : (number + 1) * PER_PAGE],
        number=number,
        pages=pages,
        found=len(found),
        counts=dict(Counter(it.state for it in stands)),
        doubles=sum(it.is_double for it in stands),
    )


def shown(say: Texts, language: Language, it: ListPage, filter_text: str, *, now: float, up: float) -> Html:
    """The page as a message; at most some 3000 characters. `filter_text` is empty where all are shown."""
    total = sum(it.counts.values())
    if not total:
        return say(language, "kiosks.list_none")
    counts = [f"{ICONS[s]} {say(language, _COUNTS[s], count=it.counts[s])}" for s in State if it.counts.get(s)]
    if it.doubles:
        counts.append(f"{DOUBLE_ICON} {say(language, 'kiosks.count_double', count=it.doubles)}")
    lines = [f"{say(language, 'kiosks.list_head', count=total)}: {' · '.join(counts)}"]
    if filter_text:
        told = escape(f"“{filter_text}”" if language == "en" else f"«{filter_text}»")
        key = "kiosks.list_matching" if it.found else "kiosks.list_no_match"
        lines.append(say(language, key, **({"count": it.found} if it.found else {}), filter=told))
    for each in it.stands:
        double = f"\n{DOUBLE_ICON} {say(language, 'kiosks.double')}" if each.is_double else ""
        told = line(say, language, each, now=now, up=up)
        lines.append(f"\n{ICONS[each.state]} {title(each.kiosk)}\n{told}{double}")
    return Html("\n".join(lines))
