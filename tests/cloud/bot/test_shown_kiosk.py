"""Everything about one kiosk, as one message."""

import msgspec
import pytest

from cloud.alerts.alert import Alert, Condition, Severity
from cloud.bot.html import length
from cloud.bot.reply import Language
from cloud.bot.shown_kiosk import Looked, amount, shown
from cloud.bot.shown_stand import Stand, State, stand
from cloud.bot.shown_times import ago
from cloud.bot.texts import Texts
from cloud.emulator.entities import parse_html
from cloud.kiosks.absence import Ended
from cloud.kiosks.doubles import Double
from cloud.kiosks.link import Link
from cloud.kiosks.links import Links
from cloud.kiosks.registry import Kiosk
from cloud.kiosks.whereabouts import Whereabouts
from cloud.metrics import Metrics
from cloud.operations.facts import Collected, LevelSaid, Told, Updated
from cloud.operations.operation import Operation
from cloud.operations.operation import State as OpState
from wire.messages import Device

NOW = 1_800_000_000.0
SAY = Texts()
KIOSK = Kiosk(id="kiosk_001", name="Till 2", enabled=True, generation=0, created_at=NOW - 86400)
OFFLINE = Stand(kiosk=KIOSK, state=State.OFFLINE, since=NOW - 720)
ONLINE = Stand(kiosk=KIOSK, state=State.ONLINE, since=NOW - 720)


def text(language: Language = "en", **known: object) -> str:
    given = {"stand": ONLINE, "now": NOW, "up": 3600.0, **known}
    html = shown(SAY, language, Looked(**given))  # type: ignore[arg-type]
    parse_html(html)
    return html


def ended(why: str, code: int | None = None, at: float = NOW - 720) -> Ended:
    return Ended(at=at, why=why, code=code, address="192.0.2.7")


def test_times() -> None:
    assert ago(SAY, "en", NOW - 720, NOW) == "12 min ago"
    assert ago(SAY, "ru", NOW - 720, NOW) == "12 мин назад"
    assert ago(SAY, "en", NOW + 3600, NOW) == "just now"


async def test_how_it_stands() -> None:
    links = Links(hub_name="here", metrics=Metrics())
    where = Whereabouts(links)
    assert stand(KIOSK, where, {}).state is State.NEVER
    link = links._links["kiosk_001"] = Link("kiosk_001")
    assert stand(KIOSK, where, {}).state is State.NEVER  # it has only tried
    enrolled = msgspec.structs.replace(KIOSK, enrolled_at=5.0)
    assert stand(enrolled, where, {}) == Stand(kiosk=enrolled, state=State.OFFLINE, since=None)
    assert stand(KIOSK, where, {"kiosk_001": None}) == Stand(kiosk=KIOSK, state=State.OFFLINE, since=None)
    assert stand(KIOSK, where, {"kiosk_001": 7.0}).since == 7.0
    link.left = ended("1006")
    assert stand(KIOSK, where, {"kiosk_001": 7.0}) == OFFLINE
    link.ready, link.connected_at = True, 9.0
    assert stand(KIOSK, where, {}) == Stand(kiosk=KIOSK, state=State.ONLINE, since=9.0)
    disabled = msgspec.structs.replace(KIOSK, enabled=False)
    assert stand(disabled, where, {}) == Stand(kiosk=disabled, state=State.DISABLED, since=NOW - 720)


def test_one_that_is_here() -> None:
    html = text(address="192.0.2.7", dialect="kiosk.v2", version="1.2.3", unsettled=1, running=2, queued=1)
    assert html == (
        "🟢 <code>kiosk_001</code> Till 2\nconnected for 12 min, since 2027-01-15 07:48 UTC\n"
        "from 192.0.2.7, kiosk.v2, version 1.2.3\n1 outcome not yet told to the hub when it connected\n"
        "2 operations under way, 1 queued\n\n<b>Enrolment</b>\nnot enrolled: its token alone lets it in"
    )


@pytest.mark.parametrize(
    ("why", "code", "said"),
    [
        ("1006", 1006, "Why: the connection broke without a goodbye: its power or its network (code 1006)"),
        ("silent", None, "Why: it fell silent: its power or its network"),
        ("4401", 4401, "Why: its token was renewed, or its key is another one now (code 4401)"),
        ("lost", 4999, "Why: the connection broke without a goodbye: its power or its network (code 4999)"),
        ("9999", None, "Why: the connection was closed"),
    ],
)
def test_why_one_is_offline(why: str, code: int | None, said: str) -> None:
    assert f"\n{said}\n" in text(stand=OFFLINE, left=ended(why, code))


def test_one_that_is_not_let_in_says_why() -> None:
    refused = ended("4401", 4401, at=NOW - 60)
    html = text(stand=OFFLINE, left=ended("1006", 1006), refused=refused)
    assert "⚠️ It tries to come in and is not let in: its token or key is not the one in force" in html
    assert "(4401). Last 1 min ago, from 192.0.2.7" in html
    assert "not let in" not in text(refused=refused)  # it is here
    assert "(4403)" in text(stand=OFFLINE, refused=ended("4403", 4403))
    assert "before it said hello (lost)" in text(stand=OFFLINE, refused=ended("lost"))


def test_one_that_is_disabled_says_how_to_let_it_in() -> None:
    it = Stand(kiosk=msgspec.structs.replace(KIOSK, enabled=False), state=State.DISABLED, since=None)
    assert "🚫 <code>kiosk_001</code> Till 2\ndisabled\nIt is kept out: /enable_kiosk lets it in again." in text(
        stand=it
    )


def test_two_boxes_are_told() -> None:
    double = Double(address="10.0.0.1", other="10.0.0.2", is_same_journal=True, count=3, first_at=0.0, last_at=NOW - 60)
    html = text(double=double)
    assert "Two boxes go by its identity: 10.0.0.1 and 10.0.0.2, 3 times, last 1 min ago" in html
    assert "One's disk was copied" in html


def test_devices_and_levels() -> None:
    devices = [
        Device(name="bills", role="bills", driver="ccnet", state="ready"),
        Device(name="hopper", state="fault"),
        Device(name="odd", state="dreaming"),
    ]
    told = Told(
        levels=[
            LevelSaid(device="bills", at=NOW - 60, kind="level-near-full", count=480, capacity=500),
            LevelSaid(device="coins", at=NOW - 60, kind="level-set", count=30),
            LevelSaid(device="hopper", at=NOW - 60, kind="level-empty"),
            LevelSaid(device="old", at=NOW - 7200, kind="level-full", count=500, capacity=500),
        ],
        collections=[Collected(device="old", at=NOW - 3600, total=15_400_000, currency="KZT", pieces=310)],
        heard_at=NOW - 30,
    )
    html = text(devices=devices, told=told)
    named = [Device(name="bills", role="bill validator", driver="ccnet", state="ready")]
    assert "✅ bills (bill validator, ccnet): ready" in text(devices=named)
    assert "✅ bills (купюроприёмник, ccnet): готово" in text("ru", devices=named)
    assert "✅ bills (bills, ccnet): ready\n❌ hopper: out of service\n▫️ odd: dreaming" in html
    assert "<b>Levels</b>\nbills: nearly full, 480 of 500, 1 min ago\ncoins: counted by a person, 30 inside" in html
    assert "hopper: empty, 1 min ago\nold: collected 1 h ago, 154\u202f000.00 KZT, 310 pieces" in html
    assert "old: full" not in html  # it was emptied since
    assert "last event" not in html
    assert "Its last event came 30 s ago" in text(stand=OFFLINE, told=told)


def test_of_one_that_is_away_the_states_are_those_told_last() -> None:
    devices = [Device(name="bills", state="ready")]
    assert "<b>Devices</b>\n✅ bills: ready" in text(devices=devices)
    assert "<b>Devices, as last told, 12 min ago</b>\n✅ bills: ready" in text(stand=OFFLINE, devices=devices)
    lost = msgspec.structs.replace(OFFLINE, since=None)
    assert "<b>Devices, as last told, 30 s ago</b>" in text(stand=lost, devices=devices, told=Told(heard_at=NOW - 30))
    assert "<b>Devices, as last told</b>" in text(stand=lost, devices=devices)


def test_what_is_wrong_and_the_devices_agree() -> None:
    devices = [Device(name="bills", state="ready"), Device(name="coins", state="fault")]
    alert = Alert(number=5, kind="device-absent", kiosk_id="kiosk_001", subject="bills", severity=Severity.CRITICAL,
                  since=NOW - 600, raised_at=NOW - 500)  # fmt: skip
    holds = Condition(kind="device-absent", kiosk_id="kiosk_001", subject="bills", since=NOW - 600)
    # It works again, and the alert waits whether that lasts.
    over = text(alerts=[alert], devices=devices)
    assert "☑️ Device does not answer <code>bills</code>, 10 min ago, over just now" in over
    assert "✅ bills: ready\n❌ coins" in over
    # Its state does not show what was told beside it.
    both = text(alerts=[alert], conditions=[holds], devices=devices)
    assert "🔴 Device does not answer <code>bills</code>, 10 min ago\n" in both
    assert "⚠️ bills: ready, yet see above\n❌ coins: out of service\n" in both
    # Without the database only the alert itself knows.
    assert "🔴 Device" in text(alerts=[alert], devices=devices, is_away=True)
    gone = msgspec.structs.replace(alert, kind="paper-out", gone_at=NOW - 5)
    assert "☑️ " in text(alerts=[gone])


def test_money() -> None:
    assert amount(15_400_000, "KZT") == "154\u202f000.00 KZT"
    assert amount(0, "") == "0"
    assert amount(5, "rubbish") == "5"


def test_what_is_wrong_is_told_once() -> None:
    alert = Alert(number=5, kind="device-fault", kiosk_id="kiosk_001", subject="bills", severity=Severity.CRITICAL,
                  since=NOW - 600, raised_at=NOW - 500)  # fmt: skip
    same = Condition(kind="device-fault", kiosk_id="kiosk_001", subject="bills", since=NOW - 600)
    other = Condition(kind="paper-low", kiosk_id="kiosk_001", subject="<printer>", since=NOW - 60)
    html = text(alerts=[alert], conditions=[same, other])
    assert "🔴 Device out of service <code>bills</code>, 10 min ago\n▫️ Paper is running out" in html
    assert html.count("Device out of service") == 1
    assert "&lt;printer&gt;" in html


def test_versions_and_enrolment() -> None:
    enrolled = msgspec.structs.replace(
        KIOSK, public_key="A" * 43, enrolled_at=NOW - 86400, enrolled_from="192.0.2.9", name=""
    )
    it = msgspec.structs.replace(ONLINE, kiosk=enrolled)
    failed = Updated(running="1.2.3", tried="1.3.0", result="failed", reason="no <hello>", at=NOW - 60)
    html = text(stand=it, updated=failed, code_until=NOW + 3600)
    assert "<b>Version</b>\nIt runs 1.2.3\n1.3.0 failed 1 min ago: no &lt;hello&gt;" in html
    assert "enrolled 2027-01-14 08:00 UTC from 192.0.2.9, key <code>" in html
    assert "a one-time code is open until 2027-01-15 09:00 UTC" in html
    assert "1.3.0 was installed 1 min ago and is on trial" in text(
        updated=msgspec.structs.replace(failed, result="installed")
    )
    assert "It ran 1.2.3 when it was last here" in text(stand=OFFLINE, updated=failed)
    assert "<b>Version</b>" not in text(updated=Updated())


def test_operations() -> None:
    def one(state: OpState, **more: object) -> Operation:
        given = {"request_id": f"id-{state}", "kiosk_id": "k", "operation": "payment", "method": "POST", **more}
        return Operation(created_at=NOW - 60, state=state, **given)  # type: ignore[arg-type]

    some = [
        one(OpState.SUCCEEDED, status=200),
        one(OpState.FAILED, status=402),
        one(OpState.UNKNOWN, problem="kiosk-lost"),
    ]
    assert text(operations=some).endswith(
        "<b>Last operations</b>\n✅ payment, succeeded, 1 min ago\n<code>id-succeeded</code>\n"
        "❌ payment, failed: HTTP 402, 1 min ago\n<code>id-failed</code>\n"
        "❓ payment, unknown: kiosk-lost, 1 min ago\n<code>id-unknown</code>"
    )
    assert text(operations=[]).endswith("none yet")
    for state in OpState:
        assert f"id-{state}" in text("ru", operations=[one(state)])


def test_without_its_database_it_says_what_is_missing() -> None:
    html = text(is_away=True)
    assert html.endswith("The database does not answer: its operations, levels and codes cannot be shown.")
    assert "Last operations" not in html


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_longest_fits(language: Language) -> None:
    nasty = "<&\n😀" * 60
    kiosk = msgspec.structs.replace(KIOSK, id="k" * 64, name=nasty)
    devices = [Device(name=nasty, role=nasty, driver=nasty, state=nasty)] * 1000
    operation = Operation(request_id="r" * 64, kiosk_id="k", operation="o" * 64, method="POST", created_at=0.0,
                          state=OpState.UNKNOWN, problem="kiosk-lost")  # fmt: skip
    told = Told(
        levels=[LevelSaid(device=nasty, at=NOW, kind="level-full", count=10**18, capacity=10**18)] * 100,
        collections=[Collected(device=nasty, at=0.0, total=10**18, currency="KZT", pieces=10**18)] * 100,
        heard_at=NOW,
    )
    wrong = [Condition(kind="device-fault", subject=nasty, since=0.0)] * 100
    for it in (ONLINE, OFFLINE):
        html = text(
            language, stand=msgspec.structs.replace(it, kiosk=kiosk), address=nasty, version=nasty, devices=devices,
            left=ended("1006", 1006), refused=ended("4401", 4401), operations=[operation] * 5, told=told,
            conditions=wrong, updated=Updated(running=nasty, tried=nasty, result="failed", reason=nasty, at=0.0),
            double=Double(address=nasty, other=nasty, is_same_journal=True, count=1, first_at=0.0, last_at=0.0),
            is_away=True,
        )  # fmt: skip
        assert length(html) <= 4096
        assert ("… and 9" if language == "en" else "… и ещё 9") in html
        assert html.endswith(SAY(language, "kiosks.one_away"))
