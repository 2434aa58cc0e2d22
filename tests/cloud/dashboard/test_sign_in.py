"""Signing in and out, and the one-time link, as a browser does it."""

import re
import time
from pathlib import Path

import httpx
import pyotp
import pytest

from cloud.accounts.account import Role
from cloud.accounts.sign_in import Browser, NotLetIn
from cloud.dashboard.rooms import Rooms
from tests.cloud.dashboard.site import PATIENCE, TESTS, Site, dashboard, settle_audit, stop_the_clock
from tests.cloud.hub import rows

PASSWORD = "four unrelated words"


async def person(site: Site, name: str = "ann", role: Role = Role.OPERATOR) -> str:
    """An account with a password; returns the cookie-free way in: its name."""
    await site.rooms.accounts.add(name, role, by=TESTS)
    secret, _ = await site.rooms.accounts.make_link(name, by=TESTS)
    answer = await site.anonymous.post(f"/dashboard/welcome/{secret}", name=name, password=PASSWORD, again=PASSWORD)
    assert answer.status_code == 303, answer.text
    site.anonymous.http.cookies.clear()
    return name


def cookies_of(answer: httpx.Response) -> dict[str, str]:
    """Set-Cookie lines by the cookie's name."""
    return {line.partition("=")[0]: line for line in answer.headers.get_list("Set-Cookie")}


async def test_a_name_and_a_password_open_a_session_and_signing_out_ends_it_for_good(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        await person(site)
        stranger = site.anonymous
        answer = await stranger.post("/dashboard/sign-in", name="Ann", password=PASSWORD, next="/dashboard/audit?who=x")
        assert answer.status_code == 303
        assert answer.headers["Location"] == "/dashboard/audit?who=x"
        line = cookies_of(answer)["kioskwire_session"]
        assert "HttpOnly" in line
        assert "SameSite=Lax" in line
        assert "Path=/;" in f"{line};"
        assert "Secure" not in line
        kept = stranger.http.cookies["kioskwire_session"]
        page = await stranger.get("/dashboard/account")
        assert page.status_code == 200
        csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert csrf is not None
        answer = await stranger.post("/dashboard/sign-out", csrf=csrf[1])
        assert answer.headers["Location"] == "/dashboard/sign-in"
        assert "kioskwire_session" not in stranger.http.cookies
        stranger.http.cookies.set("kioskwire_session", kept)
        assert (await stranger.get("/dashboard/account")).status_code == 303


async def test_the_refusal_is_the_same_for_no_such_name_a_wrong_password_no_password_yet_and_disabled(
    tmp_path: Path,
) -> None:
    async with dashboard(tmp_path) as site:
        await person(site)
        await person(site, "ben")
        await site.rooms.accounts.enable("ben", False, by=TESTS)
        await site.rooms.accounts.add("new", Role.VIEWER, by=TESTS)
        pages = set()
        for name, password in (
            ("ann", "wrong"), ("nobody", PASSWORD), ("new", PASSWORD), ("ben", PASSWORD), ("<b>x</b>", PASSWORD),
        ):  # fmt: skip
            answer = await site.anonymous.post("/dashboard/sign-in", name=name, password=password)
            assert answer.status_code == 403
            assert "Set-Cookie" not in answer.headers
            assert "<b>x" not in answer.text
            pages.add(re.sub(r'name="name" value="[^"]*"', "", answer.text))
        assert len(pages) == 1


async def test_five_wrong_tries_lock_a_name_whether_it_is_somebodys_or_not(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        await person(site)
        stop_the_clock(site)
        for name in ("ann", "nobody"):
            tried = [await site.anonymous.post("/dashboard/sign-in", name=name, password="wrong") for _ in range(6)]
            assert [answer.status_code for answer in tried] == [403] * 5 + [429]
            assert 0 < int(tried[-1].headers["Retry-After"]) <= 30
        right = await site.anonymous.post("/dashboard/sign-in", name="ann", password=PASSWORD)
        assert right.status_code == 429
        page = await site.get("/dashboard/accounts")
        assert "locked for new browsers" in page.text
        assert (await site.post("/dashboard/accounts/ann/unlock")).status_code == 303
        right = await site.anonymous.post("/dashboard/sign-in", name="ann", password=PASSWORD)
        assert right.status_code == 303


async def test_a_stranger_who_locks_a_name_does_not_keep_a_known_browser_out(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        await person(site)
        stop_the_clock(site)
        browser = site.anonymous
        assert (await browser.post("/dashboard/sign-in", name="ann", password=PASSWORD)).status_code == 303
        browser.http.cookies.delete("kioskwire_session")
        async with httpx.AsyncClient(base_url=site.at.url, trust_env=False, timeout=PATIENCE) as stranger:
            for _ in range(6):
                last = await stranger.post("/dashboard/sign-in", data={"name": "ann", "password": "wrong"})
            assert last.status_code == 429
        assert (await browser.post("/dashboard/sign-in", name="ann", password=PASSWORD)).status_code == 303
        # The note of another account, or one that was made up, is none.
        browser.http.cookies.delete("kioskwire_session")
        browser.http.cookies.set("kioskwire_known", "1-abcdef.AAAA")
        assert (await browser.post("/dashboard/sign-in", name="ann", password=PASSWORD)).status_code == 429


async def test_an_address_may_try_twenty_times_at_once(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        stop_the_clock(site)
        tried = [await site.anonymous.post("/dashboard/sign-in", name=f"nobody{at}", password="x") for at in range(21)]
        assert [answer.status_code for answer in tried] == [403] * 20 + [429]


async def test_a_second_factor_is_asked_for_and_no_code_is_taken_twice(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        await person(site)
        browser = site.anonymous
        await browser.post("/dashboard/sign-in", name="ann", password=PASSWORD)
        secret = await turn_on(site.rooms, browser)
        csrf = await csrf_of(browser)
        await browser.post("/dashboard/sign-out", csrf=csrf)
        totp = pyotp.TOTP(secret)

        answer = await browser.post("/dashboard/sign-in", name="ann", password=PASSWORD, next="/dashboard/kiosks")
        assert answer.status_code == 200
        assert "kioskwire_session" not in browser.http.cookies
        ticket = hidden(answer.text, "ticket")
        ((step,),) = rows(tmp_path, "SELECT totp_used FROM accounts WHERE name = 'ann'")
        used = totp.generate_otp(step)  # the one that turned it on
        wrong = await browser.post("/dashboard/sign-in", ticket=ticket, code=used, next="/dashboard/kiosks")
        assert wrong.status_code == 403
        newer = totp.at(time.time() + 30)
        forged = await browser.post("/dashboard/sign-in", ticket=ticket[:-2] + "xx", code=newer)
        assert forged.status_code == 403
        right = await browser.post("/dashboard/sign-in", ticket=ticket, code=newer, next="/dashboard/kiosks")
        assert right.status_code == 303
        assert right.headers["Location"] == "/dashboard/kiosks"
        again = await browser.post("/dashboard/sign-in", ticket=ticket, code=newer)
        assert again.status_code == 403


async def test_each_sign_in_has_a_session_of_its_own_and_one_that_was_brought_is_worth_nothing(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        await person(site)
        browser = site.anonymous
        browser.http.cookies.set("kioskwire_session", "chosen-by-somebody-else")
        await browser.post("/dashboard/sign-in", name="ann", password=PASSWORD)
        found = [cookie.value for cookie in browser.http.cookies.jar if cookie.name == "kioskwire_session"]
        assert "chosen-by-somebody-else" not in found[-1:]
        browser.http.cookies.clear()
        await browser.post("/dashboard/sign-in", name="ann", password=PASSWORD)
        first = browser.http.cookies["kioskwire_session"]
        await browser.post("/dashboard/sign-in", name="ann", password=PASSWORD)
        assert browser.http.cookies["kioskwire_session"] != first
        browser.http.cookies.set("kioskwire_session", first)
        assert (await browser.get("/dashboard/account")).status_code == 303


async def test_whose_password_changes_while_it_is_compared_is_not_let_in_by_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with dashboard(tmp_path) as site:
        await person(site)
        secret, _ = await site.rooms.accounts.make_link("ann", by=TESTS)
        sign_in, browser = site.rooms.sign_in, Browser(address="192.0.2.1")
        check = sign_in._check

        async def slowly(hashed: str | None, password: str) -> bool:
            right = await check(hashed, password)
            await sign_in.by_link(secret, "ann", "another four words", browser)
            return right

        monkeypatch.setattr(sign_in, "_check", slowly)
        with pytest.raises(NotLetIn, match="wrong"):
            await sign_in.by_password("ann", PASSWORD, browser)
        assert len(rows(tmp_path, "SELECT hash FROM account_sessions WHERE address = '192.0.2.1'")) == 1, "the link's"


async def test_a_cookie_that_was_tampered_with_opens_nothing(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        cookie = site.http.cookies["kioskwire_session"]
        secret, mac = cookie.split(".")
        for wrong in (secret, f"{secret}.", f"{secret}.{mac[:-1]}", f"{secret[:-1]}.{mac}", f".{mac}", "." * 50):
            answer = await site.anonymous.get("/dashboard/account", headers={"Cookie": f"kioskwire_session={wrong}"})
            assert answer.status_code == 303, wrong


async def test_next_leads_to_pages_of_ours_alone(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        for brought in (
            "https://evil.example/", "//evil.example", "/\\evil.example", "/dashboard//evil", "/dashboardx", "/send",
            "%2f%2fevil.example", "/%2f/evil.example", "/dashboard\r\nLocation: x", "\t//evil", "javascript:alert(1)",
            "/dashboard/..//evil.example", "/dashboard/\\evil", "",
        ):  # fmt: skip
            answer = await site.get("/dashboard/sign-in", next=brought)
            assert answer.status_code == 303
            location = answer.headers["Location"]
            assert location == "/dashboard", brought


async def test_over_https_the_cookie_is_for_this_host_alone_and_http_is_told_where_to_go(tmp_path: Path) -> None:
    async with dashboard(tmp_path, public_url="https://hub.example") as site:
        await person(site)
        answer = await site.anonymous.post("/dashboard/sign-in", name="ann", password=PASSWORD)
        line = cookies_of(answer)["__Host-kioskwire_session"]
        assert "Secure" in line
        assert "HttpOnly" in line
        assert "Domain" not in line
        assert "__Host-kioskwire_known" in cookies_of(answer)
        by_http = {"Origin": "http://10.0.0.5:8000", "Host": "10.0.0.5:8000"}
        answer = await site.anonymous.post("/dashboard/sign-in", name="ann", password=PASSWORD, headers=by_http)
        assert answer.status_code == 403
        assert "https://hub.example" in answer.text


async def test_what_a_trusted_proxy_says_of_https_counts_and_what_others_say_does_not(tmp_path: Path) -> None:
    for trust, name in ((True, "__Host-kioskwire_session"), (False, "kioskwire_session")):
        async with dashboard(tmp_path / str(trust), trust_proxy=trust) as site:
            await person(site)
            answer = await site.anonymous.post(
                "/dashboard/sign-in", name="ann", password=PASSWORD, headers={"X-Forwarded-Proto": "https"}
            )
            assert name in cookies_of(answer)


async def test_another_sites_page_can_neither_sign_in_nor_send_forms(tmp_path: Path) -> None:
    async with dashboard(tmp_path, public_url="http://hub.example") as site:
        host = httpx.URL(site.at.url).netloc.decode()
        for headers, status in (
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Sec-Fetch-Site": "same-site"}, 403),
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": f"http://{host}.evil.example"}, 403),
            ({"Origin": "http://hub.example"}, 303),
            ({"Origin": f"http://{host}"}, 303),
            ({"Sec-Fetch-Site": "same-origin", "Origin": "http://what-a-proxy-made-of-it"}, 303),
        ):
            answer = await site.post("/dashboard/account/sessions", session="others", headers=headers)
            assert answer.status_code == status, headers
            answer = await site.anonymous.post("/dashboard/sign-in", name="x", password="y", headers=headers)
            assert ("another site" in answer.text) == (status == 403), headers
            if status == 403:
                assert "Set-Cookie" not in answer.headers


async def test_the_link_for_the_first_admin_lies_in_a_file_and_works_once(tmp_path: Path) -> None:
    async with dashboard(tmp_path, accounts=False) as site:
        file = tmp_path / "first-admin-link"
        assert file.stat().st_mode & 0o777 == 0o600
        link = httpx.URL(file.read_text().strip())
        assert link.host == "127.0.0.1"
        page = await site.anonymous.get(link.path)
        assert page.status_code == 200
        assert (await site.anonymous.get("/dashboard/sign-in")).text.count("first-admin-link") == 1
        bad = [
            ("ann", "short", "short"), ("ann", PASSWORD, "another one, not the same"), ("a b", PASSWORD, PASSWORD),
            ("ann-the-admin", "ann-the-admin", "ann-the-admin"), ("ann", "password12345", "password12345"),
        ]  # fmt: skip
        for name, password, again in bad:
            answer = await site.anonymous.post(link.path, name=name, password=password, again=again)
            assert answer.status_code == 422, (name, password)
        answer = await site.anonymous.post(link.path, name="Ann", password=PASSWORD, again=PASSWORD)
        assert answer.status_code == 303, answer.text
        account = await site.rooms.accounts.get("ann")
        assert account.role is Role.ADMIN
        assert not file.exists()
        assert (await site.anonymous.get("/dashboard/accounts")).status_code == 200
        answer = await site.anonymous.post(link.path, name="eve", password=PASSWORD, again=PASSWORD)
        assert answer.status_code == 410
        assert link.path.rpartition("/")[2] not in str(rows(tmp_path, "SELECT * FROM account_links"))


async def test_a_new_start_without_accounts_makes_the_old_link_worthless(tmp_path: Path) -> None:
    async with dashboard(tmp_path, accounts=False):
        first = httpx.URL((tmp_path / "first-admin-link").read_text().strip()).path
    async with dashboard(tmp_path, accounts=False) as site:
        second = httpx.URL((tmp_path / "first-admin-link").read_text().strip()).path
        assert (await site.anonymous.get(first)).status_code == 410
        assert (await site.anonymous.get(second)).status_code == 200
    async with dashboard(tmp_path) as site:
        assert (await site.anonymous.get(second)).status_code == 410  # there are accounts now


async def test_failed_tries_are_audited_once_with_their_number_and_without_names_that_are_nobodys(
    tmp_path: Path,
) -> None:
    async with dashboard(tmp_path) as site:
        await person(site)
        for _ in range(4):
            await site.anonymous.post("/dashboard/sign-in", name="ann", password="wrong")
            await site.anonymous.post("/dashboard/sign-in", name="my-password", password="ann")
        await settle_audit(site)
        failed = await site.rooms.audit.page(act="account.sign-in-failed")
        assert sorted(act.subject for act in failed) == ["", "ann"]
        assert all(act.who == "" for act in failed)
        assert "my-password" not in str(rows(tmp_path, "SELECT * FROM audit"))


async def turn_on(rooms: Rooms, browser: object) -> str:
    """Set a second factor up as a person does; returns its secret."""
    page = await browser.post("/dashboard/account/totp", csrf=await csrf_of(browser), password=PASSWORD)
    assert page.status_code == 200, page.text
    found = re.search(r'<span class="secret">([A-Z2-7 ]+)</span>', page.text)
    assert found is not None
    secret = found[1].replace(" ", "")
    code = pyotp.TOTP(secret).now()
    answer = await browser.post("/dashboard/account/totp/confirm", csrf=await csrf_of(browser), code=code)
    assert answer.status_code == 303, answer.text
    return secret


async def csrf_of(browser: object) -> str:
    """What a form of this browser's session brings."""
    return hidden((await browser.get("/dashboard/account")).text, "csrf")


def hidden(page: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None, name
    return found[1]
