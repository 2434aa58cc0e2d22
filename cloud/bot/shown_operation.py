"""One operation in words, and the list of those nobody knows the outcome of. Pure."""

from collections.abc import Sequence

import msgspec

from cloud.bot.html import CAPTION_MAX, TEXT_MAX, Html, bold, code, cut, cut_plain, escape, pre
from cloud.bot.reply import Language
from cloud.bot.shown_kiosk import OP_ICONS, OP_WORDS
from cloud.bot.shown_times import ago
from cloud.bot.texts import Texts
from cloud.bot.texts.times import span
from cloud.masking import masked_text
from cloud.operations.by_hand import Resolution
from cloud.operations.operation import Operation, State

_INLINE_MAX = 2600  # units of JSON in a message; more goes into a file
_DETAIL_MAX, _NAME_MAX, _WORD_MAX, _KEY_MAX = 300, 60, 64, 80
_KNOWN = {"timeout": "operations.known_timeout", "kiosk-lost": "operations.known_kiosk_lost"}


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """An operation with all that is known around it. `body`, `answer` and `told_body` are masked JSON."""

    operation: Operation
    resolution: Resolution | None = None
    body: str = ""
    answer: str = ""
    told_body: str = ""
    kiosk_name: str = ""
    is_here: bool = False  # its kiosk
    key_name: str = ""
    may_begin_for: float = 0.0


class Shown:
    """Sentences about operations, for one person, now."""

    def __init__(self, say: Texts, language: Language, now: float) -> None:
        self._say = say
        self._language = language
        self._now = now

    def state(self, state: State) -> Html:
        """A state in words."""
        return self._say(self._language, OP_WORDS[state])

    def card(self, it: Seen) -> tuple[Html, tuple[str, bytes] | None]:
        """The message, and a file where the bodies are long."""
        found = it.operation
        blocks = [self._head(it), self._times(found), self._end(found), self._resolution(it)]
        json = [
            (self._text("operations.body"), it.body),
            (self._text("operations.answer"), it.answer),
            (self._text("operations.answer"), it.told_body),
        ]
        texts = [(title, text) for title, text in json if text and text != "{}"]
        file = None
        whole = [Html(f"{bold(title)}\n{pre(text, 'json')}") for title, text in texts]
        if sum(map(len, (text for _, text in texts))) <= _INLINE_MAX:
            blocks += whole
        else:
            blocks.append(self._text("operations.in_file"))
            named = "\n\n".join(f"{title}\n\n{text}" for title, text in texts)
            file = f"operation-{found.request_id}.txt", named.encode()
        blocks.append(self._text("operations.more", command=code(f"/kiosk {found.kiosk_id}")))
        return cut(Html("\n\n".join(block for block in blocks if block)), TEXT_MAX), file

    def caption(self, found: Operation) -> Html:
        """Of the file."""
        return cut(Html(f"{OP_ICONS[found.state]} {code(found.request_id)}"), CAPTION_MAX)

    def unknowns(self, count: int, first: int, some: Sequence[Operation]) -> Html:
        """A page of /unknown; `first` is the number of its first."""
        lines = [self._text("operations.unknowns", count=count)]
        for number, it in enumerate(some, first):
            lines.append(
                self._text(
                    "operations.line",
                    number=number,
                    operation=bold(cut_plain(it.operation, _WORD_MAX)),
                    kiosk=code(it.kiosk_id),
                    ago=ago(self._say, self._language, it.created_at, self._now),
                    id=code(it.request_id),
                    known=self.known(it),
                )
            )
        lines.append(self._text("operations.how"))
        return cut(Html("\n\n".join(lines)), TEXT_MAX)

    def known(self, it: Operation) -> Html:
        """What is known of one that is unknown."""
        if it.elapsed is not None:
            return self._text("operations.known_interrupted")
        if it.accepted_at is not None:
            return self._text("operations.known_accepted")
        return self._text(_KNOWN.get(it.problem or "", "operations.known_interrupted"))

    def question(self, it: Seen, *, is_v1: bool) -> Html:
        """Whether it was executed, with what is known and what may yet come."""
        found = it.operation
        head = self._text(
            "operations.question",
            operation=bold(cut_plain(found.operation, _WORD_MAX)),
            kiosk=code(found.kiosk_id),
            when=self._say.when(found.created_at),
            id=code(found.request_id),
        )
        lines = [self._text("operations.known", known=self.known(found))]
        if found.detail:
            lines.append(escape(_words(found.detail)))
        if it.may_begin_for > 0:
            lines.append(self._text("operations.too_early", span=span(self._language, it.may_begin_for)))
            return Html(f"{head}\n\n" + "\n".join(lines))
        if found.elapsed is None:
            if found.accepted_at is not None:
                lines.append(self._text("operations.warn_begun"))
            lines.append(self._text("operations.warn_here" if it.is_here else "operations.warn_away"))
            if is_v1:
                lines.append(self._text("operations.warn_v1"))
        means = [self._text(key) for key in ("operations.look", "operations.mean_yes", "operations.mean_no")]
        return Html(f"{head}\n\n" + "\n".join(lines) + "\n\n" + "\n".join(means))

    def _head(self, it: Seen) -> Html:
        found = it.operation
        lines = [
            self._text(
                "operations.title",
                icon=OP_ICONS[found.state],
                operation=cut_plain(found.operation, _WORD_MAX),
                method=found.method,
                state=self.state(found.state),
            ),
            code(found.request_id),
        ]
        name = f"{self._quoted(it.kiosk_name)}, " if it.kiosk_name else ""
        here = self._text("operations.kiosk_here" if it.is_here else "operations.kiosk_away")
        lines.append(self._text("operations.kiosk", kiosk=code(found.kiosk_id), name=name, here=here))
        if found.api_key_id is None:
            lines.append(self._text("operations.key_none"))
        elif it.key_name:
            name = self._quoted(it.key_name)
            lines.append(self._text("operations.key_of", name=name, id=code(found.api_key_id)))
        else:
            lines.append(self._text("operations.key_gone", id=code(found.api_key_id)))
        if found.idempotency_key is not None:
            lines.append(self._text("operations.idempotency", key=code(cut_plain(found.idempotency_key, _KEY_MAX))))
        return Html("\n".join(lines))

    def _times(self, it: Operation) -> Html:
        since = ago(self._say, self._language, it.created_at, self._now)
        lines = [self._text("operations.created", when=self._say.when(it.created_at), ago=since)]
        if it.start_by is not None:
            lines.append(self._text("operations.queued", when=self._say.when(it.start_by)))
        for key, at in (
            ("operations.sent", it.sent_at),
            ("operations.accepted", it.accepted_at),
            ("operations.finished", it.finished_at),
        ):
            if at is not None:
                lines.append(self._text(key, after=self._after(at - it.created_at)))
        if it.elapsed is not None:
            lines.append(self._text("operations.took", seconds=f"{it.elapsed:.2f}"))
        return Html("\n".join(lines))

    def _after(self, seconds: float) -> str:
        """Short times to the hundredth."""
        if seconds >= 60:
            return span(self._language, seconds)
        unit = span(self._language, 0).partition(" ")[2]
        return f"{max(0.0, seconds):.2f} {unit}"

    def _end(self, it: Operation) -> Html:
        lines = []
        if it.status is not None:
            lines.append(self._text("operations.answered", status=it.status))
        if it.problem is not None:
            detail = _words(it.detail or "")
            lines.append(self._text("operations.problem", problem=code(it.problem), detail=detail))
        if it.elapsed is not None and it.executed in {"yes", "no", "unknown"} and not it.is_final:
            words = self._text(f"operations.word.{it.executed}")
            lines.append(self._text("operations.executed", executed=words))
        return Html("\n".join(lines))

    def _resolution(self, it: Seen) -> Html:
        found = it.resolution
        if found is None:
            return Html("")
        by, why = escape(found.by), escape(found.why)
        lines = [
            self._text("operations.resolved_yes" if found.state == State.SUCCEEDED else "operations.resolved_no"),
            self._text("operations.resolved_who", by=by, when=self._say.when(found.at), why=why),
            self._text("operations.resolved_before", before=_words(found.before)),
        ]
        if found.told_at is not None:
            words = self._told(found)
            lines.append(self._text("operations.told", when=self._say.when(found.told_at), told=words))
        if found.contradiction:
            lines.append(self._text("operations.contradicted", words=found.contradiction))
        return Html("\n".join(lines))

    def _told(self, found: Resolution) -> Html:
        told = msgspec.json.decode(found.told or b"{}", type=Told)
        words = self._text(f"operations.word.{told.executed}")
        more = f"HTTP {told.status}" if told.status is not None else (told.problem or {}).get("type", "")
        return Html(f"{words} ({escape(more)})" if more else words)

    def _quoted(self, name: str) -> str:
        """A name in the marks of the reader's language."""
        short = cut_plain(name, _NAME_MAX)
        return f"“{short}”" if self._language == "en" else f"«{short}»"

    def _text(self, key: str, /, **fields: object) -> Html:
        return self._say(self._language, key, **fields)


def _words(text: str) -> str:
    """What a kiosk said for people: it may have quoted what nobody is to read."""
    return cut_plain(masked_text(text), _DETAIL_MAX)


class Told(msgspec.Struct, frozen=True):
    """What a kiosk told after a person, as it is kept."""

    executed: str = "unknown"
    status: int | None = None
    body: msgspec.Raw = msgspec.Raw(b"null")
    problem: dict[str, str] | None = None
