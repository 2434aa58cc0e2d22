"""Who may do what: roles, accounts, sessions and acts, as nouns."""

import re
from enum import StrEnum
from typing import Any

import msgspec

from cloud.errors import Refused

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")  # one that stands in an address as it is: not ".."


class Role(StrEnum):
    """Each may what those before it may."""

    VIEWER = "viewer"  # sees everything but secrets
    OPERATOR = "operator"  # settles operations, acknowledges alerts, enables and disables kiosks, delivers again
    ADMIN = "admin"  # adds and removes kiosks, gives out tokens, codes and keys, keeps accounts

    def may(self, needed: "Role") -> bool:
        """Whether this role has the rights of `needed`."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A person. Times are Unix seconds."""

    id: int
    name: str
    role: Role
    enabled: bool
    has_password: bool  # False: the one-time link was not used yet
    has_totp: bool
    language: str = ""  # "": as the browser wishes
    locked_until: float | None = None  # for browsers that it never signed in from
    signed_in_at: float | None = None
    created_at: float = 0.0
    changed_at: float = 0.0


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A person who is signed in, at one browser."""

    account: Account
    hash: str  # of what stands in the cookie: names the session, opens nothing
    csrf: str  # what a form of this session must bring
    made_at: float
    until: float
    address: str
    agent: str = ""  # as the browser names itself: anything
    seen_at: float = 0.0


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """What a person did. `data` holds no secrets."""

    who: str
    door: str  # dashboard, admin-api, telegram, cli
    act: str  # a room and a verb: kiosk.disable
    subject: str = ""
    address: str = ""
    data: dict[str, Any] = {}
    at: float = 0.0
    number: int = 0


class Doer(msgspec.Struct, frozen=True, kw_only=True):
    """Who does something, and by which door they came in; as in `Act`."""

    who: str
    door: str
    address: str = ""

    def act(self, act: str, subject: str, **data: object) -> Act:
        """What they did."""
        return Act(who=self.who, door=self.door, address=self.address, act=act, subject=subject, data=data)


def parse_name(text: str) -> str:
    """An account's name as it is kept, in lower case. Raises `Refused` (bad-request)."""
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise Refused(
            "bad-request", "a name is 1 to 64 of the letters a-z, digits, and . _ @ -", fact="account-name-wrong"
        )
    return name


def parse_role(text: str) -> Role:
    """A role by its name. Raises `Refused` (bad-request)."""
    try:
        return Role(text)
    except ValueError as error:
        raise Refused("bad-request", f"a role is one of {', '.join(Role)}", fact="account-role-wrong") from error
