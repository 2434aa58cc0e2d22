"""What is wrong just now, as a list with pages: the worst first, and of that what nobody has acknowledged. Pure."""

from collections.abc import Mapping, Sequence

from cloud.alerts.alert import Alert, Mute, Severity
from cloud.bot.alert_words import Words, icon, title
from cloud.bot.html import Html, bold, cut_plain
from cloud.bot.reply import DATA_MAX, Button, Language, Reply
from cloud.bot.texts import Texts
from cloud.bot.texts.times import span

PAGE = 8
_RANK = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}
_IN_A_ROW = 4
_KIOSK_MAX = 40  # of a kiosk's id in a button's data; a longer one is named by one of its alerts


class Listed:
    """One page of alerts: all, or those of one kiosk."""

    def __init__(self, say: Texts, language: Language, words: Words, now: float) -> None:
        self._say = say
        self._language = language
        self._words = words
        self._now = now

    def page(
        self,
        alerts: Sequence[Alert],
        mutes: Mapping[str, Mute],
        *,
        kiosk_id: str = "",
        page: int = 0,
        edits: bool = False,
    ) -> Reply:
        """Page number `page`, from 0; one that is not there any more is the last."""
        if not alerts:
            key, fields = ("none_of", {"kiosk": kiosk_id}) if kiosk_id else ("none", {})
            return Reply(html=self._text(key, **fields), edits=edits)
        found = sorted(alerts, key=_place)
        pages = -(-len(found) // PAGE)
        page = max(0, min(page, pages - 1))
        shown = found[page * PAGE : (page + 1) * PAGE]
        key = "heading_of" if kiosk_id else "heading"
        lines = [bold(self._text(key, count=len(found), kiosk=kiosk_id))]
        severity = None
        for alert in shown:
            if alert.severity is not severity:
                severity = alert.severity
                lines.append(Html(f"\n{icon(severity)} {bold(self._text(str(severity)))}"))
            lines += self._one(alert, mutes)
        return Reply(html="\n".join(lines), buttons=self._buttons(found, shown, kiosk_id, page, pages), edits=edits)

    def _one(self, alert: Alert, mutes: Mapping[str, Mute]) -> list[Html]:
        name = title(self._say, self._language, alert.kind)
        lines = [Html(f"#{alert.number} {bold(name)}: {self._words.line(alert)}")]
        if acknowledged := self._words.acknowledged(alert):
            lines.append(Html(f"    ✓ {acknowledged}"))
        until = max(
            (mute.until for scope in (alert.kiosk_id, alert.kind) if (mute := mutes.get(scope)) is not None),
            default=0.0,
        )
        if until > self._now:
            lines.append(Html(f"    🔕 {self._text('muted', span=span(self._language, until - self._now))}"))
        return lines

    def _buttons(
        self, found: Sequence[Alert], shown: Sequence[Alert], kiosk_id: str, page: int, pages: int
    ) -> list[list[Button]]:
        of = kiosk_id if len(kiosk_id) <= _KIOSK_MAX else f"#{found[0].number}"
        row = [
            Button(self._say.plain(self._language, "alerts.button.ack_number", number=alert.number), data)
            for alert in shown
            if alert.acknowledged_at is None and len(data := f"acked:{alert.number}:{page}:{of}") <= DATA_MAX
        ]
        rows = [row[n : n + _IN_A_ROW] for n in range(0, len(row), _IN_A_ROW)]
        turn = []
        if page > 0:
            turn.append(Button(f"‹ {page}", f"alerts:{page - 1}:{of}"))
        if pages > 1:
            turn.append(Button(f"{page + 1}/{pages} ⟳", f"alerts:{page}:{of}"))
        if page < pages - 1:
            turn.append(Button(f"{page + 2} ›", f"alerts:{page + 1}:{of}"))
        return [*rows, turn] if turn else rows

    def _text(self, key: str, **fields: object) -> Html:
        return self._say(self._language, f"alerts.{key}", **fields)


def shortened(scope: str) -> str:
    """A kiosk's id or a kind, for a button."""
    return cut_plain(scope, 24)


def _place(alert: Alert) -> tuple[int, bool, float, int]:
    return _RANK[alert.severity], alert.acknowledged_at is not None, -alert.since, alert.number
