"""docs/alerts.md says what the webhook of alerts posts, and how to verify it."""

import base64
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from standardwebhooks import Webhook

from cloud.alerts.alert import Alert, Notice, Severity, What
from cloud.alerts.webhook import LISTED_MAX, body_of
from cloud.bot.acts_alerts import COMMANDS
from cloud.bot.alert_words import NAMED_MAX, Words
from cloud.bot.html import plain
from cloud.bot.texts import Texts
from tests.markdown import fences, rows

TEXT = (Path(__file__).resolve().parent.parent.parent / "docs/alerts.md").read_text(encoding="utf-8")
RAISED = datetime(2026, 1, 31, 14, 14, 31, tzinfo=UTC).timestamp()
FULL = Alert(
    number=17,
    kind="cassette-full",
    kiosk_id="kiosk_001",
    subject="bills",
    severity=Severity.CRITICAL,
    since=RAISED - 740,
    raised_at=RAISED,
    data={"count": 1180, "capacity": 1200},
)
NOTICE = Notice(what=What.RAISED, kind=FULL.kind, severity=FULL.severity, alerts=[FULL], at=RAISED)


def section(title: str) -> str:
    """From a heading to the next one."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def test_the_example_is_what_is_posted() -> None:
    (example,) = fences(section("By webhook"), "json")
    posted = body_of(NOTICE, lambda _: "Abay 12")
    assert msgspec.json.decode(example) == msgspec.json.decode(posted)


def test_every_type_and_member_stands_there() -> None:
    text = section("By webhook")
    assert set(re.findall(r"`alert\.(\w+)`", text)) == {str(what) for what in What}
    told = {name for cells in rows(text) for name in re.findall(r"`(\w+)`", "|".join(cells))}
    posted: dict[str, Any] = msgspec.json.decode(body_of(NOTICE, lambda _: "Abay 12"))
    members = {"type", *posted["data"], *posted["data"]["alerts"][0]} - {"cleared_at", "acknowledged_by"}
    assert members <= told | {"raised_at"}
    assert f"at most {LISTED_MAX}" in text


def test_what_is_shown_verifies_a_signature() -> None:
    space: dict[str, Any] = {}
    (source,) = fences(section("By webhook"), "python")
    exec(source, space)
    secret = "whsec_" + base64.b64encode(bytes(32)).decode()
    now, body = datetime.now(UTC), body_of(NOTICE, lambda _: "")
    headers = {
        "webhook-id": "alert_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("alert_1", now, body),
    }
    assert space["read_alert"](secret, headers, body)["type"] == "alert.raised"


def test_the_message_is_as_it_is_sent() -> None:
    text = section("In Telegram")
    shown = fences(text, "")[0].splitlines()
    sent = plain(Words(Texts(), "en", lambda _: "Abay 12", RAISED).message(NOTICE)).splitlines()
    assert [line for line in shown if not line.startswith(("Since", "["))] == [
        line for line in sent if not line.startswith("Since")
    ]
    assert f"at most {NAMED_MAX} of them" in text


def test_every_command_stands_there() -> None:
    told = [cells[0].replace("\\|", "|").strip("`") for cells in rows(section("In Telegram"))]
    for command in COMMANDS:
        assert f"/{command.name} {command.usage}".strip() in told
