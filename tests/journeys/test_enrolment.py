"""A kiosk gets its identity: by each way there is, through deaths at every step, with what can be wrong."""

import contextlib
import re
from pathlib import Path

from bench.stack import Hub
from tests.chaos.points import names
from tests.journeys.newcomer import KIOSK_DIES_S, Newcomer, newcomer, pays, registered
from tests.journeys.site import Site, payment, unique, until


def by_way(site: Site, way: str, kiosk: Newcomer, code: str) -> str:
    """Give a running kiosk its code, or one that does not run yet; returns what was told on the way."""
    told = ""
    if way == "command before the start":
        done = kiosk.enroll("--hub", site.hub.url, "--code", "-", text=f"{code}\n")
        assert (done.returncode, "start it" in done.stdout) == (0, True), done
        told = done.stdout + done.stderr
    elif way == "file":
        kiosk.drop(site.hub.url, code)
    elif way == "page":
        assert kiosk.http.get("/").headers["Location"] == "/setup"
        assert kiosk.page(site.hub.url, code).status_code == 303
    elif way == "command":
        done = kiosk.enroll("--hub", site.hub.url, code=code)
        assert (done.returncode, "connects within" in done.stdout) == (0, True), done
        told = done.stdout + done.stderr
    return told


def keeps_its_secrets(kiosk: Newcomer, code: str, told: str) -> bool:
    """Whether nobody else can read them: in files, pages, logs, the list of processes, and what was told."""
    line = Path(f"/proc/{kiosk.pid}/cmdline").read_bytes().decode()
    pages = [kiosk.http.get(path).text for path in ("/health", "/metrics", "/setup")]
    heard = "\n".join([kiosk.log.read_text(), line, told, *pages])
    files = list(kiosk.state.glob("identity*"))
    return (
        not any(secret in heard for secret in (*kiosk.secrets(), code, code.replace("-", "")))
        and all(path.stat().st_mode & 0o077 == 0 for path in files)
        and code.replace("-", "") not in "".join(path.read_text() for path in files)
        and not (kiosk.state / "enroll.env").exists()
    )


def test_a_kiosk_is_enrolled_and_works_and_nobody_reads_its_secrets(site: Site) -> None:
    ways = ("command before the start", "settings", "file", "page", "command")
    with contextlib.ExitStack() as stack:  # side by side: they wait most of their time
        kiosks = {}
        for way in ways:
            name, code = registered(site.hub)
            settings = {"WS_SERVER_URL": site.hub.url, "ENROLL_CODE": code} if way == "settings" else {}
            kiosk = stack.enter_context(newcomer(site, LOG_LEVEL="DEBUG", **settings))
            told = by_way(site, way, kiosk, code) if way == ways[0] else ""
            kiosk.start(wait=False)
            kiosks[way] = kiosk, name, code, told
        for way, (kiosk, name, code, told) in kiosks.items():
            kiosk.wait_ready()
            if way != ways[0]:
                kiosks[way] = kiosk, name, code, told + by_way(site, way, kiosk, code)
        for way, (kiosk, name, _, _) in kiosks.items():
            kiosk.wait_connected()
            assert kiosk.enrolment() == {
                "state": "enrolled", "kiosk": name, "name": name, "hub": site.hub.ws_url, "trouble": None,
                "enrolled_at": None,
            }, way  # fmt: skip
            assert kiosk.health()["status"] == "healthy", way
            assert pays(site, name), way
            kiosk.kill()
            kiosk.start(wait=False)
        for way, (kiosk, name, code, told) in kiosks.items():
            kiosk.wait_ready()
            kiosk.wait_connected()
            assert name in kiosk.http.get("/").text, way  # its own page, and no longer the set-up
            assert 'name="code"' not in kiosk.http.get("/setup").text, way
            assert keeps_its_secrets(kiosk, code, told), way


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
