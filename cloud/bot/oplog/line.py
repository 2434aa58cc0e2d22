"""One operation as a message: what was asked, and in the same message, once it is there, what came of it. Pure.

A short body is shown as it is, a longer one folded, and of one that fits no message its beginning: the whole of it
follows as a file. Both bodies are masked before anything else is done with them.
"""

from typing import Literal

import msgspec

from cloud.bot.html import TEXT_MAX, Html, bold, code, cut_plain, escape, length, pre, units
from cloud.bot.oplog.fields import summary_of
from cloud.bot.reply import Language
from cloud.bot.texts import Texts
from cloud.bot.texts.times import span
from cloud.masking import masked_json, masked_text
from cloud.operations.feed import Told
from wire.problems import PROBLEMS, Outcome

Part = Literal["request", "answer"]
Word = Literal["queued", "sent", "succeeded", "failed", "not_executed", "expired", "unknown", "refused", "unchecked"]
ICONS: dict[Word, str] = {
    "queued": "🕒", "sent": "⏳", "succeeded": "✅", "failed": "❌", "not_executed": "🚫", "expired": "⌛",
    "unknown": "❓", "refused": "🚫", "unchecked": "❓",
}  # fmt: skip
_REQUEST_MAX = 1700  # units of a message that the request may take, so that an answer has room
_BEGINNING = 500  # units that are shown of what is in a file
_OPEN_LINES, _OPEN_UNITS = 14, 500  # what is longer is folded
_DETAIL_MAX = 300
_SAY_ALL = frozenset({"kiosk-offline", "unknown-kiosk", "kiosk-disabled"})  # problems whose details say no more
_MARGIN = 40  # for line breaks and dots between the parts


class File(msgspec.Struct, frozen=True):
    """The whole of what did not fit, as a reply to its message."""

    part: Part
    name: str
    data: bytes
    caption: str


class Drawn(msgspec.Struct, frozen=True):
    """A message as HTML, and the files that belong to it."""

    html: Html
    files: tuple[File, ...] = ()


def word_of(told: Told) -> Word:
    """What became of it, in one word."""
    if told.what == "refused":
        problem = PROBLEMS.get(told.problem or "")
        return "refused" if problem is None or problem.outcome == Outcome.NOT_EXECUTED else "unchecked"
    if told.state == "failed":
        return "not_executed" if told.executed == "no" else "failed"
    if told.state in {"queued", "succeeded", "expired", "unknown"}:
        return told.state  # type: ignore[return-value]
    return "sent"


def is_open(told: Told) -> bool:
    """Whether there will be more of it."""
    return told.what != "refused" and word_of(told) in {"queued", "sent", "unknown"}


def draw(say: Texts, language: Language, told: Told, *, was_unknown: bool = False, bodies: bool = True) -> Drawn:
    """The message of one operation as it stands. `was_unknown`: its caller has been told that before.

    Without `bodies` the JSON is not held any more, and the message says so.
    """
    word = word_of(told)
    request = masked_json(told.body) if bodies else ""
    answer = masked_json(told.answer) if bodies and told.status is not None else ""
    head = [Html(f"{ICONS[word]} {bold(f'{told.method} {told.operation}')} · {code(told.kiosk_id)}")]
    if fields := summary_of(request, answer=False):
        head.append(escape(" · ".join(fields)))
    end = [_ending(say, language, told, word, was_unknown)]
    if fields := summary_of(answer, answer=True):
        end.append(escape(" · ".join(fields)))
    if not bodies:
        end.append(say(language, "oplog.no_bodies"))
    foot = code(told.request_id)

    files: list[File] = []
    used = sum(length(part) for part in (*head, *end, foot)) + _MARGIN
    request_block = ""
    if request.strip() not in {"", "{}"}:
        request_block, file = _block(say, language, request, _REQUEST_MAX)
        files += [_file(say, language, told, "request", request)] if file else []
        used += length(request_block)
    answer_block = ""
    if answer.strip() not in {"", "{}"}:
        answer_block, file = _block(say, language, answer, TEXT_MAX - used)
        files += [_file(say, language, told, "answer", answer)] if file else []
    parts = ["\n".join(head), request_block, "\n".join(end), answer_block, foot]
    return Drawn(Html("\n".join(part for part in parts if part)), tuple(files))


def _block(say: Texts, language: Language, text: str, room: int) -> tuple[Html, bool]:
    """A body as it fits into `room` units, and whether there must be a file with the whole of it."""
    size = units(text)
    if size > room:
        note = say(language, "oplog.in_file", count=size)
        beginning = cut_plain(text, min(_BEGINNING, max(1, room - length(note) - 1)))
        return Html(f"{_folded(beginning)}\n{note}"), True
    is_short = size <= _OPEN_UNITS and text.count("\n") < _OPEN_LINES
    return (pre(text, "json") if is_short else _folded(text)), False


def _file(say: Texts, language: Language, told: Told, part: Part, text: str) -> File:
    name = f"{told.kiosk_id.replace(':', '_')}-{told.operation}-{told.request_id[-12:]}-{part}.json"
    caption = say(language, f"oplog.file.{part}", id=told.request_id)
    return File(part, name, text.encode("utf-8", "backslashreplace"), caption)


def _folded(text: str) -> Html:
    # Clients do not show `pre` inside a quotation alike; `code` is monospace in all of them.
    return Html(f"<blockquote expandable>{code(text)}</blockquote>")


def _ending(say: Texts, language: Language, told: Told, word: Word, was_unknown: bool) -> Html:
    """The line that says what came of it, why, and how long it took."""
    key = f"oplog.known.{word}" if was_unknown and word in {"succeeded", "failed", "not_executed"} else f"oplog.{word}"
    parts: list[str] = [bold(say(language, key))]
    if told.status is not None:
        parts.append(f"HTTP {told.status}")
    if took := took_words(say, language, told):
        parts.append(took)
    line = " · ".join(parts)
    if not told.problem or word in {"sent", "queued", "succeeded"}:
        return Html(line)
    why = say(language, f"oplog.problem.{told.problem}") if told.problem in PROBLEMS else escape(told.problem)
    said = "" if told.problem in _SAY_ALL else told.detail or ""
    detail = escape(cut_plain(masked_text(said), _DETAIL_MAX))
    return Html(f"{line}\n{why}{': ' if detail else ''}{detail}")


def took_words(say: Texts, language: Language, told: Told) -> str:
    """How long it took, and how long of that at the kiosk; empty where that is not known."""
    if told.seconds is None:
        return (
            ""
            if told.kiosk_seconds is None or told.what != "ended"
            else say(language, "oplog.took_kiosk", time=seconds_words(language, told.kiosk_seconds))
        )
    time = seconds_words(language, told.seconds)
    if not told.kiosk_seconds:
        return time
    return say(language, "oplog.took", time=time, kiosk=seconds_words(language, told.kiosk_seconds))


def seconds_words(language: Language, seconds: float) -> str:
    """`0.84 s`, `12.3 s`, `2 min 5 s`."""
    if seconds >= 100:
        return span(language, seconds)
    digits = f"{seconds:.2f}" if seconds < 10 else f"{seconds:.1f}"
    return f"{digits} s" if language == "en" else f"{digits.replace('.', ',')} с"
