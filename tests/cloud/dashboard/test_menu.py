"""Who is shown what."""

from cloud.accounts.account import Account, Role, Session
from cloud.dashboard.menu import entries

FOR_ALL = ["overview", "kiosks", "operations", "callbacks", "alerts"]


def session(role: Role) -> Session:
    account = Account(id=1, name="somebody", role=role, enabled=True, has_password=True, has_totp=False)
    return Session(account=account, hash="", csrf="", made_at=0.0, until=0.0, address="")


def test_each_role_is_shown_what_it_may_read() -> None:
    assert entries(None, "") == []
    for role in (Role.VIEWER, Role.OPERATOR):
        assert [entry.name for entry in entries(session(role), "")] == FOR_ALL
    assert [entry.name for entry in entries(session(Role.ADMIN), "")] == [
        *FOR_ALL,
        "keys",
        "accounts",
        "audit",
        "settings",
    ]


def test_one_entry_is_where_the_reader_is() -> None:
    assert [entry.name for entry in entries(session(Role.ADMIN), "alerts") if entry.is_here] == ["alerts"]
