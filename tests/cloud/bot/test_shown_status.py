"""The hub and the fleet at a glance."""

import msgspec
import pytest

from cloud.alerts.alert import Mute
from cloud.bot.reply import Language
from cloud.bot.secrets_shown import code_lines, env_lines, last_lines, typed_url
from cloud.bot.shown_status import HubLine, Status, shown
from cloud.bot.texts import Texts
from cloud.emulator.entities import parse_html
from cloud.kiosks.enrolment import MadeCode
from cloud.kiosks.shown import socket_url
from cloud.operations.operation import State

SAY = Texts()
WELL = Status(
    version="1.2.3", up=90_000.0, url="https://hub.example.com", reasons=(), database="connected", redis="disabled",
    bot="connected", online=119, enabled=120, disabled=0, doubles=0, running=3, queued=12,
    hour={"succeeded": 1200, "failed": 3}, unknown=0, callbacks=0, alerts=0,
)  # fmt: skip


def text(language: Language = "en", **changes: object) -> str:
    html = shown(SAY, language, msgspec.structs.replace(WELL, **changes))
    parse_html(html)
    return html


def test_a_hub_that_is_well() -> None:
    assert text() == (
        "✅ <b>The hub is well</b>\nversion 1.2.3, up for 1 d 1 h\nhttps://hub.example.com\n"
        "Database: works · Redis: not used · bot: works\n\n"
        "<b>Kiosks</b>: 119 connected of 120 enabled (99 %)\n\n"
        "<b>Operations of the last hour</b>: 1203\n✅ succeeded: 1200 · ❌ failed: 3\n"
        "Just now: 3 under way, 12 queued\nOutcome unknown, however old: 0\n\n<b>Alerts</b>: none"
    )


def test_troubles_are_named_in_the_readers_language() -> None:
    reasons = (
        "the database does not work: OSError: <disk>",
        "Redis is not reached",
        "two boxes were seen with one kiosk's identity: 2 kiosks, see /admin/kiosks",
        "the hub is stopping",
        "what <nobody> knew",
    )
    html = text("ru", reasons=reasons, database="unreachable", redis="unreachable", bot="conflict", doubles=2)
    assert html.startswith(
        "⚠️ <b>С хабом не всё в порядке</b>\n• База данных не работает: OSError: &lt;disk&gt;\n• Redis не отвечает\n"
        "• Две машины под одним именем: 2 киоска\n• Хаб останавливается\n• what &lt;nobody&gt; knew\n"
    )
    assert "База данных: не отвечает · Redis: не отвечает · бот: с его токеном работает другая программа" in html
    assert "2 с двойником" in html


def test_of_several_hubs_those_with_troubles_come_first() -> None:
    hubs = [
        HubLine(name="a/1", is_this=True, kiosks=21, status="healthy"),
        HubLine(name="b/2", is_this=False, kiosks=0, status="degraded", troubles=["the database does not work: <why>"]),
        HubLine(name="c/3", is_this=False, kiosks=7, status="unknown"),
    ]
    assert (
        "<b>Хабы</b>: 3\n🟡 <code>b/2</code> · 0 киосков\n   База данных не работает: &lt;why&gt;\n"
        "⚪ <code>c/3</code> · нет связи, пока Redis недоступен\n🟢 <code>a/1</code> · отвечает вам · 21 киоск\n"
    ) in text("ru", hubs=hubs)
    many = [HubLine(name=f"h/{number}", is_this=False, kiosks=1, status="healthy") for number in range(30)]
    assert text(hubs=many).count("🟢 <code>h/") == 10


def test_many_operations_are_counted_in_the_readers_language() -> None:
    html = text("ru", hour={State.SUCCEEDED: 8, State.UNKNOWN: 1})
    assert "✅ выполнено: 8 · ❓ исход неизвестен: 1" in html


def test_without_the_database_the_rest_is_told() -> None:
    html = text(hour=None, unknown=None, callbacks=None)
    assert "not known, the database does not answer\nJust now: 3 under way, 12 queued\n\n" in html
    assert "unknown, however" not in html


def test_what_needs_somebody_leads_on() -> None:
    mutes = [Mute(scope=f"kiosk_{n}", until=1_800_000_000.0, at=0.0, by="x") for n in range(7)]
    html = text(unknown=4, callbacks=2, alerts=3, mutes=mutes, disabled=1, doubles=1, hour={})
    assert "<b>Operations of the last hour</b>: none" in html
    assert "Outcome unknown, however old: 4: /unknown\n2 callbacks to be delivered" in html
    assert "<b>Alerts</b>: 3 standing: /alerts\nMuted: <code>kiosk_0</code> until 2027-01-15 08:00 UTC, " in html
    assert html.endswith("<code>kiosk_4</code> until 2027-01-15 08:00 UTC, …")
    assert "120 enabled (99 %), 1 disabled, ⚠️ 1 with two boxes: /list_kiosks double" in html


def test_the_first_day() -> None:
    html = text(online=0, enabled=0, url="", alerts=None)
    assert "<b>Kiosks</b>: none yet. The first: <code>/add_kiosk kiosk_001</code>" in html
    assert "PUBLIC_URL is not set" in html
    assert "Alerts" not in html
    assert "(0 %)" in text(online=0, enabled=3)
    assert "%" not in text(online=0, enabled=0, disabled=2)


# What is secret


@pytest.mark.parametrize(
    ("public", "socket", "typed"),
    [
        ("", "wss://THIS-HUB/ws", "THIS-HUB"),
        ("https://hub.example.com", "wss://hub.example.com/ws", "hub.example.com"),
        ("https://hub.example.com:8443/kiosks/", "wss://hub.example.com:8443/kiosks/ws", "hub.example.com:8443/kiosks"),
        ("http://10.0.0.1:8000", "ws://10.0.0.1:8000/ws", "http://10.0.0.1:8000"),
    ],
)
def test_addresses(public: str, socket: str, typed: str) -> None:
    assert (socket_url(public), typed_url(public)) == (socket, typed)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_no_secret_stands_in_the_open(language: Language) -> None:
    made = MadeCode("FVSF-QKXE", 86_400.0)
    parts = [*code_lines(SAY, language, made, "", 0.0), env_lines("eyJ.a.b", ""), *last_lines(SAY, language, "")]
    html = "\n".join(parts)
    found = parse_html(html)
    plain, spoilers = found.text, [e for e in found.entities if e["type"] == "spoiler"]
    assert all(ord(c) <= 0xFFFF for c in plain)  # so that offsets are of characters
    hidden = "".join(plain[e["offset"] : e["offset"] + e["length"]] for e in spoilers)
    assert plain.count("FVSF-QKXE") == hidden.count("FVSF-QKXE") == 2
    assert plain.count("eyJ.a.b") == hidden.count("eyJ.a.b") == 1
    assert "kioskwire-appliance enroll --hub THIS-HUB --code FVSF-QKXE" in hidden
    assert "WS_SERVER_URL=wss://THIS-HUB/ws\nWS_TOKEN=eyJ.a.b" in hidden
    assert "PUBLIC_URL" in plain
    assert len(last_lines(SAY, language, "https://x")) == 1
