"""`kioskwire-hub account`, as an operator types it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.hub import POSTGRESQL, database_of, rows
from tests.cloud.test_main import run


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """`account("list")` gives exit status, output, errors."""

    def call(*arguments: str, **more: str) -> tuple[int, str, str]:
        where = {"DATABASE_URL": database_of(tmp_path)} if POSTGRESQL else {}
        return run(monkeypatch, capsys, tmp_path, "account", *arguments, **where, **more)

    return call


def test_accounts_are_kept_by_the_command_line(account: Any, tmp_path: Path) -> None:
    status, out, _ = account("link", PUBLIC_URL="https://hub.example")
    assert status == 0
    assert "https://hub.example/dashboard/welcome/" in out
    status, out, _ = account("add", "Ann", "--role", "admin", "--json")
    assert status == 0
    shown = json.loads(out)
    assert shown["name"] == "ann"
    assert shown["link"].startswith("http://127.0.0.1:")
    assert account("link")[0] == 1  # there are accounts now
    assert account("add", "ann", "--role", "viewer")[0] == 1
    for act in (("disable", "ann"), ("remove", "ann"), ("role", "ann", "viewer")):
        status, _, err = account(*act)
        assert status == 1
        assert "last admin" in err
    account("add", "ben", "--role", "viewer")
    for act in (("role", "ben", "operator"), ("disable", "ben"), ("enable", "ben"), ("unlock", "ben"),
                ("totp-off", "ben"), ("link", "ben")):  # fmt: skip
        assert account(*act)[0] == 0, act
    listed = json.loads(account("list", "--json")[1])
    assert [(one["name"], one["role"], one["has_password"]) for one in listed] == [
        ("ann", "admin", False), ("ben", "operator", False),
    ]  # fmt: skip
    assert account("remove", "ben")[0] == 0
    assert account("remove", "ben")[0] == 1
    acts = [act for (act,) in rows(tmp_path, "SELECT act FROM audit WHERE door = 'cli' ORDER BY number")]
    assert acts == [
        "account.link-first", "account.add", "account.link", "account.add", "account.link", "account.role",
        "account.disable", "account.enable", "account.unlock", "account.totp-reset", "account.link", "account.remove",
    ]  # fmt: skip
    assert shown["link"].rpartition("/")[2] not in str(rows(tmp_path, "SELECT * FROM account_links"))
