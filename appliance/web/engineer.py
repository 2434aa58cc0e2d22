"""`/engineer`: who is let in, the PIN, and who the kiosk is. What is done then is in `engineer_acts`, what is read in
`engineer_reading`.

For the kiosk's own screen alone, unless SETUP_FROM=lan: then also from private networks. Every form has the session's
token, comes from this origin and is sent by POST; what is done is answered with a redirect, so that a page that is
loaded again does nothing again.
"""

import contextlib
import math

from appliance.engineer.pin import BusyError
from appliance.engineer.sessions import COOKIE
from appliance.enrolment.papers import BusyError as EnrolmentBusy
from appliance.hub import read_hub, short_hub
from appliance.web.engineer_shell import PATH, EngineerPage
from wire.enrolment import parse_code
from wire.pin import parse_pin


class StartPage(EngineerPage):
    """GET /engineer: the PIN, or what can be done. POST: the PIN."""

    needs_session = False

    def get(self) -> None:
        """By whether there is a PIN and a session."""
        if not self.engineer.lock.is_set:
            self.show("engineer_shut.html")
        elif self.session is None:
            self._ask(200)
        else:
            self.show("engineer.html", active="start")

    head = get

    async def post(self) -> None:
        """The PIN."""
        if not self.engineer.lock.is_set:
            self.show("engineer_shut.html", 403)
            return
        if self.engineer.wait(self.address, here=self.is_here) > 0:
            self._ask(429)
            return
        try:
            found = await self.engineer.sign_in(self.form.get("pin", "")[:64], self.address, here=self.is_here)
        except BusyError:
            self._ask(503, "pin.busy")
            return
        except ValueError as error:
            self._ask(500, "pin.damaged", str(error))
            return
        if found is None:
            self._ask(403, "pin.wrong")
            return
        self.engineer.sessions.end(self.get_cookie(COOKIE, "") or "")
        self.set_cookie(COOKIE, found[0], path=PATH, httponly=True, samesite="Strict")
        self.go(PATH)

    def _ask(self, status: int, wrong: str = "", words: str = "") -> None:
        wait = math.ceil(self.engineer.wait(self.address, here=self.is_here))
        self.show(
            "engineer_pin.html", status, wrong=wrong, detail=words, wait=wait, csrf=self.engineer.form
        )  # fmt: skip


class LeavePage(EngineerPage):
    """POST /engineer/leave: the session ends."""

    methods = "POST"

    async def post(self) -> None:
        """What runs is put away with it."""
        self.engineer.sessions.end(self.get_cookie(COOKIE, "") or "")
        self.clear_cookie(COOKIE, path=PATH)
        await self.engineer.work.end("job.left")
        self.go(PATH)


class EnrolPage(EngineerPage):
    """GET /engineer/enrolment: who the kiosk is. POST: trade a code, also in the place of who it is."""

    def get(self) -> None:
        """Where a code is wanted anyway, /setup has the form."""
        self._ask(200)

    head = get

    async def post(self) -> None:
        """Hub and code."""
        hub, code = self.one("hub", 300), self.one("code", 40)
        wrong = {}
        try:
            read_hub(hub)
        except ValueError:
            wrong["hub"] = "enrol.wrong-hub"
        try:
            parse_code(code)
        except ValueError:
            wrong["code"] = "enrol.wrong-code"
        if self.one("sure") != "yes" and self.room.enrolment.standing().state == "enrolled":
            wrong["sure"] = "enrol.not-sure"
        if wrong:
            self._ask(422, wrong, hub if "@" not in hub else "")
            return
        try:
            await self.room.enrolment.submit(hub, code, forced=True)
        except (ValueError, EnrolmentBusy):
            self._ask(409, {"all": "enrol.busy"}, hub)
        except OSError:
            self._ask(500, {"all": "no-disk"}, hub)
        else:
            self.go(f"/setup?lang={self.language}")

    def _ask(self, status: int, wrong: dict[str, str] | None = None, hub: str = "") -> None:
        standing = self.room.enrolment.standing()
        shown = ""
        with contextlib.suppress(ValueError):
            shown = short_hub(read_hub(standing.hub)) if standing.hub else ""
        self.show(
            "engineer_enrolment.html", status, standing=standing, wrong=wrong or {}, hub=hub or shown, shown=shown,
            active="enrolment",
        )  # fmt: skip


class PinPage(EngineerPage):
    """GET and POST /engineer/pin: another PIN."""

    def get(self) -> None:
        """The form."""
        self.show("engineer_new_pin.html", wrong="", active="pin", by_settings=self.engineer.lock.by_settings)

    head = get

    async def post(self) -> None:
        """The one in force, and twice the new one."""
        by_settings = self.engineer.lock.by_settings
        wrong = "pin.by-settings" if by_settings else ""
        new = self.form.get("new", "")
        try:
            new = parse_pin(new)
        except ValueError:
            wrong = wrong or "pin.not-good"
        wrong = wrong or ("pin.differs" if new != "".join(self.form.get("again", "").split()).replace("-", "") else "")
        if not wrong and self.engineer.wait(self.address, here=self.is_here) > 0:
            wrong = "pin.wait"
        if not wrong:
            try:
                found = await self.engineer.sign_in(self.form.get("old", "")[:64], self.address, here=self.is_here)
                wrong = "" if found is not None else "pin.wrong"
                if not wrong:
                    await self.engineer.set_pin(new, "page")
            except (BusyError, ValueError):
                wrong = "pin.busy"
            except OSError:
                wrong = "no-disk"
        if wrong:
            self.show("engineer_new_pin.html", 422, wrong=wrong, active="pin", by_settings=by_settings)
            return
        self.clear_cookie(COOKIE, path=PATH)
        self.go(PATH)
