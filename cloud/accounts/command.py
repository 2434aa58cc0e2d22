"""`kioskwire-hub account`: what an operator types. No password is ever typed or printed here: a one-time link is.

What it needs is imported when it is carried out: `kioskwire-hub version` does without a database.
"""

import argparse
import getpass
import os
from collections.abc import Awaitable, Callable
from typing import Any

Act = Callable[[Any, argparse.Namespace], Awaitable[int]]
Show = Callable[[argparse.Namespace, Any, list[str]], int]
_ROLES = ("viewer", "operator", "admin")


def declare_account(
    into: Any, command: Callable[..., argparse.ArgumentParser], run: Callable[[Act], Any], show: Show
) -> None:
    """The commands, `into` a parser's subcommands; `command` adds one, and `run` has it carried out on a database.

    `show` prints a value where JSON is asked for, else the lines, and returns the exit status.
    """
    added = command(into, "add", "make an account; print the one-time link with which its owner sets a password",
                    run(_add))  # fmt: skip
    added.add_argument("name", help="1 to 64 of a-z, digits, . _ @ -")
    added.add_argument("--role", required=True, choices=_ROLES, help="what the account may do")
    linked = command(into, "link", "print a new one-time link, good for 24 h; those before are dead", run(_link))
    linked.add_argument("name", nargs="?", help="whose; none: for the first admin, while there is no account")
    roled = command(into, "role", "give an account another role; it must sign in anew", run(_role))
    roled.add_argument("name", help="whose")
    roled.add_argument("role", choices=_ROLES, help="what it may do from now on")
    made = [added, linked, roled, command(into, "list", "list all accounts", run(_list))]
    for name, words, act in (
        ("enable", "let somebody sign in again", _enable),
        ("disable", "keep somebody out, and sign them out everywhere", _disable),
        ("remove", "remove an account for good; what it did stays in the audit log", _remove),
        ("unlock", "forget wrong tries: whoever waits need not any more", _unlock),
        ("totp-off", "turn the second factor off, for who has lost the phone", _totp_off),
    ):
        one = command(into, name, words, run(act))
        one.add_argument("name", help="whose")
        made.append(one)
    for one in made:
        one.add_argument("--json", action="store_true", help="print JSON")
        one.set_defaults(show=show)


def system_user() -> str:
    """Who types, for the audit: as the system knows them, and who they were before sudo."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    before = os.environ.get("SUDO_USER", "")
    return f"{before} as {user}" if before and before != user else user


async def _add(desk: Any, arguments: argparse.Namespace) -> int:
    from cloud.accounts.account import Role  # noqa: PLC0415 - see above

    account = await desk.accounts.add(arguments.name, Role(arguments.role), by=desk.doer)
    return await _print_link(desk, arguments, account.name)


async def _link(desk: Any, arguments: argparse.Namespace) -> int:
    if arguments.name:
        return await _print_link(desk, arguments, arguments.name.strip().lower())
    made = await desk.accounts.make_first_link(by=desk.doer)
    if made is None:
        raise ValueError("there are accounts already: say whose link it shall be, `kioskwire-hub account link NAME`")
    return _shown_link(desk, arguments, "", *made)


async def _print_link(desk: Any, arguments: argparse.Namespace, name: str) -> int:
    secret, until = await desk.accounts.make_link(name, by=desk.doer)
    return _shown_link(desk, arguments, name, secret, until)


def _shown_link(desk: Any, arguments: argparse.Namespace, name: str, secret: str, until: float) -> int:
    from cloud.accounts.room import welcome_address  # noqa: PLC0415 - see above
    from cloud.kiosks.shown import when  # noqa: PLC0415 - see above

    address = welcome_address(desk.settings, secret)
    whose = f"account {name}" if name else "the first admin"
    lines = [f"one-time link for {whose}, good until {when(until)}, shown only now:", address]
    if not desk.settings.public_url:
        lines.append("(PUBLIC_URL is not set: replace the beginning by what your browser reaches the hub at)")
    return _shown(arguments, {"name": name or None, "link": address, "good_until": when(until)}, lines)


async def _list(desk: Any, arguments: argparse.Namespace) -> int:
    from cloud.kiosks.shown import when  # noqa: PLC0415 - see above

    accounts = await desk.accounts.read_all()
    shown = [
        {
            "name": one.name,
            "role": str(one.role),
            "enabled": one.enabled,
            "has_password": one.has_password,
            "totp": one.has_totp,
            "locked_until": when(one.locked_until) if one.locked_until else None,
            "signed_in_at": when(one.signed_in_at) if one.signed_in_at else None,
        }
        for one in accounts
    ]
    lines = [
        f"{one.name:24} {one.role:9} {'enabled' if one.enabled else 'disabled':9}"
        f"{'' if one.has_password else 'no password yet  '}{'second factor' if one.has_totp else ''}".rstrip()
        for one in accounts
    ]
    return _shown(arguments, shown, lines or ["no accounts yet: kioskwire-hub account link"])


async def _role(desk: Any, arguments: argparse.Namespace) -> int:
    from cloud.accounts.account import Role  # noqa: PLC0415 - see above

    account = await desk.accounts.set_role(arguments.name, Role(arguments.role), by=desk.doer)
    return _done(arguments, account.name, f"is {_a(account.role)} now", role=str(account.role))


async def _enable(desk: Any, arguments: argparse.Namespace) -> int:
    account = await desk.accounts.enable(arguments.name, True, by=desk.doer)
    return _done(arguments, account.name, "is enabled", enabled=True)


async def _disable(desk: Any, arguments: argparse.Namespace) -> int:
    account = await desk.accounts.enable(arguments.name, False, by=desk.doer)
    return _done(arguments, account.name, "is disabled, and signed out everywhere", enabled=False)


async def _remove(desk: Any, arguments: argparse.Namespace) -> int:
    account = await desk.accounts.get(arguments.name)
    await desk.accounts.remove(account.name, by=desk.doer)
    return _done(arguments, account.name, "is removed", removed=True)


async def _unlock(desk: Any, arguments: argparse.Namespace) -> int:
    account = await desk.accounts.get(arguments.name)
    await desk.accounts.unlock(account.name, by=desk.doer)
    return _done(arguments, account.name, "can try again", unlocked=True)


async def _totp_off(desk: Any, arguments: argparse.Namespace) -> int:
    account = await desk.accounts.get(arguments.name)
    await desk.accounts.totp_off(account.name, by=desk.doer)
    return _done(arguments, account.name, "signs in with a password alone", totp=False)


def _a(role: str) -> str:
    return f"{'a' if role == 'viewer' else 'an'} {role}"


def _done(arguments: argparse.Namespace, name: str, words: str, **facts: object) -> int:
    return _shown(arguments, {"name": name, **facts}, [f"account {name} {words}"])


def _shown(arguments: argparse.Namespace, value: Any, lines: list[str]) -> int:
    status: int = arguments.show(arguments, value, lines)
    return status
