"""`/`: the kiosk's own page, for a shop assistant and for an engineer in a basement; and the order to look at the way.

While there is something to be set up `/` leads to `/setup`, but for who may not go there (a phone, where SETUP_FROM
does not let it) and who asks for the page itself (`/?stay=1`).
"""

from typing import Any, ClassVar

from appliance.web.guard import Guard, peer_allowed
from appliance.web.page import WebPage, Words, render
from appliance.web.page_facts import Gatherer, View
from appliance.web.page_shown import PARTS, present
from appliance.web.page_words import WORDS, Teller
from appliance.web.setup import Setup, is_private

REFRESH_S = 15


def render_parts(view: View, language: str) -> dict[str, str]:
    """Every part of the page by its name, and its `title`."""
    shown = present(view, Teller(language, view.now))
    parts = {name: render(f"_{name}.html", language, WORDS, **shown) for name in PARTS}
    return {"title": title(shown, language), **parts}


def title(shown: dict[str, Any], language: str) -> str:
    """What stands in the window's frame: the verdict first."""
    named = shown["kiosk_name"] or Teller(language, 0.0).say("page.title")
    return f"{shown['verdict'].whole} · {named}"


class HomePage(WebPage):
    """GET /."""

    words: ClassVar[Words] = WORDS
    script = "live.js"
    refresh_s = REFRESH_S

    def initialize(self, guard: Guard, gatherer: Gatherer, setup: Setup | None = None) -> None:  # type: ignore[override]
        """Dependencies come through the route."""
        super().initialize(guard)
        self._gatherer = gatherer
        self._setup = setup

    async def get(self) -> None:
        """The page, or the way to the set-up."""
        stays = self.get_query_argument("stay", "") == "1"
        if self._gatherer.takes_codes and not stays and self._may_set_up():
            self.redirect("/setup", status=302)
            return
        view = await self._gatherer.view()
        shown = present(view, Teller(self.language, view.now))
        self.show("home.html", title=title(shown, self.language), **shown)

    head = get

    def _may_set_up(self) -> bool:
        if self._setup is None:
            return False
        peer = str(self.request.remote_ip)
        return peer_allowed(peer) or (self._setup.lan and is_private(peer))


class LookPage(WebPage):
    """POST /network: look at the way to the hub now."""

    methods = "POST"

    def initialize(self, guard: Guard, gatherer: Gatherer) -> None:  # type: ignore[override]
        """Dependencies come through the route."""
        super().initialize(guard)
        self._gatherer = gatherer

    def post(self) -> None:
        """Ask for it; who asks too often is shown what was seen last."""
        if self.request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            self._refuse(403, "requests from other pages are not allowed")
            return
        self._gatherer.network.ask()
        self.redirect("/?stay=1#part-network" if self._gatherer.takes_codes else "/#part-network", status=303)
