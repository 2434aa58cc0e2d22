"""What strangers and people of low rights try at the dashboard, and what must not come of it."""

from pathlib import Path

import pytest

from cloud.accounts.account import Act
from tests.cloud.dashboard.site import TESTS, dashboard, stop_the_clock
from tests.cloud.dashboard.test_sign_in import PASSWORD, person
from tests.cloud.hub import POSTGRESQL, broken


async def test_a_stranger_at_the_same_address_keeps_out_no_browser_that_is_known(tmp_path: Path) -> None:
    """An office has one address, and so has everybody behind a proxy that the hub was not told of."""
    async with dashboard(tmp_path) as site:
        stop_the_clock(site)
        await person(site)
        ann = site.as_role("viewer")  # a browser of its own
        ann.http.cookies.clear()
        assert (await ann.post("/dashboard/sign-in", name="ann", password=PASSWORD)).status_code == 303
        for _ in range(40):
            await site.anonymous.post("/dashboard/sign-in", name="ann", password="wrong")
        stranger = await site.anonymous.post("/dashboard/sign-in", name="ann", password=PASSWORD)
        assert stranger.status_code == 429
        del ann.http.cookies["kioskwire_session"]
        assert (await ann.post("/dashboard/sign-in", name="ann", password=PASSWORD)).status_code == 303


async def test_who_was_removed_is_not_known_as_who_comes_after(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        stop_the_clock(site)
        await person(site)
        gone = site.as_role("viewer")
        assert (await gone.post("/dashboard/sign-in", name="ann", password=PASSWORD)).status_code == 303
        number = (await site.rooms.accounts.get("ann")).id
        await site.rooms.accounts.remove("ann", by=TESTS)
        await person(site, "ben")
        assert POSTGRESQL or (await site.rooms.accounts.get("ben")).id == number  # SQLite gives it again
        for _ in range(22):
            await site.anonymous.post("/dashboard/sign-in", name="ben", password="wrong")
        del gone.http.cookies["kioskwire_session"]
        assert (await gone.post("/dashboard/sign-in", name="ben", password=PASSWORD)).status_code == 429


async def test_a_one_time_link_opens_whatever_strangers_do_at_the_same_address(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        await person(site)
        for _ in range(40):
            await site.anonymous.post("/dashboard/sign-in", name="ann", password="wrong")
        secret, _ = await site.rooms.accounts.make_link("ann", by=TESTS)
        answer = await site.anonymous.post(f"/dashboard/welcome/{secret}", password=PASSWORD, again=PASSWORD)
        assert answer.status_code == 303


async def test_who_signs_in_often_from_a_known_browser_earns_no_tries_for_others(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        stop_the_clock(site)
        await person(site)
        ann = site.as_role("viewer")
        for _ in range(2):
            await ann.post("/dashboard/sign-in", name="ann", password=PASSWORD)
        tried = [await site.anonymous.post("/dashboard/sign-in", name=f"n{at}", password="x") for at in range(18)]
        for _ in range(3):
            await ann.post("/dashboard/sign-in", name="ann", password=PASSWORD)
        tried += [await site.anonymous.post("/dashboard/sign-in", name=f"m{at}", password="x") for at in range(5)]
        assert [answer.status_code for answer in tried].count(403) == 20


@pytest.mark.parametrize("act", ["\U0010ffff", "a\U0010ffff", "k\ud7ff", "kiosk%", "ы", "KIOSK", "'"])
async def test_an_act_that_there_cannot_be_is_not_found_and_breaks_nothing(tmp_path: Path, act: str) -> None:
    async with dashboard(tmp_path) as site:
        await site.rooms.audit.note(Act(who="x", door="cli", act="kiosk.disable"))
        answer = await site.get("/dashboard/audit", act=act)
        assert answer.status_code == 200
        assert await site.rooms.audit.page(act=act) == []
        assert len(await site.rooms.audit.page(act="kiosk")) == 1


async def test_a_one_time_link_is_told_to_no_log_and_no_other_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with dashboard(tmp_path) as site:
        await person(site)
        secret, _ = await site.rooms.accounts.make_link("ann", by=TESTS)
        async with broken(tmp_path, "account_links"):
            assert (await site.anonymous.get(f"/dashboard/welcome/{secret}")).status_code == 503
        assert any("could not be filled" in each.message for each in caplog.records)
        assert not [each for each in caplog.records if secret in str(each.__dict__)]
        page = await site.anonymous.get(f"/dashboard/welcome/{secret}")
        assert page.status_code == 200
        assert page.headers["Referrer-Policy"] == "strict-origin"
