"""The HTTP server on the kiosk: every path on one screen, and where it listens."""

import logging
import socket
from collections.abc import Callable
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.iostream import IOStream
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from appliance.health.metrics import Metrics
from appliance.web.engineer_paths import engineer_paths
from appliance.web.engineer_room import Room as EngineerRoom
from appliance.web.guard import Guard, peer_allowed
from appliance.web.handlers import HealthPage, MetricsPage, NotFound
from appliance.web.live import Viewers, page_paths
from appliance.web.local import Audience, Cancel, local_paths
from appliance.web.setup import Setup, setup_paths

_BODY_MAX = 64 * 1024
_HEADERS_MAX = 16 * 1024
_IDLE_S = 30.0
_CONNECTIONS_MAX = 64  # a page for people and a monitor: more would take files that the journal and the gateways need
_PING_S = 15.0  # a page that went without a word is noticed within twice that
_MESSAGE_MAX = 4 * 1024  # from a page, which has nothing to say

_log = logging.getLogger(__name__)


class PortTakenError(Exception):
    """The address cannot be listened on; the words say why."""


def make_app(
    *,
    guard: Guard,
    metrics: Metrics,
    describe: Callable[[], tuple[int, dict[str, Any]]],
    audience: Audience,
    cancel: Cancel,
    setup: Setup | None = None,
    engineer: EngineerRoom | None = None,
    viewers: Viewers | None = None,
) -> Application:
    """The paths."""
    return Application(
        [
            ("/health", HealthPage, {"guard": guard, "describe": describe}),
            ("/metrics", MetricsPage, {"guard": guard, "metrics": metrics}),
            *local_paths(guard, audience, cancel),
            *page_paths(guard, viewers, setup),
            *setup_paths(guard, setup),
            *engineer_paths(guard, engineer),
        ],
        default_handler_class=NotFound,
        default_handler_args={"guard": guard},
        log_function=_log_request,
        websocket_ping_interval=_PING_S,
        websocket_ping_timeout=_PING_S,
        websocket_max_message_size=_MESSAGE_MAX,
    )


class _Server(HTTPServer):
    """Takes so many connections and no more; in place of the oldest, which waits for nothing or for too long.

    Not of the pages that listen: they are few by themselves. And of this machine's own only where there are no others:
    whatever comes over the network, the kiosk's screen is answered.
    """

    def initialize(self, *arguments: Any, holds: Callable[[IOStream], bool], **named: Any) -> None:  # type: ignore[override]
        """Called by Tornado in place of `__init__`."""
        self._streams: list[tuple[IOStream, bool]] = []  # and whether it is of this machine
        self._holds = holds
        super().initialize(*arguments, **named)

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        """A new connection."""
        self._streams = [each for each in self._streams if not each[0].closed()]
        if len(self._streams) >= _CONNECTIONS_MAX:
            others = [each for each in self._streams if not self._holds(each[0])]
            oldest = next((each for each in others if not each[1]), others[0])
            self._streams.remove(oldest)
            oldest[0].close()
        self._streams.append((stream, peer_allowed(str(address[0]))))
        super().handle_stream(stream, address)


class WebServer:
    """Listens for `make_app`'s paths."""

    def __init__(
        self, app: Application, host: str, port: int, audience: Audience, viewers: Viewers | None = None
    ) -> None:
        self._listeners: list[Audience | Viewers] = [audience, *([viewers] if viewers else [])]
        self._server = _Server(
            app, holds=self._holds, max_body_size=_BODY_MAX, max_header_size=_HEADERS_MAX,
            idle_connection_timeout=_IDLE_S, body_timeout=10.0,
        )  # fmt: skip
        self._host = host
        self._port = port

    def start(self) -> str:
        """Listen; returns the URL. Raises `PortTakenError`."""
        try:
            sockets = bind_sockets(self._port, self._host)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise PortTakenError(f"cannot listen on {self._host}:{self._port}: {reason}") from error
        self._server.add_sockets(sockets)
        self._port = sockets[0].getsockname()[1]
        host = f"[{self._host}]" if sockets[0].family == socket.AF_INET6 else self._host
        return f"http://{host}:{self._port}"

    async def stop(self) -> None:
        """Close everything."""
        self._server.stop()
        for each in self._listeners:
            await each.close()
        await self._server.close_all_connections()

    def _holds(self, stream: IOStream) -> bool:
        return any(each.holds(stream) for each in self._listeners)


def _log_request(handler: RequestHandler) -> None:
    request: HTTPServerRequest = handler.request
    _log.debug("a page was asked for", extra={
        "path": request.path[:100], "http_status": handler.get_status(), "took_s": round(request.request_time(), 4),
    })  # fmt: skip
