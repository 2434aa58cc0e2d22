"""The HTTP client towards local gateways, one for each way of trusting them.

Only configured URLs are called, redirects are not followed, the environment's proxies are not used, and nothing but
the body is passed on.

Every call has a connection of its own. HTTP/1.1 does not say to which request an answer belongs: a gateway that once
answers twice (its error page after its answer, say) would give the next call on that connection the answer of the one
before, a paid order for an unpaid one. And a POST written to a connection that the gateway closes just then, because
it was idle, would have to be reported as unknown.
"""

import asyncio
import logging
import ssl
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

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


class Gateways:
    """Calls gateways. `close` when done."""

    def __init__(self) -> None:
        self._clients: dict[Tls | None, httpx.AsyncClient] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def call(self, route: Route, method: str, body: bytes) -> Result:
        """Call a route's gateway once (a GET as often as its route allows), within the route's timeout altogether.

        Raises ValueError when a GET's body cannot be a query.
        """
        crash_point("appliance.gateway.call.before")
        if method == "GET":
            url = with_query(route.url, query_pairs(body))
            result = await self._within(route.timeout, url, route.tls, retries=route.retries)
        else:
            result = await self._within(route.timeout, route.url, route.tls, body=body)
        crash_point("appliance.gateway.call.after")
        return result

    async def ask(self, url: str, pairs: list[tuple[str, str]], tls: Tls, timeout: float) -> Result:
        """Ask a status query. Raises ValueError when the query is too long."""
        crash_point("appliance.gateway.ask.before")
        result = await self._within(timeout, with_query(url, pairs), tls)
        crash_point("appliance.gateway.ask.after")
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
        closing = list(self._closing)
        for task in closing:
            task.cancel()
        await asyncio.gather(*closing, return_exceptions=True)
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    async def _within(
        self, timeout: float, url: str, tls: Tls, *, body: bytes | None = None, retries: int = 0
    ) -> Result:
        """POST `body`, or GET when there is none."""
        sent = _Sent()
        result: Result = NeverGot("not tried")
        try:
            async with asyncio.timeout(timeout):
                for attempt in range(retries + 1):
                    if attempt:
                        await asyncio.sleep(_RETRY_PAUSE_S * 2 ** (attempt - 1))
                    result = await self._once(url, tls, body, timeout, sent)
                    if isinstance(result, Answered):
                        break
        except TimeoutError:
            if sent.begun:
                return NoAnswer(f"the gateway received the request and did not answer within {timeout:g} s")
            return NeverGot(f"the gateway could not be reached within {timeout:g} s")
        if isinstance(result, NeverGot) and sent.begun:  # an earlier attempt may have arrived
            return NoAnswer(result.detail)
        return result

    async def _once(self, url: str, tls: Tls, body: bytes | None, timeout: float, sent: "_Sent") -> Result:
        method = "GET" if body is None else "POST"
        headers = _HEADERS if body is None else {**_HEADERS, "Content-Type": "application/json"}
        here = _Sent(sent)
        try:
            client = self._client(url, tls)
            request = client.build_request(
                method, url, content=body, headers=headers, extensions={"trace": here.trace},
                # Below the whole: a handshake cancelled from outside would leave its socket open.
                timeout=httpx.Timeout(timeout, connect=min(_CONNECT_S, timeout * 0.9)),
            )  # fmt: skip
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                return await _read(response)
            finally:
                await response.aclose()
        except httpx.TimeoutException:
            if here.begun:
                return NoAnswer(f"the gateway received the request and did not answer within {timeout:g} s")
            return NeverGot("the gateway did not take the connection in time")
        except Exception as error:
            # Whatever a library raises of a connection that broke at a strange moment, what is known is the same.
            if not isinstance(error, httpx.HTTPError | httpx.InvalidURL | ssl.SSLError | OSError | UnicodeError):
                _log.exception("a call of a gateway failed in an unexpected way")
            reason = _reason(error)
            if here.begun:
                return NoAnswer(f"the connection broke after the request was sent: {reason}")
            return NeverGot(f"the gateway could not be reached: {reason}")

    def _client(self, url: str, tls: Tls) -> httpx.AsyncClient:
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


def _context(tls: Tls) -> ssl.SSLContext:
    """Raises OSError or ssl.SSLError when a file cannot be used."""
    context = ssl.create_default_context()
    if tls.ca_file:
        context.load_verify_locations(tls.ca_file)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.client_cert:
        context.load_cert_chain(tls.client_cert, tls.client_key or None)
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
