"""HTTP/1.1 over one of our ports, as a transport of httpx: for simulators (`sim://atol`), and to have a trace of it.

One request at a time. The port stays open between requests that follow each other soon, and is closed before a server
would grow tired of it: a request on a connection that is half gone would leave in doubt whether it arrived.
"""

import asyncio
from collections.abc import Callable

import h11
import httpx

from hardware.errors import TransportError
from hardware.ports import LineSettings, Port, open_port

IDLE_S = 3.0  # servers close idle connections after 5 to 60 s


class PortTransport(httpx.AsyncBaseTransport):
    """A connection to `url`, opened when it is needed.

    Args:
        url: tcp://host:port or sim://family.
        keep: never close it: a simulated device is switched off with its port.
        wrap: put around each port, such as a trace.
    """

    def __init__(self, url: str, *, keep: bool, wrap: Callable[[Port], Port] | None = None) -> None:
        self._url, self._keep = url, keep
        self._wrap = wrap or (lambda port: port)
        self._port: Port | None = None
        self._http = h11.Connection(h11.CLIENT)
        self._idle: asyncio.TimerHandle | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises `httpx.ConnectError` when nothing was sent, another `httpx.TransportError` when something was."""
        if self._idle is not None:
            self._idle.cancel()
        body = await request.aread()
        if self._port is None:
            try:
                self._port = self._wrap(await open_port(self._url, LineSettings(baud=115200)))
            except TransportError as error:
                raise httpx.ConnectError(str(error)) from error
            self._http = h11.Connection(h11.CLIENT)
        whole = False
        try:
            response = await self._exchange(self._port, request, body)
            whole = True
        except TransportError as error:
            raise httpx.ReadError(str(error)) from error
        except h11.RemoteProtocolError as error:
            raise httpx.RemoteProtocolError(str(error)) from error
        finally:
            if not whole or self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                self._drop()
            else:
                self._http.start_next_cycle()
                if not self._keep:
                    self._idle = asyncio.get_running_loop().call_later(IDLE_S, self._drop)
        return response

    async def aclose(self) -> None:
        """Give the port back."""
        self._drop()

    async def _exchange(self, port: Port, request: httpx.Request, body: bytes) -> httpx.Response:
        http = self._http
        head = h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
        pieces = [http.send(head), http.send(h11.Data(body)) if body else b"", http.send(h11.EndOfMessage())]
        await port.write(b"".join(piece for piece in pieces if piece))
        answer: h11.Response | None = None
        data = b""
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await port.read())
            elif isinstance(event, h11.Response):
                answer = event
            elif isinstance(event, h11.Data):
                data += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                if answer is None:
                    raise TransportError("the connection was closed before an answer")
                return httpx.Response(answer.status_code, headers=list(answer.headers), content=data)

    def _drop(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._port is not None:
            self._port.close()
            self._port = None
