"""One question to the hub: this code and this key, for a token. `POST /enroll`, answered within 20 s or not at all.

The code goes to that address and nowhere else: redirects are not followed. Nothing here repeats anything.
"""

import asyncio
import ssl
import time
from enum import StrEnum

import httpx
import msgspec

from appliance import trust
from appliance.enrolment.papers import Pending
from appliance.hub import enrol_url
from appliance.identity import named_by, public_key
from appliance.outward import NO_TLS, distrust, environment_proxy, is_about_clock, read_retry_after, speaks_no_tls
from wire.crashpoint import crash_point
from wire.enrolment import EnrolAnswer, EnrolRequest
from wire.ids import parse_kiosk_id
from wire.version import VERSION

_TIMEOUT_S = 20.0
_CONNECT_S = 10.0
_ANSWER_MAX = 64 * 1024
_TOKEN_MAX = 4096  # it goes into a header
_NOT_TAKEN = frozenset({400, 401, 403, 410, 422})  # the hub looked at it and does not want it
_LATER = frozenset({429, 503})


class Trouble(StrEnum):
    """Why there is no answer; of these alone `REFUSED` is the last word."""

    REFUSED = "refused"
    BUSY = "busy"
    UNREACHABLE = "unreachable"
    CLOCK = "clock"  # TLS fails for dates
    CERTIFICATE = "certificate"
    NO_HUB = "no-hub"  # something answers there, and it is no hub
    DISK = "disk"


class TradeError(Exception):
    """No identity came of it. The words hold no secret."""

    def __init__(self, kind: Trouble, words: str, retry_after: float | None = None) -> None:
        super().__init__(words)
        self.kind = kind
        self.retry_after = retry_after  # seconds, when the hub said so


class Way(msgspec.Struct, frozen=True):
    """How the hub is reached: PROXY_URL and CA_FILE."""

    proxy_url: str = ""
    ca_file: str = ""


class _Problem(msgspec.Struct):
    detail: str = ""
    title: str = ""


async def trade(pending: Pending, way: Way) -> EnrolAnswer:
    """Ask once. Raises `TradeError`."""
    request = EnrolRequest(
        code=pending.code.reveal(), public_key=public_key(pending.private_key.reveal()), version=VERSION
    )
    try:
        verify = trust.context(way.ca_file) if pending.hub.startswith("wss://") else False
    except (OSError, ssl.SSLError) as error:
        raise TradeError(Trouble.CERTIFICATE, f"CA_FILE cannot be used: {error}") from None
    proxy = way.proxy_url or environment_proxy(pending.hub)
    crash_point("appliance.enrolment.trade.before")
    try:
        async with (
            asyncio.timeout(_TIMEOUT_S),
            httpx.AsyncClient(
                verify=verify, proxy=proxy or None, trust_env=False,
                timeout=httpx.Timeout(_TIMEOUT_S, connect=_CONNECT_S),
                headers={"User-Agent": f"kioskwire-appliance/{VERSION}", "Connection": "close"},
            ) as client,
            client.stream(
                "POST", enrol_url(pending.hub), content=msgspec.json.encode(request),
                headers={
                    "Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"
                },
            ) as response,
        ):  # fmt: skip
            body = b""
            async for chunk in response.aiter_raw():  # as it came: a few bytes may unpack to gigabytes
                body += chunk
                if len(body) > _ANSWER_MAX:
                    break
    except TimeoutError:
        raise TradeError(Trouble.UNREACHABLE, f"no answer within {_TIMEOUT_S:.0f} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise _explain(error, proxied=bool(proxy)) from None
    crash_point("appliance.enrolment.trade.after")
    return _read(response, body)


def _read(response: httpx.Response, body: bytes) -> EnrolAnswer:
    status = response.status_code
    if status in _LATER:
        given = response.headers.get_list("Retry-After")
        after = read_retry_after(given[0], time.time()) if given else None
        raise TradeError(
            Trouble.BUSY, f"the hub asks to come again later (HTTP {status}){_detail(response, body)}", after
        )
    if status in _NOT_TAKEN and _is_problem(response):
        raise TradeError(Trouble.REFUSED, f"the hub refused the code (HTTP {status}){_detail(response, body)}")
    if status != 200:
        raise TradeError(
            Trouble.NO_HUB, f"HTTP {status} came instead of an answer: this is no hub's address, or an older hub's"
        )
    try:
        answer = msgspec.json.decode(body, type=EnrolAnswer)
        parse_kiosk_id(answer.kiosk_id)
    except (msgspec.MsgspecError, ValueError):
        raise TradeError(Trouble.NO_HUB, "what answers there is no hub") from None
    token = answer.token
    if not 0 < len(token) <= _TOKEN_MAX or not token.isascii() or not token.isprintable() or " " in token:
        raise TradeError(Trouble.NO_HUB, "what answers there is no hub: its token cannot be")
    if named_by(token) not in {"", answer.kiosk_id}:
        raise TradeError(Trouble.NO_HUB, "what answers there is no hub: its token is for another kiosk")
    # Shown on a terminal as well, where some characters do things.
    name = "".join(character for character in answer.name if character.isprintable())
    return msgspec.structs.replace(answer, name=name)


def _is_problem(response: httpx.Response) -> bool:
    """Whether a hub says so, and not what stands before it."""
    kind: str = response.headers.get("Content-Type", "")
    return kind.partition(";")[0].strip() == "application/problem+json"


def _detail(response: httpx.Response, body: bytes) -> str:
    if not _is_problem(response):
        return ""
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    words = (problem.detail or problem.title)[:200]
    return f": {words}" if words and words.isprintable() else ""


def _explain(error: Exception, *, proxied: bool) -> TradeError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            kind = Trouble.CLOCK if is_about_clock(cause) else Trouble.CERTIFICATE
            return TradeError(kind, distrust(cause, time.time()))
        cause = cause.__cause__ or cause.__context__
    through = " through the proxy" if proxied else ""
    if isinstance(error, httpx.ProxyError):
        return TradeError(Trouble.UNREACHABLE, f"the proxy does not let us through: {str(error)[:200]}")
    if speaks_no_tls(error):
        return TradeError(Trouble.UNREACHABLE, f"cannot connect{through}: {NO_TLS}")
    if isinstance(error, httpx.TimeoutException):
        return TradeError(Trouble.UNREACHABLE, f"cannot connect{through}: no answer in time")
    return TradeError(Trouble.UNREACHABLE, f"cannot connect{through}: {str(error)[:200] or type(error).__name__}")
