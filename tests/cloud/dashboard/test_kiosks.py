"""Pages about kiosks: what they show, to whom, and that what kiosks say of themselves stays text."""

import re
import time
from pathlib import Path
from typing import Any

from cloud.dashboard.texts import TEXTS
from tests.cloud.dashboard.site import dashboard
from tests.cloud.hub import POSTGRESQL, broken, execute

EMPTY = "'{}'" if POSTGRESQL else "X'7b7d'"
HTMX = {"HX-Request": "true"}
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
BIDI = "\u202eкасса\u2066 🏪 Қазақстан"
DEVICES = [
    {"name": "bills", "role": "bill validator", "driver": "ccnet", "state": "fault"},
    {"name": EVIL, "role": EVIL, "driver": EVIL, "state": EVIL},
]


async def device_events(kiosk: Any) -> None:
    events = [
        ("level-near-full", "bills", {"count": 900, "capacity": 1000}),
        ("collection", "bills", {"total": 15400000, "currency": "KZT", "counts": {"2000": 77}}),
        ("level-normal", "bills", {"count": 3, "capacity": 1000}),
        (EVIL[:60], EVIL[:60], {"words": EVIL, "card": "4111111111111111"}),
    ]
    for seq, (kind, device, data) in enumerate(events, 1):
        await kiosk.say("event", seq=seq, at=time.time(), kind=kind, device=device, data=data)
    while not ((heard := await kiosk.hear())["type"] == "event_ack" and heard["seq"] == len(events)):
        pass  # it may store them one by one


def assert_harmless(text: str) -> None:
    """Nothing of `EVIL` is markup."""
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert not re.search(r"\"'>", text.replace("&quot;", ""))


async def test_a_list_in_every_state_and_language(tmp_path: Path) -> None:
    ids = ("kiosk_001", "kiosk_002", "kiosk_003", "kiosk_004")
    async with dashboard(tmp_path, role="viewer", kiosks=ids) as site:
        rooms = site.rooms
        async with site.at.kiosk("kiosk_002", version="7.7.7"):
            pass
        await site.at.gone("kiosk_002")
        await rooms.registry.enable("kiosk_003", False)
        await rooms.registry.rename("kiosk_001", BIDI)
        async with site.at.kiosk("kiosk_001", devices=DEVICES, version="1.2.3"):
            page = await site.get("/dashboard/kiosks")
            assert page.status_code == 200
            assert page.text.count('<th scope="row">') == 4
            for state in ("connected", "away", "never", "disabled"):
                assert TEXTS["en"][f"kiosks.state-{state}"] in page.text
            assert "127.0.0.1" in page.text
            assert f'<bdi class="kiosk-name muted">{BIDI}</bdi>' in page.text
            assert "/dashboard/kiosks/add" not in page.text  # a viewer may not
            only = await site.get("/dashboard/kiosks", state="away")
            assert re.findall(r'scope="row"><a[^>]*>([^<]*)', only.text) == ["kiosk_002"]
            by_version = await site.get("/dashboard/kiosks", version="7.7.7")
            assert re.findall(r'scope="row"><a[^>]*>([^<]*)', by_version.text) == ["kiosk_002"]
            found = await site.get("/dashboard/kiosks", q="ҚАЗАҚ")
            assert re.findall(r'scope="row"><a[^>]*>([^<]*)', found.text) == ["kiosk_001"]
            assert 'value="ҚАЗАҚ"' in found.text
            nobody = await site.get("/dashboard/kiosks", q=EVIL, state="never")
            assert TEXTS["en"]["kiosks.nothing-found"] in nobody.text
            assert_harmless(nobody.text)
            part = await site.get("/dashboard/kiosks", q="kiosk_00", sort="-since", headers=HTMX)
            assert part.text.lstrip().startswith('<section id="kiosks"')
            assert 'hx-get="/dashboard/kiosks?q=kiosk_00&amp;sort=-since"' in part.text
            for language in ("ru", "kk"):
                other = await site.get("/dashboard/kiosks", headers={"Accept-Language": language})
                assert TEXTS[language]["kiosks.state-connected"] in other.text
        assert (await site.anonymous.get("/dashboard/kiosks")).status_code == 303


async def test_one_kiosk_with_all_that_it_told(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="viewer") as site:
        await site.rooms.registry.rename("kiosk_001", EVIL)
        site_hub = site.at
        async with site_hub.kiosk(devices=DEVICES, version=EVIL, routes=["status", EVIL], uptime=7200.0) as kiosk:
            await device_events(kiosk)
            await site.rooms.history.written()
            page = await site.get("/dashboard/kiosks/kiosk_001")
            assert page.status_code == 200
            assert_harmless(page.text)
            say = TEXTS["en"]
            for key in ("verdict-attention", "device-fault", "role-bill-validator", "collected", "left-open"):
                words = re.split(r"[{(]", say[f"kiosks.{key}"])[0].strip()
                assert words in page.text, key
            assert "154,000.00\N{NO-BREAK SPACE}KZT" in page.text
            assert "level-near-full" in page.text  # as an event; as a level it is over since the collection
            assert "4111111111111111" not in page.text
            assert "2 h" in page.text  # uptime
            assert "/disable" not in page.text  # a viewer may not
            part = await site.get("/dashboard/kiosks/kiosk_001", headers=HTMX)
            assert part.text.lstrip().startswith('<div id="kiosk"')
            events = await site.get("/dashboard/kiosks/kiosk_001/events")
            assert events.text.count("<tr><td") == 4
            assert_harmless(events.text)
            async with broken(tmp_path, "events"):
                away = await site.get("/dashboard/kiosks/kiosk_001")
                assert away.status_code == 200
                assert say["kiosks.database-away"] in away.text
                assert (await site.get("/dashboard/kiosks/kiosk_001/events")).status_code == 503


async def test_why_a_kiosk_is_away_and_who_was_not_let_in(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="admin") as site:
        async with site.at.kiosk() as kiosk:
            await kiosk.socket.close(1001, EVIL[:100])
        await site.at.gone()
        old = site.at.token()
        await site.rooms.registry.renew_token("kiosk_001")
        async with site.at.socket(old) as refused:
            assert await refused.close_code() == 4401
        await site.rooms.history.written()
        page = await site.get("/dashboard/kiosks/kiosk_001")
        say = TEXTS["en"]
        for key in ("verdict-away", "left-bye", "no-token", "advice-refused", "act-remove", "enrolment-withdrawn"):
            assert say[f"kiosks.{key}"].replace('"', "&quot;").replace("'", "&#39;") in page.text, key
        assert_harmless(page.text)
        rows = await site.get("/dashboard/kiosks/kiosk_001/connections")
        assert rows.text.count("<tr>\n<td") == 2
        assert_harmless(rows.text)


async def test_history_and_events_are_paged(tmp_path: Path) -> None:
    execute(
        tmp_path,
        "INSERT INTO kiosks (id, name, enabled, generation, removed, created_at, revision)"
        " VALUES ('kiosk_001', '', true, 0, false, 0, 1)",
        "INSERT INTO connections (number, kiosk_id, refused, began_at, ended_at, why) VALUES "
        + ", ".join(f"({number}, 'kiosk_001', false, {number}, {number}, 'lost')" for number in range(1, 121)),
        "INSERT INTO events (kiosk_id, journal, seq, at, received_at, kind, device, data) VALUES "
        + ", ".join(
            f"('kiosk_001', '{journal}', {seq}, 1, {start + seq}, 'k{start + seq}', '', {EMPTY})"
            for journal, start, many in (("old", 0, 70), ("new", 1000, 60))
            for seq in range(1, many + 1)
        ),
    )
    async with dashboard(tmp_path, role="viewer", kiosks=()) as site:
        for path, wanted in (
            ("connections", 120),
            ("events", 130),
        ):
            address, seen, pages = f"/dashboard/kiosks/kiosk_001/{path}", [], 0
            while address:
                text = (await site.get(address)).text
                pages += 1
                seen += re.findall(r"<tr>\s*<td class=\"nowrap\"><time[^>]*datetime=\"([^\"]*)", text)
                older = re.search(r'rel="next" href="([^"]*)"', text)
                address = older[1] if older else ""
            assert len(seen) == wanted
            assert seen == sorted(seen, reverse=True)
            assert pages == 3
        for bad in ("x", "-1", "1.x", "9" * 40, "1.2.3", "٣"):
            for path in ("connections", "events"):
                assert (await site.get(f"/dashboard/kiosks/kiosk_001/{path}", before=bad)).status_code == 200


async def test_a_kiosk_that_is_removed_while_its_page_is_open(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="admin") as site:
        assert (await site.get("/dashboard/kiosks/kiosk_001")).status_code == 200
        await site.rooms.registry.remove("kiosk_001")
        part = await site.get("/dashboard/kiosks/kiosk_001", headers=HTMX)
        assert (part.status_code, part.text) == (404, TEXTS["en"]["kiosks.none"])
        for act in ("rename", "enable", "disable", "token", "code", "remove"):
            address = f"/dashboard/kiosks/kiosk_001/{act}"
            assert (await site.get(address)).status_code == 404
            assert (await site.post(address, name="x", true_of="0", typed="kiosk_001")).status_code == 404


async def test_an_address_of_no_kiosk_says_so(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="viewer") as site:
        for kiosk_id in ("nobody", "%3Cscript%3E", "a%2Fb", "%00", "%25s", "x" * 70, "..%2f..", "é"):
            page = await site.get(f"/dashboard/kiosks/{kiosk_id}")
            assert page.status_code in {400, 404}, kiosk_id
            assert "Traceback" not in page.text
            assert "<script>" not in page.text


async def test_a_flapping_kiosk_is_called_so(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="viewer") as site:
        for _ in range(4):
            async with site.at.kiosk() as kiosk:
                await kiosk.cut()
            await site.at.gone()
        async with site.at.kiosk():
            listed = await site.get("/dashboard/kiosks", state="flapping")
            assert 'scope="row"' in listed.text
            page = await site.get("/dashboard/kiosks/kiosk_001")
            assert "broke 4 times within 10 minutes" in page.text


async def test_pages_of_fifty_among_many(tmp_path: Path) -> None:
    values = ", ".join(f"('k{number}', '', true, 0, false, 0, 1)" for number in range(1, 121))
    execute(
        tmp_path,
        f"INSERT INTO kiosks (id, name, enabled, generation, removed, created_at, revision) VALUES {values}",
    )
    async with dashboard(tmp_path, role="viewer", kiosks=()) as site:
        seen: list[str] = []
        for number in (1, 2, 3):
            text = (await site.get("/dashboard/kiosks", page=str(number))).text
            seen += re.findall(r'scope="row"><a[^>]*>([^<]*)', text)
        assert seen == [f"k{number}" for number in range(1, 121)]  # k9 before k10
        assert 'rel="next"' not in text
        assert (await site.get("/dashboard/kiosks", page="99999")).text.count('scope="row"') == 20
