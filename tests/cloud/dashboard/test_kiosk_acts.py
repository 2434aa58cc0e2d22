"""Acts on kiosks: who may, what is said before, secrets shown once, nothing done twice, everything noted."""

import re
from pathlib import Path
from typing import Any

import pytest
from tornado.escape import xhtml_escape

from cloud.dashboard.texts import TEXTS
from tests.cloud.dashboard.site import Browser, Site, dashboard
from tests.cloud.hub import broken, rows
from wire.enrolment import parse_code

SAY = TEXTS["en"]
ACTS = ("rename", "enable", "disable", "token", "code", "remove")
EVIL = "<script>alert(1)</script>"


def escaped(text: str) -> str:
    found = xhtml_escape(text)
    assert isinstance(found, str)
    return found


def code_in(text: str) -> str:
    found = re.search(r'id="code">([^<]*)', text)
    assert found
    return parse_code(found[1])


def token_in(text: str) -> str:
    found = re.search(r"WS_TOKEN=([^<\s]*)", text)
    assert found
    return found[1]


async def form(browser: Browser, address: str) -> dict[str, str]:
    """What a form brings of its own, beside the CSRF field."""
    page = await browser.get(address)
    assert page.status_code == 200, page.text
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page.text)
    return {name: value for name, value in fields if name == "true_of"}


def acts(state_dir: Path) -> list[tuple[Any, ...]]:
    return rows(state_dir, "SELECT who, door, act, subject FROM audit WHERE act LIKE 'kiosk.%' ORDER BY number")


async def test_a_kiosk_is_added_with_code_and_token_shown_once(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="admin", kiosks=()) as site:
        name = "Қабанбай батыр 12 🏪 касса"
        page = await site.post("/dashboard/kiosks/add", id="shop:7.a", name=name)
        assert page.status_code == 200
        assert page.headers["Cache-Control"] == "no-store"
        code, token = code_in(page.text), token_in(page.text)
        assert site.rooms.tokens.read(token) == ("shop:7.a", 0)
        assert page.text.count("<svg") >= 3  # a sheet for each language
        sheets = page.text[page.text.index('<article class="sheet') :]
        assert token not in sheets
        for language in ("en", "ru", "kk"):
            assert TEXTS[language]["kiosks.sheet-1"] in sheets
        async with site.at.socket(token) as kiosk:
            await kiosk.hello()
        # Loaded anew: neither shown nor done again.
        again = await site.post("/dashboard/kiosks/add", id="shop:7.a", name=name)
        assert again.status_code == 409
        assert escaped(SAY["kiosks.wrong-exists"].format(kiosk="shop:7.a")) in again.text
        assert f'value="{name}"' in again.text
        one = await site.get("/dashboard/kiosks/shop:7.a")
        for page in (again, one, await site.get("/dashboard/kiosks")):
            assert token not in page.text
            assert code not in page.text.replace("-", "")
        assert acts(tmp_path) == [("a-admin", "dashboard", "kiosk.add", "shop:7.a")]
        for column in ("data", "subject", "act"):
            kept = str(rows(tmp_path, f"SELECT {column} FROM audit"))
            assert token not in kept
            assert code not in kept.replace("-", "")


WRONG = [
    ({"id": ""}, "kiosks.wrong-no-id"),
    ({"id": "касса 1"}, "kiosks.wrong-id"),
    ({"id": EVIL, "name": EVIL}, "kiosks.wrong-id"),
    ({"id": "_a"}, "kiosks.wrong-id"),
    ({"id": "x" * 65}, "kiosks.wrong-id"),
    ({"id": "good", "name": "n" * 201}, "kiosks.wrong-name-long"),
    ({"id": "good", "name": "a\0b"}, "kiosks.wrong-name"),
    ({"id": "good", "name": "a\x1bb"}, "kiosks.wrong-name"),
]


async def test_what_is_typed_wrongly_is_kept_and_told_beside_the_field(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="admin", kiosks=()) as site:
        for fields, key in WRONG:
            page = await site.post("/dashboard/kiosks/add", **fields)
            assert page.status_code == 422, fields
            assert escaped(SAY[key].format(most=200)) in page.text, fields
            assert f'value="{escaped(fields["id"])}"' in page.text, fields
            assert EVIL not in page.text
        assert len(site.rooms.registry) == 0
        assert acts(tmp_path) == []


async def test_rename_disable_enable_by_an_operator(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="operator") as site:
        done = await site.post("/dashboard/kiosks/kiosk_001/rename", name=f"  {EVIL}   два  ")
        assert (done.status_code, done.headers["Location"]) == (303, "/dashboard/kiosks/kiosk_001?done=renamed")
        page = await site.get(done.headers["Location"])
        assert SAY["kiosks.done-renamed"] in page.text
        assert f"{escaped(EVIL)} два" in page.text
        wrong = await site.post("/dashboard/kiosks/kiosk_001/rename", name="x" * 300)
        assert wrong.status_code == 422
        assert "x" * 300 in wrong.text
        async with site.at.kiosk() as kiosk:
            ask = await site.get("/dashboard/kiosks/kiosk_001/disable")
            assert SAY["kiosks.will-close"] in ask.text
            assert "127.0.0.1" in ask.text
            assert acts(tmp_path)[1:] == []  # asking does nothing
            await site.post("/dashboard/kiosks/kiosk_001/disable")
            assert await kiosk.close_code() == 4403
        found = site.rooms.registry.get("kiosk_001")
        assert found is not None
        assert not found.enabled
        await site.post("/dashboard/kiosks/kiosk_001/enable")
        async with site.at.kiosk():
            page = await site.get("/dashboard/kiosks/kiosk_001?done=nonsense")
            assert escaped(SAY["kiosks.verdict-connected"]) in page.text
            assert TEXTS["en"]["audit.act-kiosk.disable"].format(subject="kiosk_001") in page.text
        assert [act for _, _, act, _ in acts(tmp_path)] == ["kiosk.rename", "kiosk.disable", "kiosk.enable"]


async def test_a_new_token_once_however_often_the_form_is_sent(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="admin") as site:
        brings = await form(site, "/dashboard/kiosks/kiosk_001/token")
        page = await site.post("/dashboard/kiosks/kiosk_001/token", **brings)
        assert page.status_code == 200
        token = token_in(page.text)
        again = await site.post("/dashboard/kiosks/kiosk_001/token", **brings)
        assert again.status_code == 409
        assert "WS_TOKEN" not in again.text
        assert escaped(SAY["kiosks.token-meanwhile"].format(kiosk="kiosk_001")) in again.text
        async with site.at.socket(token) as kiosk:  # still in force
            await kiosk.hello()
        assert (await site.post("/dashboard/kiosks/kiosk_001/token")).status_code == 409
        assert [act for _, _, act, _ in acts(tmp_path)] == ["kiosk.token"]


async def test_a_new_code_once_however_often_the_form_is_sent(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="admin") as site:
        brings = await form(site, "/dashboard/kiosks/kiosk_001/code")
        page = await site.post("/dashboard/kiosks/kiosk_001/code", **brings)
        code = code_in(page.text)
        assert "WS_TOKEN" not in page.text
        assert (await site.post("/dashboard/kiosks/kiosk_001/code", **brings)).status_code == 409
        one = await site.get("/dashboard/kiosks/kiosk_001")
        assert SAY["kiosks.code-until"] in one.text
        assert code not in one.text.replace("-", "")
        ask = await site.get("/dashboard/kiosks/kiosk_001/code")
        assert escaped(SAY["kiosks.will-end-code"]) in ask.text
        assert [act for _, _, act, _ in acts(tmp_path)] == ["kiosk.code"]


async def test_a_kiosk_is_removed_by_who_types_its_id(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="admin") as site:
        for typed in ("", "kiosk_002", "KIOSK_001"):
            page = await site.post("/dashboard/kiosks/kiosk_001/remove", typed=typed)
            assert page.status_code == 422
            assert escaped(SAY["kiosks.wrong-typed"]) in page.text
        done = await site.post("/dashboard/kiosks/kiosk_001/remove", typed="kiosk_001")
        assert done.status_code == 303
        page = await site.get(done.headers["Location"])
        assert SAY["kiosks.done-removed"].format(kiosk="kiosk_001") in page.text
        assert SAY["kiosks.no-kiosks"] in page.text
        assert acts(tmp_path) == [("a-admin", "dashboard", "kiosk.remove", "kiosk_001")]
        lie = await site.get("/dashboard/kiosks?done=removed&which=%3Cscript%3E")
        assert "<script>" not in lie.text.replace("<script src", "")


async def test_who_may_not_is_refused_and_nothing_happens(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="viewer", kiosks=("kiosk_001",)) as site:
        operator = site.as_role("operator")
        for act in ACTS:
            address = f"/dashboard/kiosks/kiosk_001/{act}"
            await refused(site, site, address)
            if act in ("token", "code", "remove"):
                await refused(site, operator, address)
            else:
                assert (await operator.get(address)).status_code == 200
            nobody = await site.anonymous.post(address, name="x", true_of="0", typed="kiosk_001")
            assert nobody.status_code in {303, 403}
            forged = await site.as_role("admin").http.post(address, data={"name": "x", "typed": "kiosk_001"})
            assert forged.status_code == 403  # without the CSRF field
        for browser in (site, operator):
            await refused(site, browser, "/dashboard/kiosks/add")
        assert acts(tmp_path) == []
        kiosk = site.rooms.registry.get("kiosk_001")
        assert kiosk is not None
        assert (kiosk.name, kiosk.enabled, kiosk.generation) == ("", True, 0)


async def refused(site: Site, browser: Browser, address: str) -> None:
    """This person may neither see the form nor send it."""
    assert (await browser.get(address)).status_code == 403
    answer = await browser.post(address, id="new", name="x", true_of="0", typed="kiosk_001")
    assert answer.status_code == 403


async def test_what_is_done_is_told_though_it_could_not_be_noted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with dashboard(tmp_path, role="admin") as site:
        brings = await form(site, "/dashboard/kiosks/kiosk_001/token")
        async with broken(tmp_path, "audit"):
            page = await site.post("/dashboard/kiosks/kiosk_001/token", **brings)
        assert token_in(page.text)
        assert "an act could not be written into the audit" in caplog.text
        async with broken(tmp_path, "kiosks"):
            failed = await site.post("/dashboard/kiosks/kiosk_001/disable")
        assert failed.status_code == 503
        assert acts(tmp_path) == []
