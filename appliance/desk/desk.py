"""Targets by kind of route."""

from appliance.gateways import Gateways, HttpTarget
from appliance.journal import Journal
from appliance.routes import Route
from appliance.supervisor import Supervisor
from appliance.targets import Target, Targets


class Desk(Targets):
    """The rooms of the kiosk, and who of them carries an operation out."""

    def __init__(self, *, journal: Journal, supervisor: Supervisor, gateways: Gateways) -> None:
        self._journal = journal
        self._supervisor = supervisor
        self._gateways = gateways

    async def recover(self) -> None:
        """Find what the run before left open, and say whose money is on its way; before any device is opened."""

    async def close(self) -> None:
        """End what runs beside operations."""

    def of(self, route: Route) -> Target:
        """By the route's kind."""
        return HttpTarget(self._gateways, route)

    def forget(self) -> None:
        """Connections are made anew."""
        self._gateways.forget()
