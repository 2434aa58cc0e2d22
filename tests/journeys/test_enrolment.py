"""A kiosk gets its identity: by each way there is, through deaths at every step, with what can be wrong."""

import contextlib
import html
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from bench.program import clean_environment, program
from bench.stack import Appliance, Hub
from tests.chaos.points import names
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
            [program("kioskwire-appliance"), "enroll", *arguments], cwd=self.directory, timeout=90, check=False,
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


@pytest.mark.parametrize("way", ["settings", "file", "page", "command", "command before the start"])
def test_a_kiosk_is_enrolled_and_works_and_nobody_reads_its_secrets(site: Site, way: str) -> None:
    name, code = registered(site.hub)
    settings = {"WS_SERVER_URL": site.hub.url, "ENROLL_CODE": code} if way == "settings" else {}
    with newcomer(site, LOG_LEVEL="DEBUG", **settings) as kiosk:
        told = ""
        if way == "command before the start":
            done = kiosk.enroll("--hub", site.hub.url, "--code", "-", text=f"{code}\n")
            assert (done.returncode, f"this kiosk is {name}" in done.stdout) == (0, True), done
            assert "start it" in done.stdout
            told = done.stdout + done.stderr
        kiosk.start()
        if way == "file":
            kiosk.drop(site.hub.url, code)
        elif way == "page":
            assert kiosk.http.get("/").headers["Location"] == "/setup"
            assert kiosk.page(site.hub.url, code).status_code == 303
        elif way == "command":
            done = kiosk.enroll("--hub", site.hub.url, code=code)
            assert (done.returncode, "connects within" in done.stdout) == (0, True), done
            told = done.stdout + done.stderr
        kiosk.wait_connected()
        assert kiosk.enrolment() == {
            "state": "enrolled", "kiosk": name, "name": name, "hub": site.hub.ws_url, "trouble": None,
            "enrolled_at": None,
        }  # fmt: skip
        assert kiosk.health()["status"] == "healthy"
        assert pays(site, name)
        kiosk.kill()
        kiosk.start()
        kiosk.wait_connected()
        assert kiosk.http.get("/").status_code == 404
        assert 'name="code"' not in kiosk.http.get("/setup").text
        line = Path(f"/proc/{kiosk.pid}/cmdline").read_bytes().decode()
        pages = [kiosk.http.get(path).text for path in ("/health", "/metrics", "/setup")]
        heard = "\n".join([kiosk.log.read_text(), line, told, *pages])
        for secret in (*kiosk.secrets(), code, code.replace("-", "")):
            assert secret not in heard
        for path in kiosk.state.glob("identity*"):
            assert path.stat().st_mode & 0o077 == 0
        assert not (kiosk.state / "enroll.env").exists()
        assert code.replace("-", "") not in "".join(path.read_text() for path in kiosk.state.glob("identity*"))


def test_the_power_may_fail_at_every_step(site: Site) -> None:
    points = [point for point in names("appliance.enrolment") if ".promote." not in point]
    assert len(points) == 8
    with contextlib.ExitStack() as stack:
        kiosks = {}
        for point in points:
            name, code = registered(site.hub)
            kiosk = stack.enter_context(newcomer(site, KIOSKWIRE_CRASH_AT=point))
            kiosk.drop(site.hub.url, code)
            kiosks[point] = name, kiosk
        for _, kiosk in kiosks.values():
            kiosk.start(wait=False)
        for point, (_, kiosk) in kiosks.items():
            until(f"the death at {point}", lambda kiosk=kiosk: not kiosk.alive, KIOSK_DIES_S)
            assert point in kiosk.log.read_text()
            kiosk.settings.clear()
        for _, kiosk in kiosks.values():
            kiosk.start(wait=False)
        for name, kiosk in kiosks.values():
            kiosk.wait_ready()
            kiosk.wait_connected()
            assert kiosk.enrolment()["kiosk"] == name
            kept = {path.name for path in kiosk.state.glob("identity*")} | {p.name for p in kiosk.state.glob("enroll*")}
            assert kept == {"identity.json", "identity.lock", "identity.served.json"}
        assert pays(site, name)


def test_a_kiosk_becomes_another_when_all_is_told_though_the_power_fails(site: Site) -> None:
    (old, first), (new, second) = registered(site.hub), registered(site.hub)
    with newcomer(site) as kiosk:
        kiosk.drop(site.hub.url, first)
        kiosk.settings["KIOSKWIRE_CRASH_AT"] = "appliance.gateway.call.after"
        kiosk.start()
        kiosk.wait_connected()
        paid = site.backend.later(old, "payment", payment(order := unique("order")), key=order)
        until("the death over a payment", lambda: not kiosk.alive, KIOSK_DIES_S)
        refused = kiosk.enroll("--hub", site.hub.url, code=second)
        assert (refused.returncode, "--force" in refused.stderr) == (4, True)
        done = kiosk.enroll("--force", "--hub", site.hub.url, code=second)
        assert (done.returncode, "goes on as before until everything is told" in done.stdout) == (0, True), done
        assert old in done.stderr
        for point in ("appliance.enrolment.promote.before", "appliance.enrolment.promote.after"):
            kiosk.settings["KIOSKWIRE_CRASH_AT"] = point
            kiosk.start(wait=False)
            until(f"the death at {point}", lambda: not kiosk.alive, KIOSK_DIES_S)
        kiosk.settings.clear()
        kiosk.start()
        until("the new name", lambda: kiosk.enrolment()["kiosk"] == new and kiosk.health()["ws_connected"])
        told = site.backend.final(site.backend.sent(old, order))
        assert (told["kiosk"], told["state"], site.gateway.effects(order)) == (old, "succeeded", 1)
        assert paid.result(60).status_code in {200, 504}
        assert site.backend.operations(new) == []
        assert pays(site, new)
        assert not site.connected(old)


def test_a_code_is_good_for_one_kiosk_and_the_other_says_so(site: Site) -> None:
    name, code = registered(site.hub)
    with newcomer(site) as kiosk, newcomer(site) as other:
        for each in (kiosk, other):
            each.start()
        assert kiosk.page(site.hub.url, code).status_code == 303
        kiosk.wait_connected()
        assert other.page(site.hub.url, code).status_code == 303
        health = other.wait_for("refused")
        assert "the hub refused the code" in health["reasons"][0]
        assert (health["status"], health["ws_connected"]) == ("degraded", False)
        page = other.http.get("/setup", headers={"Accept-Language": "kk,ru;q=0.5"}).text
        assert "хаб кодты қабылдамады" in page
        done = other.enroll("--hub", site.hub.url, "--code", code)
        assert (done.returncode, "have a new code made" in done.stderr) == (1, True)
        kiosk.wait_connected()
        assert site.hub.admin("GET", f"/admin/kiosks/{name}").json()["duplicate"] is None


def test_a_hub_that_is_away_is_waited_for(site: Site, tmp_path: Path) -> None:
    with Hub(tmp_path / "hub") as hub, newcomer(site) as kiosk:
        name, code = registered(hub)
        hub.kill()
        kiosk.start()
        assert kiosk.page(hub.url, code).status_code == 303
        until("the trouble", lambda: kiosk.enrolment()["trouble"])
        assert "cannot connect" in kiosk.health()["reasons"][0]
        kiosk.kill()
        kiosk.start()
        hub.start()
        kiosk.wait_connected()
        assert kiosk.enrolment()["kiosk"] == name


def test_a_token_that_was_ended_is_told_and_a_new_code_makes_it_good(site: Site) -> None:
    name, code = registered(site.hub)
    with newcomer(site) as kiosk:
        kiosk.drop(site.hub.url, code)
        kiosk.start()
        kiosk.wait_connected()
        site.hub.new_token(name)
        health = kiosk.wait_for("locked-out")
        assert "the hub no longer accepts this kiosk's token: enrol again" in health["reasons"][0]
        code = site.hub.admin("POST", f"/admin/kiosks/{name}/code").json()["code"]
        assert kiosk.page(site.hub.url, code).status_code == 303
        kiosk.wait_connected()
        assert pays(site, name)


def test_what_is_wrong_with_a_form_is_shown_at_once_and_nothing_is_sent(site: Site) -> None:
    with newcomer(site) as kiosk:
        kiosk.start()
        answer = kiosk.page("ftp://user:canary@hub", "OIL")
        assert answer.status_code == 422
        assert answer.text.count('aria-invalid="true"') == 2
        assert "canary" not in answer.text
        for wrong in ({"token": "x"}, {"token": ""}):
            assert kiosk.page(site.hub.url, "ABCD-2345", **wrong).status_code == 403
        for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            token = re.search(r'name="token" value="([^"]+)"', kiosk.http.get("/setup").text)
            assert token
            sent = {"hub": site.hub.url, "code": "ABCD-2345", "token": token[1]}
            assert kiosk.http.post("/setup", data=sent, headers=headers).status_code == 403
        for _ in range(12):
            answer = kiosk.page("x:y", "ABCD-2345")
        assert answer.status_code == 429
        assert kiosk.enrolment()["state"] == "not-enrolled"
