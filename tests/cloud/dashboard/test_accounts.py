"""The pages of accounts, of one's own account, and of the audit."""

import re
from pathlib import Path

import httpx

from cloud.accounts.account import Act, Role
from tests.cloud.dashboard.site import PATIENCE, dashboard, signed_in
from tests.cloud.dashboard.test_sign_in import PASSWORD, csrf_of, person, turn_on
from tests.cloud.hub import broken, rows


async def test_an_account_is_added_with_a_link_that_is_shown_once(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        answer = await site.post("/dashboard/accounts/add", name="Ann", role="operator")
        assert answer.status_code == 200
        found = re.search(r"/dashboard/welcome/[\w-]+", answer.text)
        assert found is not None
        assert (await site.anonymous.get(found[0])).status_code == 200
        assert found[0] not in (await site.get("/dashboard/accounts")).text
        assert found[0].rpartition("/")[2] not in str(rows(tmp_path, "SELECT * FROM audit"))
        newer = await site.post("/dashboard/accounts/ann/link")
        assert newer.status_code == 200
        assert (await site.anonymous.get(found[0])).status_code == 410
        for name, role in (("ann", "viewer"), ("", "viewer"), ("a b", "viewer"), ("<i>", "viewer"), ("ben", "king")):
            answer = await site.post("/dashboard/accounts/add", name=name, role=role)
            assert answer.status_code == 422, name
            assert "<i>" not in answer.text


async def test_who_is_disabled_removed_or_given_another_role_is_signed_out_at_once(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        for act, fields in (("disable", {}), ("role", {"role": "viewer"}), ("remove", {})):
            name = f"ann-{act}"
            cookie = await signed_in(site.rooms, name, Role.OPERATOR)
            with_it = {"Cookie": f"kioskwire_session={cookie}"}
            async with httpx.AsyncClient(
                base_url=site.at.url, trust_env=False, headers=with_it, timeout=PATIENCE
            ) as browser:
                assert (await browser.get("/dashboard/account")).status_code == 200
                answer = await site.post(f"/dashboard/accounts/{name}/{act}", sure="yes", **fields)
                assert answer.status_code == 303
                assert (await browser.get("/dashboard/account")).status_code == 303


async def test_what_takes_something_from_somebody_is_asked_before_it_is_done(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        for act in ("disable", "totp-off", "remove"):
            address = f"/dashboard/accounts/a-viewer/{act}"
            for answer in (await site.get(address), await site.post(address), await site.post(address, sure="no")):
                assert answer.status_code == 200
                assert f'action="{address}"' in answer.text
                assert 'name="sure" value="yes"' in answer.text
        account = await site.rooms.accounts.get("a-viewer")
        assert account.enabled
        answer = await site.post("/dashboard/accounts/a-viewer/role", role="operator")
        assert 'name="role" value="operator"' in answer.text
        assert (await site.rooms.accounts.get("a-viewer")).role is Role.VIEWER
        assert "This is your own account." in (await site.get("/dashboard/accounts/a-admin/disable")).text
        assert (await site.get("/dashboard/accounts/nobody/remove")).status_code == 404
        assert (await site.as_role("operator").get("/dashboard/accounts/a-viewer/remove")).status_code == 403


async def test_no_account_is_changed_without_its_row_in_the_audit(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        before = await site.rooms.accounts.read_all()
        async with broken(tmp_path, "audit"):
            for act in ("role", "disable", "unlock", "totp-off", "remove", "link"):
                answer = await site.post(f"/dashboard/accounts/a-viewer/{act}", sure="yes", role="operator")
                assert answer.status_code == 503, act
            assert (await site.post("/dashboard/accounts/add", name="ann", role="viewer")).status_code == 503
        assert await site.rooms.accounts.read_all() == before
        assert rows(tmp_path, "SELECT * FROM account_links") == []
        for act in ("role", "disable", "enable", "unlock", "totp-off", "link", "remove"):
            await site.post(f"/dashboard/accounts/a-viewer/{act}", sure="yes", role="operator")
        written = rows(tmp_path, "SELECT act, who, door, subject FROM audit WHERE door = 'dashboard' ORDER BY number")
        assert written == [
            (f"account.{act}", "a-admin", "dashboard", "a-viewer")
            for act in ("role", "disable", "enable", "unlock", "totp-reset", "link", "remove")
        ]


async def test_the_last_admin_stays_an_admin(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        for act, fields in (("disable", {}), ("role", {"role": "viewer"}), ("remove", {})):
            answer = await site.post(f"/dashboard/accounts/a-admin/{act}", sure="yes", **fields)
            assert answer.status_code == 409
            assert "last administrator" in answer.text
        account = await site.rooms.accounts.get("a-admin")
        assert (account.role, account.enabled) == (Role.ADMIN, True)


async def test_a_new_password_ends_all_other_sessions_and_gives_this_one_a_new_name(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        await person(site)
        other = await signed_in(site.rooms, "ann", Role.OPERATOR)
        browser = site.anonymous
        await browser.post("/dashboard/sign-in", name="ann", password=PASSWORD)
        before = browser.http.cookies["kioskwire_session"]
        csrf, new = await csrf_of(browser), "other words, unrelated"
        wrong = await browser.post("/dashboard/account/password", csrf=csrf, old="wrong", new=new, again=new)
        assert wrong.status_code == 403
        weak = await browser.post("/dashboard/account/password", csrf=csrf, old=PASSWORD, new="ann", again="ann")
        assert weak.status_code == 422
        done = await browser.post("/dashboard/account/password", csrf=csrf, old=PASSWORD, new=new, again=new)
        assert done.headers["Location"] == "/dashboard/account?done=password"
        assert (await browser.get("/dashboard/account")).status_code == 200
        for cookie in (before, other):
            assert await site.rooms.sign_in.session(cookie) is None


async def test_the_second_factor_is_in_force_only_after_a_code_and_goes_with_a_password(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        await person(site)
        browser = site.anonymous
        await browser.post("/dashboard/sign-in", name="ann", password=PASSWORD)
        await browser.post("/dashboard/account/totp", csrf=await csrf_of(browser), password=PASSWORD)
        assert not (await site.rooms.accounts.get("ann")).has_totp
        wrong = await browser.post("/dashboard/account/totp/confirm", csrf=await csrf_of(browser), code="000000")
        assert wrong.status_code == 403
        secret = await turn_on(site.rooms, browser)
        assert (await site.rooms.accounts.get("ann")).has_totp
        assert secret not in (await browser.get("/dashboard/account")).text
        csrf = await csrf_of(browser)
        assert (await browser.post("/dashboard/account/totp/off", csrf=csrf, password="wrong")).status_code == 403
        assert (await browser.post("/dashboard/account/totp/off", csrf=csrf, password=PASSWORD)).status_code == 303
        assert not (await site.rooms.accounts.get("ann")).has_totp


async def test_ones_other_sessions_are_ended_one_by_one_and_nobody_elses(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        other = await signed_in(site.rooms, "a-admin", Role.ADMIN)
        session = await site.rooms.sign_in.session(other)
        viewer = site.as_role("viewer").session
        assert session is not None
        assert viewer is not None
        for name in (viewer.hash, "x", ""):
            await site.post("/dashboard/account/sessions", session=name)
        assert (await site.as_role("viewer").get("/dashboard/account")).status_code == 200
        assert await site.rooms.sign_in.session(other) is not None
        await site.post("/dashboard/account/sessions", session=session.hash)
        assert await site.rooms.sign_in.session(other) is None


async def test_every_act_is_found_in_the_audit_in_words_and_what_it_holds_is_escaped(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        audit, bad = site.rooms.audit, "<script>alert(1)</script>"
        await audit.note(Act(who=bad, door="telegram", act="kiosk.disable", subject=bad, data={bad: bad, "n": [1]}))
        await audit.note(Act(who="x", door="cli", act="new.act", subject="s\0\ud800"))
        await site.at.http.post("/admin/kiosks", json={"id": "kiosk_9"}, headers=site.at.admin)
        page = (await site.get("/dashboard/audit")).text
        assert "<script>alert" not in page
        assert "Added the kiosk kiosk_9" in page
        assert "new.act" in page
        for query, there in (
            ({"subject": "kiosk_9"}, True), ({"door": "cli"}, False), ({"door": "admin-api"}, True),
            ({"act": "kiosk"}, True), ({"act": "key"}, False), ({"who": "admin key"}, True),
            ({"since": "2999-01-01"}, False), ({"until": "2001-01-01"}, False), ({"since": "2001-01-01"}, True),
            ({"before": "1"}, False), ({"since": "nonsense"}, True), ({"before": "9" * 40}, True),
        ):  # fmt: skip
            answer = await site.get("/dashboard/audit", **query)
            assert answer.status_code == 200, query
            assert ("Added the kiosk kiosk_9" in answer.text) == there, query


async def test_the_audit_goes_on_page_by_page(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        for number in range(60):
            await site.rooms.audit.note(Act(who="x", door="cli", act="kiosk.enable", subject=f"k{number:02}"))
        first = (await site.get("/dashboard/audit")).text
        assert "k59" in first
        assert "k09" not in first
        older = re.search(r'href="(/dashboard/audit\?before=\d+)"', first)
        assert older is not None
        assert "k09" in (await site.get(older[1])).text
