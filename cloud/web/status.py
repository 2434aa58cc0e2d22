"""Handlers of `/health`, `/metrics`, `/openapi.json` and `/docs`."""

from prometheus_client import CONTENT_TYPE_LATEST

from cloud.web.docs_page import docs_page
from cloud.web.handler import Handler
from cloud.web.openapi import specification


class HealthHandler(Handler):
    """GET /health: 200 while operations can be served, else 503."""

    def get(self) -> None:
        """Answer with the last verdict."""
        status, report = self.services.health.report()
        self.answer(report, status)


class MetricsHandler(Handler):
    """GET /metrics: for Prometheus."""

    async def get(self) -> None:
        """Answer with all series, of all processes that share this port."""
        figures = self.services.figures
        page = self.services.metrics.text() if figures is None else await figures()
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.finish(page)


class OpenApiHandler(Handler):
    """GET /openapi.json"""

    def get(self) -> None:
        """Answer with the specification."""
        self.answer(specification())


class DocsHandler(Handler):
    """GET /docs: the specification for people; needs no script and nothing from elsewhere."""

    def get(self) -> None:
        """Answer with the page."""
        page, style_hash = docs_page()
        self.set_header(
            "Content-Security-Policy", f"default-src 'none'; style-src '{style_hash}'; frame-ancestors 'none'"
        )
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(page)
