"""Every path of the engineer's part."""

from tornado.web import RequestHandler

from appliance.web.engineer import EnrolPage, LeavePage, PinPage, StartPage
from appliance.web.engineer_acts import CollectionPage, DevicesPage, JobPage, RestartPage, RoutesPage
from appliance.web.engineer_live import LivePage
from appliance.web.engineer_reading import BundlePage, LogsPage
from appliance.web.engineer_room import Room
from appliance.web.engineer_shell import PATH
from appliance.web.guard import Guard

_PAGES: dict[str, type[RequestHandler]] = {
    "": StartPage, "/leave": LeavePage, "/devices": DevicesPage, "/job": JobPage, "/routes": RoutesPage,
    "/collection": CollectionPage, "/restart": RestartPage, "/enrolment": EnrolPage, "/pin": PinPage,
    "/logs": LogsPage, "/support": BundlePage, "/live": LivePage,
}  # fmt: skip


def engineer_paths(guard: Guard, room: Room | None) -> list[tuple[str, type[RequestHandler], dict[str, object]]]:
    """None where there is no such part."""
    if room is None:
        return []
    given: dict[str, object] = {"guard": guard, "room": room}
    paths = [(f"{PATH}{path}", page, given) for path, page in _PAGES.items()]
    return [*paths, (f"{PATH}/bundle", BundlePage, {**given, "packs": True})]
