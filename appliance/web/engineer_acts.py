"""What an engineer has the kiosk do: device tests, a look at the routes, collection, a restart.

Without scripts a running job's page asks again by itself; with them it is told.
"""

import contextlib
import secrets

from appliance.engineer.trial import MOVES_MONEY, trials_of
from appliance.engineer.work import Busy, Failed
from appliance.journal import StorageError
from appliance.web.engineer_shell import PATH, EngineerPage
from hardware.events import DeviceState
from wire.money import Money

_REFRESH_S = 3
_BAD = frozenset({DeviceState.FAULT, DeviceState.ABSENT})


class DevicesPage(EngineerPage):
    """GET /engineer/devices: what can be tried. POST: try it."""

    def get(self) -> None:
        """All devices."""
        self._list(200)

    head = get

    def post(self) -> None:
        """Begin one trial."""
        trial = self.one("trial")
        once = self.one("once")
        if trial in MOVES_MONEY and (once in self.who.used or len(once) != 22):
            self.go(f"{PATH}/job")  # the same form twice
            return
        try:
            self.engineer.try_device(self.one("device"), trial, sure=self.one("sure") == "yes")
        except Busy:
            self.go(f"{PATH}/job")
        except Failed as error:
            self._list(422, wrong=error)
        else:
            if trial in MOVES_MONEY:
                self.who.used.add(once)
            self.go(f"{PATH}/job")

    def _list(self, status: int, wrong: Failed | None = None) -> None:
        devices = [
            {
                "name": each.name, "label": each.entry.owned.label, "role": each.role, "state": each.status.state.value,
                "words": each.hindrance or (each.status.words if each.status.state in _BAD else ""),
                "trials": trials_of(each.role),
                "in_use": self.engineer.collecting.in_use(each) if not each.testing else "",
            }
            for each in self.engineer.supervisor.all()
        ]  # fmt: skip
        self.show(
            "engineer_devices.html", status, devices=devices, wrong=wrong, money=MOVES_MONEY, active="devices",
            once=secrets.token_urlsafe(16),
        )  # fmt: skip


class JobPage(EngineerPage):
    """GET /engineer/job: how what was begun goes on. POST: end it."""

    script = "engineer.js"
    quiet = True

    @property
    def refresh_s(self) -> int:  # type: ignore[override]
        """While it runs."""
        return _REFRESH_S if self.engineer.work.running is not None else 0

    def get(self) -> None:
        """The latest."""
        job = self.engineer.work.latest
        if job is None:
            self.go(PATH)
            return
        job.looked()
        self.show("engineer_job.html", job=job, live=f"{PATH}/live" if job.running else "")

    head = get

    async def post(self) -> None:
        """Have it put away what it began."""
        await self.engineer.work.end()
        self.go(f"{PATH}/job")


class RoutesPage(EngineerPage):
    """GET /engineer/routes: what it will do. POST: do it."""

    def get(self) -> None:
        """A button."""
        self.show("engineer_routes.html", active="routes")

    head = get

    def post(self) -> None:
        """Look at all of them."""
        with contextlib.suppress(Busy):
            self.engineer.check_routes()
        self.go(f"{PATH}/job")


class CollectionPage(EngineerPage):
    """GET /engineer/collection: what lies where. POST: it was taken out."""

    async def get(self) -> None:
        """What lies where."""
        await self._list(200)

    async def head(self) -> None:
        """As GET."""
        await self._list(200)

    async def post(self) -> None:
        """Write it down, once for this form."""
        names = [name.removeprefix("take-") for name, value in self.form.items() if name.startswith("take-") and value]
        once = self.one("once")
        known = {each.name: each for each in self.engineer.collecting.devices()}
        names = [name for name in names if name in known]
        if len(once) != 22:
            await self._list(422, "old-page")
        elif not names:
            await self._list(422, "collect.none-chosen")
        elif self.one("sure") != "yes":
            await self._list(422, "collect.not-sure", names)
        elif any(self.engineer.collecting.in_use(known[name]) for name in names):
            await self._list(409, "collect.in-use", names)
        else:
            try:
                records, slip = await self.engineer.collect(names, once)
            except StorageError as error:
                await self._list(500, "collect.no-disk", names, str(error))
                return
            self.show("engineer_collected.html", records=records, slip=slip, active="collection", money=_money)

    async def _list(self, status: int, wrong: str = "", chosen: list[str] | None = None, detail: str = "") -> None:
        try:
            lying = await self.engineer.collecting.lying()
        except StorageError as error:
            lying, wrong, detail = [], "collect.no-disk", str(error)
        printers = self.engineer.collecting.printers()
        self.show(
            "engineer_collection.html", status, lying=lying, wrong=wrong, chosen=chosen or [], detail=detail,
            once=secrets.token_urlsafe(16), printer=printers[0].name if printers else "", active="collection",
            money=_money,
        )  # fmt: skip


class RestartPage(EngineerPage):
    """GET /engineer/restart: what it waits for. POST: ask for one, or take that back."""

    script = "engineer.js"
    quiet = True
    _asked = False

    @property
    def refresh_s(self) -> int:  # type: ignore[override]
        """While it is waited for."""
        return _REFRESH_S if self._asked else 0

    async def get(self) -> None:
        """Whether one is asked for."""
        await self._tell(200)

    async def head(self) -> None:
        """As GET."""
        await self._tell(200)

    async def post(self) -> None:
        """Ask, or take it back."""
        try:
            if self.one("what") == "forget":
                await self.engineer.restarts.forget()
            else:
                await self.engineer.work.end()
                await self.engineer.restart()
        except OSError as error:
            await self._tell(500, error.strerror or "")
            return
        self.go(f"{PATH}/restart")

    async def _tell(self, status: int, wrong: str = "") -> None:
        self._asked = await self.engineer.restarts.is_asked()
        self.show(
            "engineer_restart.html", status, asked=self._asked, waits=self.engineer.restarts.waits(), wrong=wrong,
            active="restart", live=f"{PATH}/live?what=restart" if self._asked else "",
        )  # fmt: skip


def _money(minor: int, currency: str) -> str:
    try:
        return str(Money(minor, currency))
    except ValueError:
        return "0"
