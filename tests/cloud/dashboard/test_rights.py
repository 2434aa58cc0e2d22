"""Who may do what: every address of the dashboard, asked by everybody; and what no page may be without."""

import re
from pathlib import Path

import pytest

from cloud.accounts.account import Role
from cloud.dashboard.routes import ROUTES
from cloud.dashboard.screen import Screen
from tests.cloud.dashboard.site import Browser, Site, dashboard

# Of each kind of group in the addresses one that fits it. Nothing of that need be there: rights come first.
_FITTING = {
    r"([A-Za-z0-9_-]{20,100})": "x" * 43,
    r"([a-z0-9._@-]{1,64})": "a-viewer",
    r"([0-9a-f]{8})": "0123abcd",
    r"([0-9]+)": "1",
    r"(\d+)": "1",
    r"\.": ".",
    ".*": "no-such-page",
}


def address(pattern: str) -> str:
    """An address that the pattern takes."""
    for group, fitting in _FITTING.items():
        pattern = pattern.replace(group, fitting)
    pattern = re.sub(r"\(([a-z0-9-]+)(\|[a-z0-9-]+)+\)", r"\1", pattern)
    return re.sub(r"\([^()]*\)", "some-id", pattern).removesuffix("?")


PAGES = [(address(path), handler) for path, handler in ROUTES if issubclass(handler, Screen)]


def test_every_pattern_takes_the_address_that_is_tried() -> None:
    for (path, _), (tried, _) in zip([route for route in ROUTES if issubclass(route[1], Screen)], PAGES, strict=True):
        assert re.fullmatch(path, tried), (path, tried)


async def test_nobody_reads_or_writes_more_than_the_role_allows(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        people: dict[Role | None, Browser] = {None: site.anonymous, **{role: site.as_role(role) for role in Role}}
        for path, handler in PAGES:
            for role, browser in people.items():
                for needed, ask in ((handler.reads, browser.get), (handler.writes, browser.post)):
                    if needed is None or (role is not None and role.may(needed)):
                        continue
                    answer = await ask(path)
                    if role is None:
                        assert answer.status_code == 303, path
                        assert answer.headers["Location"].startswith("/dashboard/sign-in"), path
                    else:
                        assert answer.status_code == 403, (path, role, answer.status_code)
        names = [account.name for account in await site.rooms.accounts.read_all()]
        assert names == ["a-admin", "a-operator", "a-viewer"]


async def test_no_form_is_taken_without_the_proof_of_this_very_session(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        other = site.as_role("operator").session
        assert other is not None
        for path, handler in PAGES:
            if handler.writes is None:
                continue
            for wrong in ("", "x", other.csrf, "ä"):
                answer = await site.post(path, csrf=wrong)
                assert answer.status_code == 403, (path, wrong)


@pytest.mark.parametrize("role", ["", "admin"])
async def test_no_page_can_be_framed_cached_or_filled_with_anothers_script(tmp_path: Path, role: str) -> None:
    async with dashboard(tmp_path) as site:
        browser = site.as_role(role) if role else site.anonymous
        for path, _ in PAGES:
            headers = (await browser.get(path)).headers
            assert headers["X-Frame-Options"] == "DENY", path
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], path
            assert "unsafe" not in headers["Content-Security-Policy"], path
            assert headers["X-Content-Type-Options"] == "nosniff", path
            assert headers["Cache-Control"] == "no-store", path


async def test_an_operator_does_not_become_an_admin_by_any_form(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="operator") as site:
        await _tries(site, "a-operator")
        assert (await site.rooms.accounts.get("a-operator")).role is Role.OPERATOR


async def _tries(site: Site, name: str) -> None:
    for path, fields in (
        (f"/dashboard/accounts/{name}/role", {"role": "admin"}),
        ("/dashboard/accounts/add", {"name": "eve", "role": "admin"}),
        (f"/dashboard/accounts/{name}/link", {}),
    ):
        assert (await site.post(path, **fields)).status_code == 403
