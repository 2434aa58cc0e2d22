"""`kioskwire-sim telegram`: this emulator as a program, with its page.

Loaded by the appliance's command through an entry point: neither program imports the other. `COMMAND` is a tuple as
`appliance.simulate.Command` has it: summary, declare, run.
"""

import argparse
import asyncio
import errno
import logging
import re
import signal
import sys
from collections import Counter
from typing import NamedTuple

from cloud.emulator.server import TOKEN, Emulator
from cloud.logs import set_up
from wire.environment import Mistake

_log = logging.getLogger(__name__)

_TOKEN = re.compile(r"[0-9]{3,16}:[A-Za-z0-9_-]{35}")
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
PORT = "8085"
ADMIN, STRANGER = "1", 666
TOPIC = 2  # the message_thread_id of the one topic that a group with topics has
GROUPS = ["Operation log", "Alerts"]
_FIRST_ID = -1001  # of groups without one; they count downwards


class _Options(NamedTuple):
    host: str
    port: int
    token: str
    admin: int
    language: str
    groups: list[tuple[int, str]]
    limits: bool


def declare(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.epilog = (
        "A hub speaks with it by TELEGRAM_API_URL=http://127.0.0.1:8085, TELEGRAM_BOT_TOKEN being --token and\n"
        "TELEGRAM_ADMIN_IDS --admin. The page at that address is where one types commands and reads answers. Programs\n"
        'may POST {"say": "/status", "user": 1} to /sim/say, {"press": data, "user": 1, "message": id} to /sim/press,\n'
        "and GET /sim/messages?chat=1. Nothing is kept when it ends."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", default=PORT, help="port to listen on; 0 for a free one (default: %(default)s)")
    parser.add_argument("--token", default=TOKEN, help="the bot's token (default: %(default)s)")
    parser.add_argument(
        "--admin", metavar="ID", default=ADMIN, help="id of the person at the page (default: %(default)s)"
    )
    parser.add_argument("--language", default="en", help="that person's language, such as ru (default: %(default)s)")
    parser.add_argument(
        "--group",
        metavar="NAME[=ID]",
        action="append",
        default=[],
        help=f"a group with the bot in it, and with a topic of id {TOPIC} if NAME ends in #; ids are -1001, -1002 … if "
        f"not given; may be given again (default: {' and '.join(GROUPS)})",
    )
    parser.add_argument("--limits", action="store_true", help="refuse what is too fast for the real Telegram")


def run(options: argparse.Namespace, mistakes: list[Mistake]) -> int:
    """Serve until it is told to stop. Returns the exit status."""
    read = _read(options, mistakes)
    if mistakes:
        for mistake in mistakes:
            shown = f"{mistake.name}={mistake.value}" if mistake.value else mistake.name
            print(f"kioskwire-sim: {shown}: {mistake.words}", file=sys.stderr)
        return 2
    set_up("INFO")
    try:
        asyncio.run(_serve(read))
    except OSError as error:
        busy = error.errno == errno.EADDRINUSE
        why = "another program listens there; choose another --port, or 0" if busy else error.strerror or error
        print(f"kioskwire-sim: cannot listen on {read.host} port {read.port}: {why}", file=sys.stderr)
        return 1
    return 0


def _read(options: argparse.Namespace, mistakes: list[Mistake]) -> _Options:
    def number(name: str, most: int) -> int:
        text = getattr(options, name)
        if text.isascii() and text.isdigit() and int(text) <= most:
            return int(text)
        mistakes.append(Mistake(f"--{name}", text, f"right would be a number up to {most}"))
        return 1

    if options.host not in _LOOPBACK:
        words = f"would let everybody on the network be the admin; right would be one of {', '.join(sorted(_LOOPBACK))}"
        mistakes.append(Mistake("--host", options.host, words))
    if not _TOKEN.fullmatch(options.token):
        words = "right would be digits, a colon and 35 letters, digits, _ or -, such as 123456: and so on"
        mistakes.append(Mistake("--token", "", words))
    if not re.fullmatch("[a-z]{2}", options.language):
        mistakes.append(Mistake("--language", options.language, "right would be two letters, such as en or ru"))
    groups: list[tuple[int, str]] = []
    for place, text in enumerate(options.group or GROUPS):
        name, equals, chat = text.partition("=")
        if not name.strip("# ") or (equals and not re.fullmatch("-[0-9]{1,18}", chat)):
            words = "right would be a name, or a name, = and an id below zero, such as Log=-1001"
            mistakes.append(Mistake("--group", text, words))
        else:
            groups.append((int(chat) if equals else _FIRST_ID - place, name))
    for chat_id, count in Counter(chat_id for chat_id, _ in groups).items():
        if count > 1:
            mistakes.append(Mistake("--group", str(chat_id), "is the id of two groups"))
    admin = number("admin", 1 << 52)
    if admin in {0, STRANGER}:
        mistakes.append(Mistake("--admin", options.admin, f"right would be any number but 0 and {STRANGER}"))
    return _Options(
        host=options.host,
        port=number("port", 65535),
        token=options.token,
        admin=admin,
        language=options.language,
        groups=groups,
        limits=options.limits,
    )


async def _serve(options: _Options) -> None:
    """Until SIGTERM or SIGINT. Raises `OSError` when the address cannot be had."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    emulator = Emulator(
        port=options.port, host=options.host, token=options.token, limits=options.limits, webhook_pause=1.0
    )
    emulator.go_on()
    async with emulator:
        emulator.user(options.admin, "You", options.language, started=False)
        emulator.user(STRANGER, "A stranger", options.language, started=False)
        for chat_id, name in options.groups:
            emulator.group(chat_id, name.rstrip("# "), forum=name.endswith("#"))
            if name.endswith("#"):
                emulator.topic(chat_id, "Topic", TOPIC)
        emulator.shown = [options.admin, STRANGER]
        _log.info("listening", extra={"url": emulator.url})
        await stop.wait()


COMMAND = (
    "the Telegram Bot API, with a page to talk to the bot on",
    declare,
    run,
)
