"""A pump with a web server at its other end: one HTTP request at a time, and what came of it."""

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx

from hardware.atol.protocol import AtolProtocol
from hardware.atol.steps import NoAnswer, Request, Response
from hardware.atol.wire import PortTransport
from hardware.journal import DeviceJournal
from hardware.ports import Port
from hardware.protocol import Action, Actions, Memory
from hardware.pump import CLOSE_WAIT_S, Pump

DEFAULT_PORT = 16732
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"
REQUEST_S = 200.0  # httpx's own limit; every `Request` brings a shorter one


class WebEnd(Pump[AtolProtocol]):
    """Talks to one web server until it is closed.

    Args:
        name: for the log.
        url: `http://host:port` (https too), or `sim://atol` for a simulated one; "" for `DEFAULT_URL`.
        login, password: of HTTP Basic, none without a login.
        protocol: makes the protocol from what was remembered.
        journal: the register's page.
        wrap: put around each port that is opened, such as a trace.

    Raises:
        ValueError: there can be no such URL.
    """

    def __init__(
        self,
        *,
        name: str,
        url: str,
        login: str,
        password: str,
        protocol: Callable[[Memory], AtolProtocol],
        journal: DeviceJournal,
        wrap: Callable[[Port], Port] | None = None,
    ) -> None:
        super().__init__(name=name, protocol=lambda memories: protocol(memories[""]), journals={"": journal})
        self.address, self._port_url = _address(name, url)
        self._auth = httpx.BasicAuth(login, password) if login else None
        self._wrap = wrap
        self._client: httpx.AsyncClient | None = None
        self._request: asyncio.Task[Response | NoAnswer] | None = None
        self._begun = False

    async def close(self, wait_s: float = CLOSE_WAIT_S) -> None:
        """As `Pump.close`; the connections are given back last."""
        try:
            await super().close(wait_s)
        finally:
            request, self._request = self._request, None
            if request is not None:
                await asyncio.gather(request, return_exceptions=True)
            client, self._client = self._client, None
            if client is not None:
                await client.aclose()

    def _keep(self) -> list["asyncio.Task[None]"]:
        transport: httpx.AsyncBaseTransport | None = None
        if self._port_url:
            transport = PortTransport(self._port_url, keep=self._port_url.startswith("sim:"), wrap=self._wrap)
        self._client = httpx.AsyncClient(
            base_url=self.address, auth=self._auth, timeout=REQUEST_S, transport=transport, trust_env=False
        )
        return []

    def _hang_up(self) -> None:
        if self._request is not None:
            self._request.cancel()

    @property
    def _heard(self) -> bool:
        return not self._begun or (self._request is not None and self._request.done())

    def _hear(self, protocol: AtolProtocol, now: float) -> Actions:
        if self._request is None:  # nothing has to be open before a request is sent
            self._begun = True
            return protocol.opened(now)
        answer, self._request = self._request.result(), None
        return protocol.answered(answer, now)

    async def _do(self, action: Action) -> None:
        if not isinstance(action, Request):
            raise TypeError(f"{self.name}: {action!r} is not for HTTP")
        self._request = asyncio.create_task(self._send(action), name=f"{self.name} request")
        self._request.add_done_callback(lambda _: self._news.set())

    async def _send(self, request: Request) -> Response | NoAnswer:
        assert self._client is not None
        headers = {"Content-Type": "application/json; charset=utf-8"} if request.data else {}
        try:
            async with asyncio.timeout(request.timeout_s):
                response = await self._client.request(
                    request.method, request.path, content=request.data or None, headers=headers
                )
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return NoAnswer(False, f"{self.address} cannot be reached: {error}")
        except httpx.HTTPError as error:
            return NoAnswer(True, f"{self.address} went away: {error or type(error).__name__}")
        except TimeoutError:
            return NoAnswer(True, f"{self.address} did not answer within {request.timeout_s:g} s")
        return Response(response.status_code, response.content)


def _address(name: str, url: str) -> tuple[str, str]:
    """The URL for httpx, and that of a port ("" for a connection of httpx's own)."""
    parts = urlsplit(url or DEFAULT_URL)
    if parts.username or parts.password:
        raise ValueError(f"{name}: url: login and password are settings of their own")
    if parts.scheme == "sim":
        return "http://simulated", url
    try:
        port = parts.port
    except ValueError:
        port = 0
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError(f"{name}: url: {url!r} is no http://host:port, such as {DEFAULT_URL}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = port or (443 if parts.scheme == "https" else DEFAULT_PORT)
    line = "" if parts.scheme == "https" else f"tcp://{host}:{port}"
    return f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}", line
