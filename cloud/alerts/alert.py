"""The nouns of this room. Times are Unix seconds."""

from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """How bad it is. CRITICAL is told in quiet hours, and told on when nobody acknowledges it."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong just now. `kiosk_id` is empty for the hub's own; `subject` a device or a document.

    `data` is for the words: numbers and short texts, none of them secret.
    """

    kind: str
    kiosk_id: str = ""
    subject: str = ""
    since: float
    data: dict[str, str | int | float | None] = {}

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same as one seen before."""
        return self.kind, self.kiosk_id, self.subject


class Alert(msgspec.Struct, kw_only=True):
    """A condition that has held long enough for people to know."""

    number: int
    kind: str
    kiosk_id: str = ""
    subject: str = ""
    severity: Severity
    since: float  # when what is wrong began
    raised_at: float
    gone_at: float | None = None  # it holds no more since, and may come back
    cleared_at: float | None = None
    escalated_at: float | None = None
    acknowledged_at: float | None = None
    acknowledged_by: str = ""
    data: dict[str, str | int | float | None] = {}

    @property
    def key(self) -> tuple[str, str, str]:
        """As of its condition."""
        return self.kind, self.kiosk_id, self.subject


class What(StrEnum):
    """What a notice says of its alerts."""

    RAISED = "raised"
    REPEATED = "repeated"  # they still stand
    ESCALATED = "escalated"  # nobody has acknowledged them
    CLEARED = "cleared"
    MISSED = "missed"  # they came and went while this way of telling was shut


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts of one kind to be told of together: one line for one, one message for many. MISSED is one notice of all
    that came and went: its `kind` is empty where they are of several."""

    what: What
    kind: str
    severity: Severity
    alerts: list[Alert]
    at: float


class Mute(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is told of a kiosk, or of a kind, until then. `scope` is the kiosk's id or the kind."""

    scope: str
    until: float
    at: float
    by: str
