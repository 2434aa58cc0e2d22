"""Every address of the hub."""

from collections.abc import Iterable
from typing import Any

from tornado.web import Application, RequestHandler

from cloud.web import admin, alerts, enrol, operations, resolving, rollouts, status, telegram, updates
from cloud.web.handler import NotFound
from cloud.web.services import Services
from cloud.web.socket import KioskSocket
from wire.messages import MESSAGE_MAX_BYTES

ROUTES = [
    (r"/ws", KioskSocket),
    (r"/enroll", enrol.EnrolHandler),
    (r"/send", operations.SendHandler),
    (r"/operations", operations.OperationsHandler),
    (r"/operations/([^/]+)", operations.OperationHandler),
    (r"/operations/([^/]+)/events", operations.EventsHandler),
    (r"/operations/([^/]+)/cancel", operations.CancelHandler),
    (r"/admin/kiosks", admin.KiosksHandler),
    (r"/admin/kiosks/([^/]+)", admin.KioskHandler),
    (r"/admin/kiosks/([^/]+)/token", admin.KioskTokenHandler),
    (r"/admin/kiosks/([^/]+)/code", admin.KioskCodeHandler),
    (r"/admin/kiosks/([^/]+)/enrolments", admin.KioskEnrolmentsHandler),
    (r"/admin/enrolments", admin.EnrolmentsHandler),
    (r"/admin/api-keys", admin.ApiKeysHandler),
    (r"/admin/api-keys/([^/]+)", admin.ApiKeyHandler),
    (r"/admin/operations/([^/]+)/resolve", resolving.ResolveHandler),
    (r"/admin/alerts", alerts.AlertsHandler),
    (r"/admin/alerts/([^/]+)/acknowledge", alerts.AcknowledgeHandler),
    (r"/admin/rollouts", rollouts.RolloutsHandler),
    (r"/admin/rollouts/([^/]+)", rollouts.RolloutHandler),
    (r"/updates/([^/]+)/([^/]+)", updates.UpdatesHandler),
    (r"/telegram", telegram.TelegramHandler),
    (r"/health", status.HealthHandler),
    (r"/metrics", status.MetricsHandler),
    (r"/openapi.json", status.OpenApiHandler),
    (r"/docs", status.DocsHandler),
]


def make_app(
    services: Services, further: Iterable[tuple[str, type[RequestHandler], dict[str, Any]]] = ()
) -> Application:
    """The application that Tornado serves; `further` are the routes of another door."""
    with_services = {"services": services}
    return Application(
        [*((path, handler, with_services) for path, handler in ROUTES), *further],
        default_handler_class=NotFound,
        default_handler_args=with_services,
        log_function=lambda handler: services.metrics.http.labels(str(handler.get_status())).inc(),
        websocket_max_message_size=MESSAGE_MAX_BYTES,
        compress_response=False,
    )
