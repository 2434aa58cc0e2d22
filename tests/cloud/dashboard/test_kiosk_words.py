"""What pages about kiosks say: every state and reason has its sentence in every language."""

import pytest

from cloud.dashboard.kiosk_rows import FILTERS, State
from cloud.dashboard.kiosk_words import DEVICE_STATES, LEVELS, ROLES, ended, enrolment, left, refused, tone_of, verdict
from cloud.dashboard.texts import TEXTS
from cloud.kiosks.codes import Reason, Result
from cloud.kiosks.history import HUB_DIED, HUB_STOPPED, Connection
from wire.problems import CloseCode

WHYS = (
    "lost",
    "silent",
    "replaced",
    HUB_DIED,
    HUB_STOPPED,
    "1000",
    "1001",
    "1006",
    "1009",
    *(str(int(c)) for c in CloseCode),
    "?",
)


def told(key: str) -> None:
    for language, texts in TEXTS.items():
        assert key in texts, (language, key)


def test_every_word_that_is_put_together_is_there() -> None:
    for why in WHYS:
        told(left(why))
        told(refused(why))
    for name in (
        *(f"state-{each}" for each in State), *(f"filter-{each}" for each in ("all", *FILTERS)), *LEVELS,
        *(f"device-{each}" for each in DEVICE_STATES), *(f"role-{each.replace(' ', '-')}" for each in ROLES),
        *(f"reason-{each}" for each in (*Reason, "token", "removal")),
    ):  # fmt: skip
        told(f"kiosks.{name}")
    for result in (*Result, "of-later"):
        told(enrolment(result)[0])


@pytest.mark.parametrize(
    ("facts", "tone", "key"),
    [
        ({}, "good", "connected"),
        ({"attention": 2}, "warn", "attention"),
        ({"attention": 2, "flaps": True}, "warn", "flapping"),
        ({"double": True, "attention": 1}, "bad", "double"),
        ({"state": State.AWAY}, "bad", "away"),
        ({"state": State.AWAY, "is_refused": True}, "bad", "away"),
        ({"state": State.NEVER}, "idle", "never"),
        ({"state": State.NEVER, "has_code": True}, "idle", "never"),
        ({"state": State.DISABLED, "double": True}, "idle", "disabled"),
    ],
)
def test_the_worst_is_said_first(facts: dict[str, object], tone: str, key: str) -> None:
    base = {
        "state": State.CONNECTED,
        "attention": 0,
        "flaps": False,
        "double": False,
        "is_refused": False,
        "has_code": False,
    }
    found = verdict(**{**base, **facts})  # type: ignore[arg-type]
    assert (found.tone, found.key) == (tone, f"kiosks.verdict-{key}")
    told(found.key)
    if found.advice:
        told(found.advice)


def test_a_line_of_the_history() -> None:
    row = Connection(number=1, kiosk_id="k", began_at=1.0)
    assert (ended(row), tone_of(row)) == ("kiosks.left-open", "good")
    row.ended_at, row.why = 2.0, "silent"
    assert (ended(row), tone_of(row)) == ("kiosks.left-silent", "bad")
    row.why = HUB_STOPPED
    assert (ended(row), tone_of(row)) == ("kiosks.left-hub", "idle")
    row.refused, row.why = True, "4401"
    assert (ended(row), tone_of(row)) == ("kiosks.no-token", "warn")
