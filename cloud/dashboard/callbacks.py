"""/dashboard/callbacks: what backends were told, and were not; sending again."""

from tornado.web import HTTPError

from cloud.accounts.account import Role
from cloud.dashboard.operation_words import shown
from cloud.dashboard.screen import Screen
from cloud.errors import Refused
from cloud.operations.deliveries import COUNTED_TO, STANDS
from wire.ids import parse_request_id

_PAGE = 50
_FACTS = {
    "no-callback": "callbacks.none-such", "no-address": "callbacks.no-address", "under-way": "callbacks.under-way-now",
}  # fmt: skip


class CallbacksPage(Screen):
    """GET: deliveries of one stand. POST: send all failed ones of a key again."""

    active = "callbacks"

    async def get(self) -> None:
        """A page of the list."""
        key, cursor = self.get_query_argument("key", ""), self.get_query_argument("cursor", "")
        counts = await self.rooms.deliveries.counts(key)
        troubled = next((each for each in ("failing", "given-up") if counts[each]), "failing")
        stand = self.get_query_argument("state", "") or troubled
        if stand not in STANDS:
            raise HTTPError(400, self.say("callbacks.wrong-state"))
        try:
            page = await self.rooms.deliveries.page(stand, key, cursor, _PAGE)
        except ValueError as error:
            raise HTTPError(400, self.say("operations.wrong-cursor")) from error
        names = await self.rooms.search.names_of_keys()
        rows = [
            {
                "it": it, "who": names.get(it.api_key_id, it.api_key_id), "error": shown(it.last_error or "", 300),
                "is_now": self.rooms.callbacks.under_way(it.request_id),
            }
            for it in page.deliveries
        ]  # fmt: skip
        failed = counts["failing"] + counts["given-up"]
        self.show(
            "_callbacks_rows.html" if self.is_fragment else "callbacks.html", stand=stand, stands=list(STANDS),
            counts=counts, counted_to=COUNTED_TO, key=key, names=names, rows=rows, page=page, failed=failed,
            done=self.get_query_argument("done", ""), is_live=not cursor,
        )  # fmt: skip

    async def post(self) -> None:
        """The failed ones of one key, asked twice."""
        given = self.fields()
        key = given.get("key", "")
        names = await self.rooms.search.names_of_keys()
        if key not in names:
            raise HTTPError(422, self.say("callbacks.which-key"))
        if given.get("sure") != "yes":
            counts = await self.rooms.deliveries.counts(key)
            self.show("callbacks_sure.html", key=key, name=names[key], counts=counts, counted_to=COUNTED_TO)
            return
        try:
            count = await self.rooms.callbacks.redeliver_all(key)
        except Refused as refused:
            raise HTTPError(refused.kind.status, self.say(_FACTS[refused.fact])) from refused
        await self.note("callbacks.redeliver-all", key, count=count)
        self.go(f"/dashboard/callbacks?state=waiting&key={key}")


class Redeliver(Screen):
    """POST: send one again."""

    active = "callbacks"
    reads = writes = Role.OPERATOR

    async def post(self, request_id: str) -> None:
        """Back to its operation, where what comes of it is seen."""
        try:
            parse_request_id(request_id)
            await self.rooms.callbacks.redeliver(request_id)
        except ValueError as error:
            raise HTTPError(404, self.say("callbacks.none-such")) from error
        except Refused as refused:
            raise HTTPError(refused.kind.status, self.say(_FACTS[refused.fact])) from refused
        await self.note("callback.redeliver", request_id)
        self.go(f"/dashboard/operations/{request_id}")
