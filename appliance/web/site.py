"""All pages of the kiosk put together: /health and /metrics, its own page, /setup, the engineer's part, the desk's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance.engineer.service import Engineer
from appliance.enrolment.service import Enrolment
from appliance.health.metrics import Metrics
from appliance.health.state import Clock, Link
from appliance.journal import Journal
from appliance.network.service import Network
from appliance.operations import Operations
from appliance.screen import Screen
from appliance.settings import Settings
from appliance.supervisor import Supervisor
from appliance.web.engineer_room import Room
from appliance.web.guard import Guard
from appliance.web.live import Viewers
from appliance.web.local import Audience
from appliance.web.page_facts import Gatherer
from appliance.web.server import WebServer, make_app
from appliance.web.setup import Setup


def make_site(
    settings: Settings,
    *,
    journal: Journal,
    metrics: Metrics,
    clock: Clock,
    link: Link,
    screen: Screen,
    supervisor: Supervisor,
    operations: Operations,
    network: Network,
    enrolment: Enrolment,
    engineer: Engineer,
    describe: Callable[[], tuple[int, dict[str, Any]]],
    lag: Callable[[], float],
    mistakes: Callable[[], tuple[str, ...]],
    kiosk_id: Callable[[], str],
) -> WebServer:
    """The server, not yet listening. `lag`: the loop's worst, seconds; `mistakes`: those of the routing file."""
    from_lan = settings.setup_from == "lan"
    audience = Audience(screen)
    viewers = Viewers(Gatherer(
        describe=describe, journal=journal, supervisor=supervisor, link=link, clock=clock, network=network,
        enrolment=enrolment.standing, lag=lag, mistakes=mistakes, state_dir=Path(settings.state_dir),
        min_free_bytes=settings.disk_min_free_mb * 1024 * 1024, kiosk_id=kiosk_id,
    ))  # fmt: skip
    app = make_app(
        guard=Guard(settings.health_check_host, settings.allowed_hosts(), settings.page_origins()),
        metrics=metrics, describe=describe, audience=audience, cancel=operations.cancel_here,
        setup=Setup(enrolment, lambda: link.connected, from_lan, engineer),
        engineer=Room(engineer, enrolment, from_lan, kiosk_id), viewers=viewers,
    )  # fmt: skip
    return WebServer(app, settings.health_check_host, settings.health_check_port, audience, viewers)
