"""`/setup`: a technician gives the kiosk its hub and its code; and `/`, which leads there while it has none.

For the kiosk's own screen alone, unless SETUP_FROM=lan: then also for who comes from a private network and types the
number that the page shows on that screen. Whoever may send this form decides which hub moves the kiosk's money, and on
the kiosk's network there may be customers, neighbours and cameras.
"""

import hmac
import ipaddress
import secrets
import time
from collections.abc import Callable
from urllib.parse import parse_qs

import msgspec

from appliance.engineer.service import Engineer
from appliance.enrolment.papers import BusyError
from appliance.enrolment.service import Enrolment
from appliance.hub import read_hub, short_hub
from appliance.journal import StorageError
from appliance.web.guard import Guard, peer_allowed
from appliance.web.handlers import NotFound, Page
from appliance.web.page import keep_language, language_of
from appliance.web.rate import Rate
from appliance.web.setup_page import POLICY, Filled, View, render, render_refusal
from wire.enrolment import parse_code
from wire.pin import parse_pin

POSTS_MAX, POSTS_WITHIN_S = 12, 60.0
# Of a million numbers; then nobody but the kiosk's own screen may try. A kiosk that waits for a month for its enrolment
# is guessed with a chance of 1 in 140.
WRONG_PINS_MAX, WRONG_PINS_WITHIN_S = 10, 3600.0
_BODY_MAX = 4 * 1024
_PIN_DIGITS = 6
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
_NETWORKS = tuple(map(ipaddress.ip_network, _PRIVATE))


class Setup(msgspec.Struct):
    """What the page needs, and what it must be asked with; both new with each start of the program."""

    enrolment: Enrolment
    connected: Callable[[], bool]
    lan: bool = False  # SETUP_FROM
    engineer: Engineer | None = None  # whose PIN may be set here, as long as the kiosk is nobody's
    token: str = msgspec.field(default_factory=lambda: secrets.token_urlsafe(16))
    pin: str = msgspec.field(default_factory=lambda: f"{secrets.randbelow(10**_PIN_DIGITS):0{_PIN_DIGITS}}")
    rate: Rate = msgspec.field(default_factory=lambda: Rate(POSTS_MAX, POSTS_WITHIN_S))
    # Who is elsewhere has a count of its own, and keeps nobody at the kiosk from typing.
    elsewhere: Rate = msgspec.field(default_factory=lambda: Rate(POSTS_MAX, POSTS_WITHIN_S))
    wrong_pins: Rate = msgspec.field(default_factory=lambda: Rate(WRONG_PINS_MAX, WRONG_PINS_WITHIN_S))


class SetupPage(Page):
    """GET and POST /setup."""

    methods = "GET, HEAD, POST"

    def initialize(self, guard: Guard, setup: Setup) -> None:  # type: ignore[override]
        """Dependencies come through the route."""
        super().initialize(guard)
        self._setup = setup

    def set_default_headers(self) -> None:
        """As of any page, but with a style; and a browser is to say that its form comes from here (Origin)."""
        super().set_default_headers()
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Vary", "Accept-Language, Cookie")

    def prepare(self) -> None:
        """As of any page; besides, look at who connected."""
        peer = str(self.request.remote_ip)
        self._is_here = peer_allowed(peer)
        if not self._is_here and not (self._setup.lan and is_private(peer)):
            self._show(403, render_refusal(self._language(), "not-from-here"))
            return
        super().prepare()

    def get(self) -> None:
        """How it stands, with a form where one is of use."""
        filled = None
        if self.get_query_argument("edit", "") == "1":
            filled = Filled(hub=short_hub(self._setup.enrolment.standing().hub))
        self._show(200, self._render(filled))

    head = get

    async def post(self) -> None:
        """Take hub and code. What is wrong is shown beside what was typed."""
        fields = _fields(self.request.body)
        hub, code = fields.get("hub", "").strip()[:300], fields.get("code", "")
        if not self._may_try(time.monotonic()):
            self._show(429, self._render(Filled(hub=hub, wrong="too-fast")))
            return
        if self.request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            self._refuse(403, "requests from other pages are not allowed")
            return
        if not _same(fields.get("token", ""), self._setup.token):
            self._show(403, self._render(Filled(hub=hub, wrong="old-page")))
            return
        filled = self._checked(hub, code, fields.get("pin", ""), fields)
        if filled is not None:
            self._show(422, self._render(filled))
            return
        if self._takes_engineer() and fields.get("engineer-pin", ""):
            await self._set_engineer(fields["engineer-pin"])
            if self._finished:
                return
        try:
            await self._setup.enrolment.submit(hub, code)
        except ValueError:  # it is enrolled by now
            pass
        except BusyError:
            self._show(409, self._render(Filled(hub=hub, wrong="busy")))
            return
        except OSError:
            self._show(500, self._render(Filled(hub=hub, wrong="no-disk")))
            return
        self.redirect(f"/setup?lang={self._language()}", status=303)

    def _may_try(self, now: float) -> bool:
        if self._is_here:
            return self._setup.rate.allows(now)
        return not self._setup.wrong_pins.is_full(now) and self._setup.elsewhere.allows(now)

    def _takes_engineer(self) -> bool:
        """Whether the engineer's PIN may be set here: while the kiosk is nobody's yet, or where none is set."""
        engineer = self._setup.engineer
        if engineer is None or engineer.lock.by_settings:
            return False
        return not engineer.lock.is_set or self._setup.enrolment.identity is None

    async def _set_engineer(self, pin: str) -> None:
        assert self._setup.engineer is not None, "asked before"
        try:
            await self._setup.engineer.set_pin(pin, "setup")
        except (OSError, StorageError):
            self._show(500, self._render(Filled(hub=self.get_body_argument("hub", "")[:300], wrong="no-disk")))

    def _checked(self, hub: str, code: str, pin: str, fields: dict[str, str]) -> Filled | None:
        """None if all is well; otherwise every mistake at once."""
        wrong = {"hub": "", "code": "", "pin": "", "engineer": ""}
        if self._takes_engineer() and (typed := fields.get("engineer-pin", "")):
            try:
                right = parse_pin(typed)
                again = "".join(fields.get("engineer-pin-again", "").split()).replace("-", "")
                wrong["engineer"] = "" if right == again else "wrong-engineer-pin-again"
            except ValueError:
                wrong["engineer"] = "wrong-engineer-pin"
        try:
            read_hub(hub)
        except ValueError:
            wrong["hub"] = "wrong-hub"
        try:
            parse_code(code)
        except ValueError:
            wrong["code"] = "wrong-code"
        if not self._is_here and not _same("".join(pin.split()), self._setup.pin):
            wrong["pin"] = "wrong-pin"
            self._setup.wrong_pins.allows(time.monotonic())
        if not any(wrong.values()):
            return None
        # What may have a password in it is not sent back.
        shown = hub if not wrong["hub"] or "@" not in hub else ""
        return Filled(hub=shown, hub_wrong=wrong["hub"], code_wrong=wrong["code"], pin_wrong=wrong["pin"],
                      engineer_wrong=wrong["engineer"])  # fmt: skip

    def _render(self, filled: Filled | None) -> str:
        setup = self._setup
        return render(View(
            language=self._language(), standing=setup.enrolment.standing(), connected=setup.connected(),
            token=setup.token, filled=filled, pin=setup.pin if setup.lan and self._is_here else "",
            asks_pin=not self._is_here, asks_engineer=self._takes_engineer(),
        ))  # fmt: skip

    def _show(self, status: int, html: str) -> None:
        keep_language(self)
        self.set_status(status)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(html)

    def _language(self) -> str:
        return language_of(self)


class RootPage(NotFound):
    """GET /: to the set-up, as long as there is something to set up."""

    def initialize(self, guard: Guard, setup: Setup) -> None:  # type: ignore[override]
        """Dependencies come through the route."""
        super().initialize(guard)
        self._setup = setup

    def _refuse(self, status: int, words: str) -> None:
        if status == 404 and self.request.method in {"GET", "HEAD"} and self._setup.enrolment.standing().takes_codes:
            self.redirect("/setup", status=302)
            return
        super()._refuse(status, words)


def setup_paths(guard: Guard, setup: Setup | None) -> list[tuple[str, type[Page], dict[str, object]]]:
    """Both paths."""
    if setup is None:
        return []
    given: dict[str, object] = {"guard": guard, "setup": setup}
    return [("/setup", SetupPage, given), ("/", RootPage, given)]


def is_private(address: str) -> bool:
    """Whether an address is of a network that is nobody else's: RFC 1918, RFC 4193, link-local."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in _NETWORKS if network.version == parsed.version)


def _fields(body: bytes) -> dict[str, str]:
    """A form's fields, the last of each name; empty for what is none."""
    if len(body) > _BODY_MAX:
        return {}
    try:
        found = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=16, encoding="utf-8")
    except ValueError:
        return {}
    return {name: values[-1] for name, values in found.items()}


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode(), right.encode())
