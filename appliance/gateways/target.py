"""Plain gateways as targets: called once, asked afterwards where the route says how."""

from appliance.gateways.http import Gateways
from appliance.gateways.inquiry import inquire
from appliance.gateways.query import query_pairs, with_query
from appliance.routes import Route
from appliance.targets import Answered, Ask, NeverGot, NotUnderstood, Result, Target, Targets


class HttpTarget(Target):
    """One route's gateway."""

    def __init__(self, gateways: Gateways, route: Route) -> None:
        self._gateways = gateways
        self._route = route

    def check(self, ask: Ask) -> None:
        """A GET's body must be what a query can hold."""
        if ask.method == "GET":
            try:
                with_query(self._route.url, query_pairs(ask.body))
            except ValueError as error:
                raise NotUnderstood(str(error)) from error

    async def run(self, ask: Ask) -> Result:
        """Call it."""
        return await self._gateways.call(self._route, ask.method, ask.body)

    def can_tell(self, ask: Ask) -> bool:
        """Where the route has a status query; a GET has no effect to ask after."""
        return ask.method != "GET" and self._route.status is not None

    async def find_out(self, ask: Ask) -> Answered | NeverGot | None:
        """Ask until it is known; the route is looked up anew each time, so that a corrected routing file helps."""
        return await inquire(self._gateways, ask.route, ask.body, request_id=ask.request_id)


class HttpTargets(Targets):
    """Where every route is a plain gateway."""

    def __init__(self, gateways: Gateways) -> None:
        self._gateways = gateways

    def of(self, route: Route) -> Target:
        """Its gateway."""
        return HttpTarget(self._gateways, route)

    def forget(self) -> None:
        """Connections are made anew."""
        self._gateways.forget()
