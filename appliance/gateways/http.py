"""The HTTP client towards local gateways, one for each way of trusting them.

Only configured URLs are called, redirects are not followed, the environment's proxies are not used, and nothing but
the body is passed on.

Every call has a connection of its own. HTTP/1.1 does not say to which request an answer belongs: a gateway that once
answers twice (its error page after its answer, say) would give the next call on that connection the answer of the one
before, a paid order for an unpaid one. And a POST written to a connection that the gateway closes just then, because
it was idle, would have to be reported as unknown.
"""

import asyncio
import hashlib
import hmac
import logging
import ssl
from collections.abc import Mapping, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx
import msgspec

from appliance import trust
from appliance.cancelled import cancelled
from appliance.gateways.answer import BODY_MAX_BYTES, cut, wrap
from appliance.gateways.query import query_pairs, with_query
from appliance.gateways.results import Answered, NeverGot, NoAnswer, Result
from appliance.routes import Route, Tls
from wire.crashpoint import crash_point

_CONNECT_S = 10.0
_CONNECTIONS = 200  # routes' own concurrency is the real bound
_RETRY_PAUSE_S = 0.2
_FORGOTTEN_S = 610.0  # the longest call is over by then
_HEADERS = {
    "Accept": "application/json, */*;q=0.5", "Accept-Encoding": "identity", "Connection": "close",
    "User-Agent": "kioskwire",
}  # fmt: skip

_log = logging.getLogger(__name__)


class Pinned(msgspec.Struct, frozen=True):
    """An https end that nobody signed for: trusted by its certificate's SHA-256 alone, whatever name stands in it."""

    fingerprint: str  # 64 hex digits


Trust = Tls | Pinned


class _Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `headers` come on top of ours and may be secret."""

    method: str
    url: str
    trust: Trust
    timeout: float
    body: bytes | None = None
    headers: Mapping[str, str] = {}


class Gateways:
    """Calls gateways. `close` when done."""

    def __init__(self) -> None:
        self._clients: dict[Trust | None, httpx.AsyncClient] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def call(self, route: Route, method: str, body: bytes) -> Result:
        """Call a route's gateway once (a GET as often as its route allows), within the route's timeout altogether.

        Raises ValueError when a GET's body cannot be a query.
        """
        crash_point("appliance.gateway.call.before")
        if method == "GET":
            url = with_query(route.url, query_pairs(body))
            call = _Call(method="GET", url=url, trust=route.tls, timeout=route.timeout)
            result = await self._within(call, retries=route.retries)
        else:
            call = _Call(method="POST", url=route.url, trust=route.tls, timeout=route.timeout, body=body)
            result = await self._within(call)
        crash_point("appliance.gateway.call.after")
        return result

    async def ask(self, url: str, pairs: list[tuple[str, str]], tls: Tls, timeout: float) -> Result:
        """Ask a status query. Raises ValueError when the query is too long."""
        crash_point("appliance.gateway.ask.before")
        result = await self._within(_Call(method="GET", url=with_query(url, pairs), trust=tls, timeout=timeout))
        crash_point("appliance.gateway.ask.after")
        return result

    async def fetch(
        self, url: str, *, timeout: float, method: str = "GET", pairs: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None, body: bytes | None = None, trust: Trust | None = None,
    ) -> Result:  # fmt: skip
        """Call once, for gateways with a conversation of their own.

        Raises ValueError when the query is too long.
        """
        crash_point("appliance.gateway.fetch.before")
        result = await self._within(_Call(
            method=method, url=with_query(url, list(pairs)), trust=trust or Tls(), timeout=timeout, body=body,
            headers=headers or {},
        ))  # fmt: skip
        crash_point("appliance.gateway.fetch.after")
        return result

    def forget(self) -> None:
        """Read certificates anew from now on: they or the routes may have changed. Running calls end undisturbed."""
        clients, self._clients = list(self._clients.values()), {}
        if clients:
            task = asyncio.create_task(_close_later(clients), name="gateways-close")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close every connection."""
        await cancelled(*self._closing)
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    async def _within(self, call: "_Call", *, retries: int = 0) -> Result:
        sent = _Sent()
        result: Result = NeverGot("not tried")
        try:
            async with asyncio.timeout(call.timeout):
                for attempt in range(retries + 1):
                    if attempt:
                        await asyncio.sleep(_RETRY_PAUSE_S * 2 ** (attempt - 1))
                    result = await self._once(call, sent)
                    if isinstance(result, Answered):
                        break
        except TimeoutError:
            if sent.begun:
                return NoAnswer(f"the gateway received the request and did not answer within {call.timeout:g} s")
            return NeverGot(f"the gateway could not be reached within {call.timeout:g} s")
        if isinstance(result, NeverGot) and sent.begun:  # an earlier attempt may have arrived
            return NoAnswer(result.detail)
        return result

    async def _once(self, call: "_Call", sent: "_Sent") -> Result:
        content_type = {} if call.body is None else {"Content-Type": "application/json"}
        here = _Sent(sent)
        try:
            client = self._client(call.url, call.trust)
            request = client.build_request(
                call.method, call.url, content=call.body, headers={**_HEADERS, **content_type, **call.headers},
                extensions={"trace": here.trace},
                # Below the whole: a handshake cancelled from outside would leave its socket open.
                timeout=httpx.Timeout(call.timeout, connect=min(_CONNECT_S, call.timeout * 0.9)),
            )  # fmt: skip
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                return await _read(response)
            finally:
                await response.aclose()
        except httpx.TimeoutException:
            if here.begun:
                return NoAnswer(f"the gateway received the request and did not answer within {call.timeout:g} s")
            return NeverGot("the gateway did not take the connection in time")
        except Exception as error:
            # Whatever a library raises of a connection that broke at a strange moment, what is known is the same.
            if not isinstance(error, httpx.HTTPError | httpx.InvalidURL | ssl.SSLError | OSError | UnicodeError):
                _log.exception("a call of a gateway failed in an unexpected way")
            reason = _reason(error)
            if here.begun:
                return NoAnswer(f"the connection broke after the request was sent: {reason}")
            return NeverGot(f"the gateway could not be reached: {reason}")

    def _client(self, url: str, tls: Trust) -> httpx.AsyncClient:
        key = tls if url.startswith("https://") else None
        client = self._clients.get(key)
        if client is None:
            transport = httpx.AsyncHTTPTransport(
                verify=_context(key) if key is not None else False,
                trust_env=False,
                limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=0),
            )
            # Cookies know no ports: one gateway's would go to all others on the kiosk, and grow without bound.
            cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
            client = httpx.AsyncClient(transport=transport, trust_env=False, follow_redirects=False, cookies=cookies)
            self._clients[key] = client
        return client


class _Sent:
    """Whether any byte of a request was given to a connection, as the transport's trace tells it."""

    __slots__ = ("_outer", "_stream", "begun")

    def __init__(self, outer: "_Sent | None" = None) -> None:
        self.begun = False
        self._outer = outer
        self._stream: Any = None

    async def trace(self, event: str, info: dict[str, Any]) -> None:
        if event == "http11.send_request_headers.started":
            crash_point("appliance.gateway.request.before")
            self.begun = True
            if self._outer is not None:
                self._outer.begun = True
        elif event == "http11.send_request_body.complete":
            crash_point("appliance.gateway.request.after")
        elif event == "connection.connect_tcp.complete":
            self._stream = info["return_value"]
        elif event == "connection.start_tls.failed" and self._stream is not None:
            await self._stream.aclose()  # httpcore 1.0 leaves it open when the handshake times out


async def _read(response: httpx.Response) -> Answered:
    content_type = response.headers.get("content-type", "")[:200]
    length = response.headers.get("content-length", "")
    declared = int(length) if length.isascii() and length.isdigit() and len(length) < 16 else None
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > BODY_MAX_BYTES:
            return Answered(response.status_code, cut(bytes(content), content_type, declared))
    return Answered(response.status_code, wrap(bytes(content), content_type))


def _context(tls: Trust) -> ssl.SSLContext:
    """Raises OSError or ssl.SSLError when a file cannot be used."""
    if isinstance(tls, Pinned):
        return _pinning(tls.fingerprint)
    context = trust.context(tls.ca_file)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.client_cert:
        context.load_cert_chain(tls.client_cert, tls.client_key or None)
    return context


def _pinning(fingerprint: str) -> ssl.SSLContext:
    """A context whose handshakes fail with every other certificate, before a byte of a request is sent."""

    class PinnedObject(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            shown = hashlib.sha256(self.getpeercert(binary_form=True) or b"").hexdigest()
            if not hmac.compare_digest(shown, fingerprint):
                raise ssl.SSLCertVerificationError(
                    f"its certificate has the fingerprint {shown}, not the one in the routing file"
                )

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nobody signed it: the fingerprint says whose it is
    context.sslobject_class = PinnedObject
    return context


def _reason(error: Exception) -> str:
    """A short reason without the URL. The transport's exceptions often have no words of their own."""
    text = str(error)
    cause = error.__cause__ or error.__context__
    while not text and cause is not None:
        text = str(cause)
        cause = cause.__cause__ or cause.__context__
    return (text or type(error).__name__)[:200]


async def _close_later(clients: list[httpx.AsyncClient]) -> None:
    """Close clients when their calls are over for certain."""
    try:
        await asyncio.sleep(_FORGOTTEN_S)
    finally:
        for client in clients:
            await client.aclose()
