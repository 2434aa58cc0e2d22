"""A kiosk that nobody has told who it is, and what gives it its identity."""

import contextlib
import html
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec

from bench.program import clean_environment, program
from bench.stack import Appliance, Hub
from tests.journeys.site import Json, Site, payment, unique, until

KIOSK_DIES_S = 30.0


class Newcomer(Appliance):
    """A kiosk that nobody has told who it is."""

    def __init__(self, site: Site, directory: Path, **settings: str) -> None:
        super().__init__(directory, "", "", site.routes(), settings=settings)
        self.state = directory / "state"

    def environment(self) -> dict[str, str]:
        return {name: value for name, value in super().environment().items() if not name.startswith("WS_")}

    def is_ready(self) -> bool:
        return self.http.get("/health").status_code in {200, 503}

    def drop(self, hub: str, code: str) -> None:
        """What a technician puts on the boot partition."""
        self.state.mkdir(mode=0o700, exist_ok=True)
        (self.state / "enroll.env").write_text(f"WS_SERVER_URL={hub}\nENROLL_CODE={code}\n")

    def page(self, hub: str, code: str, **fields: str) -> httpx.Response:
        """What a technician types into the page."""
        form = self.http.get("/setup")
        assert form.status_code == 200
        token = re.search(r'name="token" value="([^"]+)"', form.text)
        assert token, form.text
        sent = {"hub": hub, "code": code, "token": html.unescape(token[1]), **fields}
        return self.http.post("/setup", data=sent, headers={"Origin": self.url})

    def enroll(self, *arguments: str, code: str = "", text: str | None = None) -> subprocess.CompletedProcess[str]:
        """The command, its code told by the environment or by standard input."""
        environment = {**clean_environment(), **self.environment(), **self.settings}
        return subprocess.run(
            [program("kioskwire-appliance"), "enroll", *arguments], cwd=self.directory, timeout=120, check=False,
            env=environment | ({"ENROLL_CODE": code} if code else {}), input=text or "", capture_output=True, text=True,
        )  # fmt: skip

    def enrolment(self) -> Json:
        """What the health page says of it."""
        found: Json = self.health()["enrolment"]
        return found

    def wait_for(self, state: str) -> Json:
        """Wait until it says so; returns its health."""
        until(f"the kiosk being {state}", lambda: self.alive and self.enrolment()["state"] == state)
        return self.health()

    def wait_connected(self) -> None:
        """Wait until the hub has welcomed it."""
        until("the kiosk being connected", lambda: self.health()["ws_connected"])

    def secrets(self) -> list[str]:
        """What nobody else may read."""
        identity = msgspec.json.decode((self.state / "identity.json").read_bytes())
        return [identity["token"], identity["private_key"]]


@contextlib.contextmanager
def newcomer(site: Site, **settings: str) -> Iterator[Newcomer]:
    """One that is ended in the end."""
    kiosk = Newcomer(site, site.directory / unique("newcomer"), **settings)
    try:
        yield kiosk
    finally:
        kiosk.kill()
        kiosk.__exit__(None, None, None)


def registered(hub: Hub) -> tuple[str, str]:
    """A kiosk the hub knows, and a code for it."""
    name = unique("enrolled")
    made = hub.admin("POST", "/admin/kiosks", {"id": name, "name": name})
    assert made.is_success, made.text
    return name, made.json()["code"]


def pays(site: Site, kiosk: str) -> bool:
    """Whether an operation goes through it, once."""
    order = unique("order")
    answer = until(f"{kiosk} being sent to", lambda: _answered(site, kiosk, order))
    assert answer["status"] == "success"
    return site.gateway.effects(order) == 1


def _answered(site: Site, kiosk: str, order: str) -> Any:
    answer = site.backend.send(kiosk, "payment", payment(order), key=order)
    return answer.json() if answer.is_success else None
