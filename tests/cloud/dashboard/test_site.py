"""The tests' own way in: each role is signed in, and nobody else."""

from pathlib import Path

import pytest

from tests.cloud.dashboard.site import dashboard
from tests.cloud.hub import broken


async def test_each_role_is_signed_in_and_a_stranger_is_sent_to_sign_in(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="operator") as site:
        assert site.account is not None
        assert site.account.role == "operator"
        for role in ("viewer", "operator", "admin"):
            assert (await site.as_role(role).get("/dashboard/no-such-page")).status_code == 404
        answer = await site.anonymous.get("/dashboard/no-such-page")
        assert answer.status_code == 303
        assert answer.headers["Location"] == "/dashboard/sign-in?next=%2Fdashboard%2Fno-such-page"


async def test_a_page_that_the_database_does_not_fill_says_so_and_the_log_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with dashboard(tmp_path) as site, broken(tmp_path, "audit"):
        answer = await site.get("/dashboard/audit?who=nobody")
        assert answer.status_code == 503
        (line,) = [each for each in caplog.records if each.name == "cloud.dashboard.screen"]
        assert (line.levelname, line.__dict__["path"]) == ("WARNING", "/dashboard/audit")
        assert "nobody" not in str(line.__dict__)
