"""The language switch."""

from pathlib import Path

import pytest

from cloud.dashboard.language import inside
from tests.cloud.dashboard.site import dashboard


async def test_a_stranger_s_choice_is_kept_in_the_browser(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        answer = await site.anonymous.post(
            "/dashboard/language", language="kk", back="/dashboard/sign-in?next=%2Fdashboard"
        )
        assert (answer.status_code, answer.headers["Location"]) == (303, "/dashboard/sign-in?next=%2Fdashboard")
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("kioskwire_language=kk;")
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie


async def test_who_is_signed_in_has_it_in_every_browser(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="viewer") as site:
        assert (await site.post("/dashboard/language", language="ru", back="/dashboard/nowhere")).status_code == 303
        site.http.cookies.delete("kioskwire_language")
        assert "По этому адресу ничего нет." in (await site.get("/dashboard/nowhere")).text
        account = await site.rooms.accounts.find("a-viewer")
        assert account is not None
        assert account.language == "ru"


async def test_a_language_that_is_none_changes_nothing_and_nobody_is_led_elsewhere(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        answer = await site.anonymous.post("/dashboard/language", language="xx", back="https://elsewhere.example/")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/dashboard")
        assert "Set-Cookie" not in answer.headers
        other = await site.anonymous.post(
            "/dashboard/language", language="ru", back="/dashboard", headers={"Sec-Fetch-Site": "cross-site"}
        )
        assert other.status_code == 403


@pytest.mark.parametrize(
    "address",
    [
        "https://elsewhere.example/dashboard", "//elsewhere.example", "/\\elsewhere", "/dashboard\\@x", "dashboard", "",
        "/dashboards", "/dashboard/x\r\nSet-Cookie: a=b", "/dashboard/\N{FULLWIDTH SOLIDUS}x", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_an_address_elsewhere_is_the_overview(address: str) -> None:
    assert inside(address) == "/dashboard"


@pytest.mark.parametrize("address", ["/dashboard", "/dashboard?range=day", "/dashboard/operations?kiosk=a%2Fb"])
def test_an_address_of_ours_stays(address: str) -> None:
    assert inside(address) == address
