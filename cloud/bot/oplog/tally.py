"""Many operations as a digest: counted by outcome, type and kiosk, what went wrong by name. Pure, and bounded."""

import math
from collections import Counter
from collections.abc import Iterable

import msgspec

from cloud.bot.html import TEXT_MAX, Html, code, cut, cut_plain, escape
from cloud.bot.oplog.line import ICONS, Word, seconds_words, word_of
from cloud.bot.reply import Language
from cloud.bot.texts import Texts
from cloud.bot.texts.times import span
from cloud.operations.feed import Told
from wire.problems import PROBLEMS

_NAMES_MAX = 1000  # kiosks, and types, counted apart; the rest together
_ROWS = 8  # of them that are shown
_NAMED_EACH, _NAMED = 10, 12  # operations kept by name of each outcome, and shown
_NAME_MAX = 40
# In the order of how soon a person should look; a success needs no name.
_UNWELL: tuple[Word, ...] = ("unknown", "unchecked", "failed", "not_executed", "expired", "refused")
_WORDS: tuple[Word, ...] = ("succeeded", "failed", "not_executed", "expired", "unknown", "unchecked", "refused")
_STEP = math.log(1.05)  # times are kept to 5 percent, so that any number of them takes little room


class Named(msgspec.Struct, frozen=True):
    """An operation that did not go well."""

    request_id: str
    kiosk_id: str
    operation: str
    problem: str | None
    status: int | None


class Tally:
    """What happened since the last digest."""

    def __init__(self) -> None:
        self.began = 0
        self.outcomes: Counter[Word] = Counter()
        self.lost = 0  # events that were not seen here at all
        self.files_lost = 0
        self._kiosks: dict[str, Counter[Word]] = {}
        self._types: dict[str, Counter[Word]] = {}
        self._named: dict[Word, list[Named]] = {}
        self._took: Counter[int] = Counter()
        self._worst = 0.0

    @property
    def ended(self) -> int:
        """How many were counted with an outcome."""
        return sum(self.outcomes[word] for word in _WORDS)

    def __bool__(self) -> bool:
        return bool(self.began or self.outcomes or self.lost or self.files_lost)

    def add(self, told: Told, *, begun: bool = False) -> None:
        """Count one. `begun`: its beginning was not counted yet."""
        word = word_of(told)
        self.began += begun or word == "sent"
        if word == "sent":
            return
        self.outcomes[word] += 1
        if word == "queued":
            return
        _of(self._kiosks, told.kiosk_id)[word] += 1
        _of(self._types, told.operation)[word] += 1
        if word != "succeeded" and len(named := self._named.setdefault(word, [])) < _NAMED_EACH:
            named.append(Named(told.request_id, told.kiosk_id, told.operation, told.problem, told.status))
        if told.seconds is not None:
            self._took[round(math.log(max(told.seconds, 1e-4)) / _STEP)] += 1
            self._worst = max(self._worst, told.seconds)

    def merge(self, later: "Tally") -> None:
        """Add what was counted after this one."""
        self.began += later.began
        self.outcomes += later.outcomes
        self.lost += later.lost
        self.files_lost += later.files_lost
        for mine, others in ((self._kiosks, later._kiosks), (self._types, later._types)):
            for name, counts in others.items():
                _of(mine, name).update(counts)
        for word, named in later._named.items():
            mine_named = self._named.setdefault(word, [])
            mine_named.extend(named[: _NAMED_EACH - len(mine_named)])
        self._took += later._took
        self._worst = max(self._worst, later._worst)

    def draw(
        self, say: Texts, language: Language, *, seconds: float, until: str, notes: Iterable[Html] = (), foot: str = ""
    ) -> Html:
        """The digest of the last `seconds`. `notes` stand above the counts, `foot` below everything."""
        lines: list[str] = [*notes, say(language, "oplog.digest", time=span(language, seconds), until=until)]
        if not self.outcomes and not self.began:
            lines.append(say(language, "oplog.digest.none"))
        lines += [
            f"{ICONS[word]} {_count(self.outcomes[word])} {say(language, f'oplog.one.{word}')}"
            for word in _WORDS
            if self.outcomes[word]
        ]
        if self.began:
            lines.append(f"📤 {say(language, 'oplog.began', count=self.began)}")
        if self.outcomes["queued"]:
            lines.append(f"{ICONS['queued']} {_count(self.outcomes['queued'])} {say(language, 'oplog.one.queued')}")
        if self._took:
            median = seconds_words(language, self._median())
            lines.append(say(language, "oplog.took_median", median=median, worst=seconds_words(language, self._worst)))
        lines += self._unwell(say, language)
        lines += _rows(say, language, "oplog.by_type", self._types)
        lines += _rows(say, language, "oplog.by_kiosk", self._kiosks)
        if self.lost:
            lines.append(say(language, "oplog.lost", count=self.lost))
        if self.files_lost:
            lines.append(say(language, "oplog.files_lost", count=self.files_lost))
        body = cut("\n".join(lines), TEXT_MAX - len(foot) - 2)
        return Html(f"{body}\n\n{foot}" if foot else body)

    def _unwell(self, say: Texts, language: Language) -> list[str]:
        shown = [(word, named) for word in _UNWELL for named in self._named.get(word, [])][:_NAMED]
        if not shown:
            return []
        lines = [f"\n<b>{say(language, 'oplog.unwell')}</b>"]
        for word, named in shown:
            if named.problem in PROBLEMS:
                why = say(language, f"oplog.problem.{named.problem}")
            else:
                why = Html(f"HTTP {named.status}") if named.status is not None else say(language, f"oplog.one.{word}")
            what = escape(f"{cut_plain(named.operation, _NAME_MAX)} · {cut_plain(named.kiosk_id, _NAME_MAX)}")
            lines.append(f"{ICONS[word]} {what}: {why}\n{code(named.request_id)}")
        more = sum(self.outcomes[word] for word in _UNWELL) - len(shown)
        return [*lines, say(language, "oplog.more", count=more)] if more > 0 else lines

    def _median(self) -> float:
        half, seen = sum(self._took.values()) / 2, 0
        for step in sorted(self._took):
            seen += self._took[step]
            if seen >= half:
                return min(math.exp(step * _STEP), self._worst)
        return 0.0


def _of(counts: dict[str, Counter[Word]], name: str) -> Counter[Word]:
    if name not in counts and len(counts) >= _NAMES_MAX:
        name = ""
    return counts.setdefault(name, Counter())


def _rows(say: Texts, language: Language, key: str, counts: dict[str, Counter[Word]]) -> list[str]:
    """The names with the most operations, those with the most trouble first among equals."""
    if not counts:
        return []
    names = [name for name in counts if name]
    names.sort(key=lambda name: (-counts[name].total(), counts[name]["succeeded"], name))
    lines = [f"\n<b>{say(language, key)}</b>"]
    lines += [f"{code(cut_plain(name, _NAME_MAX))} {_breakdown(counts[name])}" for name in names[:_ROWS]]
    rest: Counter[Word] = Counter(counts.get("", {}))
    for name in names[_ROWS:]:
        rest.update(counts[name])
    if rest:
        others = len(names[_ROWS:])
        lines.append(f"{say(language, 'oplog.others', count=others or 1)} {_breakdown(rest)}")
    return lines


def _breakdown(counts: Counter[Word]) -> str:
    by_icon: Counter[str] = Counter()  # words that look alike here are one number
    for word in filter(counts.get, _WORDS):
        by_icon[ICONS[word]] += counts[word]
    parts = [f"{icon} {_count(number)}" for icon, number in by_icon.items()]
    return " ".join(parts) if len(parts) == 1 else f"{_count(counts.total())}: {' '.join(parts)}"


def _count(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")
