"""Alerts in plain English."""

import pytest

from cloud.alerts.alert import Alert, Notice, Severity, What
from cloud.alerts.words import say_alert, say_notice, span

NOW = 1_800_000_000.0


def alert(kind: str = "device-fault", kiosk: str = "kiosk_001", subject: str = "bills", **data: str | int) -> Alert:
    return Alert(
        number=1,
        kind=kind,
        kiosk_id=kiosk,
        subject=subject,
        severity=Severity.CRITICAL,
        since=NOW - 7500,
        raised_at=NOW - 1200,
        gone_at=NOW - 300,
        data=dict(data),
    )


def notice(what: What, *alerts: Alert) -> Notice:
    kinds = {one.kind for one in alerts}
    kind = kinds.pop() if len(kinds) == 1 else ""
    return Notice(what=what, kind=kind, severity=Severity.CRITICAL, alerts=list(alerts), at=NOW)


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (alert(words="jammed"), "kiosk_001, bills: a device reports a fault: jammed"),
        (alert("kiosk-offline", subject=""), "kiosk_001: a kiosk is not connected"),
        (alert("hub-database", "", "", error="it is away"), "the hub's database does not work: it is away"),
        (alert("operation-unknown", "", "", count=58), "nobody knows what became of 58 more operations"),
        (alert("device-fault", subject="", more=130), "kiosk_001: a device reports a fault, 130 more"),
        (alert("of a later version"), "kiosk_001, bills: of a later version"),
    ],
)
def test_an_alert(one: Alert, words: str) -> None:
    assert say_alert(one) == words


def test_notices() -> None:
    offline = [alert("kiosk-offline", f"k{number}", "") for number in range(7)]
    named = "k0, k1, k2, k3, k4 and 2 more"
    for what, alerts, words in (
        (What.RAISED, offline, f"7 alerts, a kiosk is not connected: {named}"),
        (What.RAISED, offline[:1], "k0: a kiosk is not connected"),
        (What.REPEATED, [alert()], "kiosk_001, bills: a device reports a fault; so for 2 h 5 min"),
        (
            What.ESCALATED,
            [alert()],
            "kiosk_001, bills: a device reports a fault; nobody has acknowledged it for 20 min",
        ),
        (What.CLEARED, offline[:1], "k0: connected again after 2 h"),
        (What.CLEARED, offline, f"7 alerts are over, kiosks connected again: {named}"),
        (What.CLEARED, [alert()], "kiosk_001, bills: a device reports a fault: over after 2 h"),
        (What.MISSED, [alert(), offline[0]], "2 alerts came and went meanwhile: device-fault, kiosk-offline"),
        (What.MISSED, [alert()], "1 alert came and went meanwhile: device-fault"),
    ):
        assert say_notice(notice(what, *alerts)) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (7500, "2 h 5 min"),
        (7200, "2 h"),
        (90000, "1 d 1 h"),
        (86400, "1 d"),
    ],
)
def test_spans(seconds: float, words: str) -> None:
    assert span(seconds) == words
