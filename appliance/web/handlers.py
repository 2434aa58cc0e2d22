"""The handlers: each reads, calls once, answers."""

from collections.abc import Callable
from typing import Any

import msgspec
from tornado.web import RequestHandler

from appliance.health.metrics import CONTENT_TYPE, Metrics
from appliance.web.guard import Guard

_encode = msgspec.json.Encoder().encode


class Page(RequestHandler):
    """What all of them do: check who asks, answer in JSON, also when something is wrong."""

    methods = "GET, HEAD"  # that it has

    def initialize(self, guard: Guard) -> None:
        """Dependencies come through the route."""
        self.guard = guard

    def set_default_headers(self) -> None:
        """Nothing here is to be cached, framed, sniffed or told about."""
        self.set_header("Server", "kioskwire")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("X-Frame-Options", "DENY")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")

    def prepare(self) -> None:
        """Refuse who does not call us by our name, or comes from another page."""
        headers = self.request.headers
        host = headers.get("Host", "")
        if not self.guard.host_allowed(host, self._local_address()):
            self._refuse(403, "this Host name is not allowed; HEALTH_ALLOWED_HOSTS names further ones")
        elif not self.guard.origin_allowed(headers.get("Origin"), host):
            self._refuse(403, "requests from other pages are not allowed")

    def answer(self, status: int, fields: dict[str, Any]) -> None:
        """JSON, and done."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(_encode(fields))

    def write_error(self, status_code: int, **_unused: object) -> None:
        """Errors of the framework, such as a method that is not there."""
        if status_code == 405:
            self.set_header("Allow", self.methods)
        self.answer(status_code, {"error": self._reason})

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Refusals are no errors of ours; the rest goes to the framework's log."""
        if not getattr(value, "status_code", 500) < 500:
            super().log_exception(typ, value, tb)

    def _refuse(self, status: int, words: str) -> None:
        self.answer(status, {"error": words})

    def _local_address(self) -> str:
        stream = getattr(self.request.connection, "stream", None)
        socket = getattr(stream, "socket", None)
        try:
            return str(socket.getsockname()[0]) if socket is not None else ""
        except OSError:
            return ""


class NotFound(Page):
    """Any other path."""

    def prepare(self) -> None:
        """404, once the asker is known to be welcome."""
        super().prepare()
        if not self._finished:
            self._refuse(
                404, "there is nothing here; try /health, /metrics, /setup or, for the kiosk's own screen, /events"
            )


class HealthPage(Page):
    """GET /health: how the appliance is; 503 when it cannot work."""

    def initialize(  # type: ignore[override]  # Tornado hands over what the route names
        self, guard: Guard, describe: Callable[[], tuple[int, dict[str, Any]]]
    ) -> None:
        """`describe` gives status and body."""
        super().initialize(guard)
        self._describe = describe

    def get(self) -> None:
        """The report."""
        self.answer(*self._describe())

    head = get


class MetricsPage(Page):
    """GET /metrics: numbers for Prometheus."""

    def initialize(self, guard: Guard, metrics: Metrics) -> None:  # type: ignore[override]
        """The numbers."""
        super().initialize(guard)
        self._metrics = metrics

    def get(self) -> None:
        """All of them."""
        self.set_header("Content-Type", CONTENT_TYPE)
        self.finish(self._metrics.exposition())

    head = get
