"""What an engineer reads and carries away: the log's last lines, and the support bundle."""

from appliance.engineer.bundle import file_name
from appliance.engineer.lines import LEVELS
from appliance.web.engineer_room import Room
from appliance.web.engineer_shell import PATH, EngineerPage
from appliance.web.guard import Guard

_LINES_SHOWN = 200


class LogsPage(EngineerPage):
    """GET /engineer/logs: the last lines, by importance and by a word."""

    methods = "GET, HEAD"
    script = "engineer.js"

    async def get(self) -> None:
        """Newest first."""
        least, text = chosen(self.get_query_argument("level", ""), self.get_query_argument("text", ""))
        lines = await self.engineer.lines(least, text)
        self.show(
            "engineer_logs.html", lines=lines[:_LINES_SHOWN], level=least, text=text, levels=LEVELS[:4], active="logs",
            live=f"{PATH}/live?what=logs",
        )  # fmt: skip

    async def head(self) -> None:
        """As GET."""
        await self.get()


class BundlePage(EngineerPage):
    """GET /engineer/support: what is in it. GET /engineer/bundle: the archive."""

    methods = "GET, HEAD"

    def initialize(self, guard: Guard, room: Room, packs: bool = False) -> None:  # type: ignore[override]
        """`packs`: this is the address of the archive."""
        super().initialize(guard, room)
        self._packs = packs

    async def get(self) -> None:
        """Words, or the archive."""
        if not self._packs:
            self.show("engineer_bundle.html", active="support")
            return
        if self.request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            self.show("engineer_no.html", 403, key="old-page")
            return
        try:
            data = await self.engineer.bundle()
        except TimeoutError:
            self.show("engineer_no.html", 503, key="bundle.busy")
            return
        name = file_name(self.room.kiosk(), self.engineer.wall())
        self.set_header("Content-Type", "application/zip")
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        await self.finish(data)

    def head(self) -> None:
        """Nothing is packed for it."""
        self.show("engineer_bundle.html", active="support")


def chosen(level: str, text: str) -> tuple[str, str]:
    """What of the log is looked for."""
    return level if level in LEVELS else "INFO", text[:100]
