"""Every address of the hub."""

from tornado.web import Application

from cloud.web import admin, enrol, operations, rollouts, status, updates
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
    (r"/admin/rollouts", rollouts.RolloutsHandler),
    (r"/admin/rollouts/([^/]+)", rollouts.RolloutHandler),
    (r"/updates/([^/]+)/([^/]+)", updates.UpdatesHandler),
    (r"/health", status.HealthHandler),
    (r"/metrics", status.MetricsHandler),
    (r"/openapi.json", status.OpenApiHandler),
    (r"/docs", status.DocsHandler),
]


def make_app(services: Services) -> Application:
    """The application that Tornado serves."""
    with_services = {"services": services}
    return Application(
        [(path, handler, with_services) for path, handler in ROUTES],
        default_handler_class=NotFound,
        default_handler_args=with_services,
        log_function=lambda handler: services.metrics.http.labels(str(handler.get_status())).inc(),
        websocket_max_message_size=MESSAGE_MAX_BYTES,
        compress_response=False,
    )
