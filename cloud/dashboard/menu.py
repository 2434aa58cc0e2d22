"""The menu: what there is, and who is shown it."""

import msgspec

from cloud.accounts.account import Role, Session


class Entry(msgspec.Struct, frozen=True):
    """One line of the menu. Its words are `<name>.title`, its picture the symbol of that name in icons.svg."""

    name: str
    address: str
    is_here: bool


_ENTRIES = (
    ("overview", "/dashboard", Role.VIEWER),
    ("kiosks", "/dashboard/kiosks", Role.VIEWER),
    ("operations", "/dashboard/operations", Role.VIEWER),
    ("callbacks", "/dashboard/callbacks", Role.VIEWER),
    ("alerts", "/dashboard/alerts", Role.VIEWER),
    ("keys", "/dashboard/keys", Role.ADMIN),
    ("accounts", "/dashboard/accounts", Role.ADMIN),
    ("audit", "/dashboard/audit", Role.ADMIN),
    ("settings", "/dashboard/settings", Role.ADMIN),
)


def entries(session: Session | None, active: str) -> list[Entry]:
    """What this person may read; nothing for who has not signed in."""
    if session is None:
        return []
    return [Entry(name, address, name == active) for name, address, role in _ENTRIES if session.account.role.may(role)]
