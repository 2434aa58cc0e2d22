"""`kioskwire-appliance enroll`: trades a code whether the appliance runs or not, and says what came of it.

It writes into STATE_DIR what the service would write, step by step, under the same lock; a running appliance sees it
within two seconds. Run as root, its files belong to whom STATE_DIR belongs to.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from appliance.box import read_marks
from appliance.engineer.asking import ask as ask_pin
from appliance.engineer.pin import save as save_pin
from appliance.enrolment.arguments import DONE, ENROLLED, LATER, REFUSED, USAGE
from appliance.enrolment.given import named_hub
from appliance.enrolment.moving import follow
from appliance.enrolment.papers import BusyError, Papers, Pending
from appliance.enrolment.trade import TradeError, Trouble, Way, trade
from appliance.hub import read_hub
from appliance.identity import Identity, IdentityError, sync_directory
from appliance.journal import is_used
from appliance.settings import Loaded, load
from wire.enrolment import parse_code
from wire.environment import SettingsError

TRY_FOR_S = 60.0
_FIRST_S, _MOST_S = 1.0, 10.0
_ASKED_MOST = 3


def run(options: argparse.Namespace) -> int:
    """Returns the exit status."""
    try:
        loaded = load(options.env_file, routing=options.routes, routed=False)
    except SettingsError as error:
        return _say(USAGE, "kioskwire-appliance enroll cannot work with these settings:", *map(str, error.mistakes))
    settings = loaded.settings
    papers = Papers(Path(settings.state_dir))
    if settings.ws_token:
        return _say(
            ENROLLED, f"this kiosk has its token from WS_TOKEN ({loaded.origins.of('WS_TOKEN')}), which beats what is "
            "enrolled here: remove it there first",
        )  # fmt: skip
    try:
        before = _present(papers, named_hub(settings.ws_server_url))
        if before is not None and not options.force:
            return _say(
                ENROLLED, f"this kiosk is enrolled already, as {before.kiosk_id} at {before.hub}; to enrol it anew, "
                "with a new code: --force",
            )  # fmt: skip
        hub, code = _wishes(options, loaded)
        pin = ask_pin() if getattr(options, "pin", False) else ""
        _make(papers.directory)
        if pin:
            save_pin(papers.directory, pin, time.time())
        with papers.lock():
            if before is not None:
                _warn(papers, before, hub)
            elif not options.force:
                _warn_unknown(papers, hub, named_hub(settings.ws_server_url))
            pending = papers.begin(hub, code, "command", forced=options.force)
            return asyncio.run(_trade(papers, pending, loaded))
    except ValueError as error:
        return _say(USAGE, str(error))
    except BusyError as error:
        return _say(LATER, f"{error}: try again in a minute")
    except IdentityError as error:
        return _say(USAGE, f"STATE_DIR={papers.directory}: {error}")
    except OSError as error:
        return _say(USAGE, f"STATE_DIR={papers.directory}: cannot be written to: {error.strerror}")
    except KeyboardInterrupt:
        return _say(130, "given up; a running appliance goes on trying")


def tell(loaded: Loaded) -> str:
    """Who the kiosk would be under these settings, in one line without secrets."""
    settings = loaded.settings
    papers = Papers(Path(settings.state_dir))
    try:
        identity = papers.read_identity()
    except IdentityError as error:
        return f"enrolment: not enrolled: {error}"
    if settings.ws_token:
        beaten = f"; it beats the identity of {identity.kiosk_id} in {papers.directory}" if identity else ""
        return f"enrolment: the token in WS_TOKEN says who this kiosk is{beaten}"
    if identity is not None:
        now = follow(identity, named_hub(settings.ws_server_url))
        moved = f", where WS_SERVER_URL says that its hub is; it was enrolled at {now.enrolled_at}"
        return f"enrolment: this kiosk is {now.kiosk_id} at {now.hub}{moved if now.enrolled_at else ''}"
    if settings.enroll_code and settings.ws_server_url:
        return "enrolment: not enrolled; the code in ENROLL_CODE is tried at the start"
    return "enrolment: not enrolled; it waits for its page /setup, `kioskwire-appliance enroll` or a file enroll.env"


async def _trade(papers: Papers, pending: Pending, loaded: Loaded) -> int:
    """Ask until there is an answer, for a minute."""
    settings = loaded.settings
    way = Way(settings.proxy_url.reveal(), settings.ca_file)
    marks = read_marks(settings.box_id)
    until, delay, told = time.monotonic() + TRY_FOR_S, _FIRST_S, ""
    print(f"asking {pending.hub} …", flush=True)
    while True:
        try:
            answer = await trade(pending, way)
            break
        except TradeError as error:
            if error.kind is Trouble.REFUSED:
                papers.refuse(pending)
                return _say(REFUSED, f"{error}", "have a new code made: kioskwire-hub kiosk code KIOSK")
            if str(error) != told:
                print(f"  {error}; trying again", flush=True)
                told = str(error)
            wait = max(delay, error.retry_after or 0.0)
            delay = min(_MOST_S, delay * 2)
            if time.monotonic() + wait > until:
                return _say(
                    LATER, f"not enrolled yet: {error}", "the code is kept: the appliance goes on trying while it runs"
                )
            await asyncio.sleep(wait)
    identity = papers.finish(pending, answer, marks)
    named = f" ({identity.name})" if identity.name else ""
    print(f"enrolled: this kiosk is {identity.kiosk_id}{named} at {identity.hub}")
    if papers.read_next() is not None:
        print("it goes on as before until everything is told that it did so; then it takes its new name by itself")
    elif _is_running(papers.directory):
        print("the running appliance connects within a few seconds")
    else:
        print("the appliance does not run: start it, such as by: systemctl start kioskwire-appliance")
    return DONE


def _present(papers: Papers, setting: str) -> Identity | None:
    """Who it is now. A file that cannot be used is said to be so, and is nobody."""
    try:
        found = papers.read_identity()
        return follow(found, setting) if found is not None else None
    except IdentityError as error:
        print(f"warning: {error}; it is written anew", file=sys.stderr)
        return None


def _warn(papers: Papers, before: Identity, hub: str) -> None:
    """What becomes of what is not told yet."""
    served = papers.read_served()
    who = served.kiosk_id if served else before.kiosk_id
    print(
        f"note: what {who} did and has not told yet is told under its new identity, if the code is for {who} again; "
        "a code for another kiosk comes into force when all is told",
        file=sys.stderr,
    )
    if hub != (served.hub if served else before.hub):
        print(
            f"note: {hub} is taken for the same hub as before at a new address; if it is another one, wait until "
            "/health says that nothing is unsettled",
            file=sys.stderr,
        )


def _warn_unknown(papers: Papers, hub: str, setting: str) -> None:
    """What becomes of what an earlier version, which did not note whom it served, has not told yet."""
    if papers.read_served() is None and hub != setting and (papers.directory / "journal.db").exists():
        print(
            f"note: if this kiosk worked with WS_TOKEN before and did not tell all of it, it waits: put WS_TOKEN back "
            f"until /health says that nothing is unsettled, or, if {hub} is the same hub at another address: --force",
            file=sys.stderr,
        )


def _wishes(options: argparse.Namespace, loaded: Loaded) -> tuple[str, str]:
    """Hub and code: given, or asked for. Raises `ValueError` with both mistakes."""
    hub: str = options.hub or loaded.settings.ws_server_url
    code: str = options.code or loaded.settings.enroll_code.reveal()
    asks = sys.stdin.isatty()
    if options.code == "-":
        code, asks = sys.stdin.readline(200).strip(), False
    if asks:
        return _asked("the hub's address: ", hub, read_hub), _asked("the one-time code: ", code, parse_code)
    mistakes, found = [], []
    for name, text, parse in (("--hub", hub, read_hub), ("--code", code, parse_code)):
        try:
            found.append(parse(text))
        except ValueError as error:
            mistakes.append(f"{name}: {error}")
    if mistakes:
        raise ValueError("\n".join(mistakes))
    return found[0], found[1]


def _asked(question: str, given: str, parse: Callable[[str], str]) -> str:
    """What was given, or what a person at the terminal types, who may try again."""
    for _ in range(_ASKED_MOST):
        try:
            return parse(given or input(question))
        except ValueError as error:
            if given:
                raise
            print(error, file=sys.stderr)
        except EOFError:
            break
    raise ValueError("nothing that could be used was given")


def _make(directory: Path) -> None:
    """STATE_DIR, if the appliance never ran."""
    if not directory.is_dir():
        directory.mkdir(mode=0o700, parents=True)
        sync_directory(directory.parent)
        if os.geteuid() == 0:
            print(f"note: {directory} was made, and belongs to root: run the appliance's service once", file=sys.stderr)


def _is_running(directory: Path) -> bool:
    with contextlib.suppress(OSError):
        return is_used(directory)
    return False


def _say(status: int, *lines: str) -> int:
    for line in lines:
        print(line, file=sys.stderr)
    return status
