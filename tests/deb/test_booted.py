"""The service as systemd runs it: ready, watched, started again, restarted only when nothing moves."""

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from bench.program import free_port
from tests.deb.conftest import NEW, OLD
from tests.deb.machine import UNIT, Machine, Refused, until
from tests.journeys.site import Site, payment, unique


class Kiosk:
    """A booted machine with the package, registered at the hub."""

    def __init__(self, machine: Machine, site: Site, word: str) -> None:
        self.machine, self.site = machine, site
        self.id = unique(word)
        self.port = free_port()
        machine.settings(
            WS_SERVER_URL=f"ws://127.0.0.1:{site.hub.port}/ws", WS_TOKEN=site.hub.add_kiosk(self.id),
            HEALTH_CHECK_PORT=self.port,
        )  # fmt: skip
        (machine.root / "etc/kioskwire/routing_config.yaml").write_text(yaml.safe_dump(site.routes()))

    def health(self) -> dict[str, object]:
        """Its page; empty while it does not answer."""
        with contextlib.suppress(httpx.TransportError):
            found: dict[str, object] = httpx.get(
                f"http://127.0.0.1:{self.port}/health", timeout=5, trust_env=False
            ).json()
            return found
        return {}

    def wait_connected(self) -> None:
        """The hub may send to it."""
        until("the link", lambda: self.health().get("ws_connected") and self.site.connected(self.id))


@pytest.fixture
def kiosk(machine: Machine, packages: dict[str, Path], site: Site) -> Iterator[Kiosk]:
    """It runs the older version."""
    machine.install(packages[OLD])
    found = Kiosk(machine, site, "boxed")
    with machine.booted():
        until("the service", lambda: machine.active)
        found.wait_connected()
        yield found
        print(machine.log())


def test_the_service_says_how_it_is_and_is_confined(kiosk: Kiosk) -> None:
    machine = kiosk.machine
    until("words on its state", lambda: machine.show("StatusText") == "connected to the hub; idle")
    assert machine.running == OLD
    assert machine.show("User") == "kioskwire"
    assert machine.show("NRestarts") == "0"
    exposure = re.search(r"exposure level .*: ([0-9.]+)", machine.run("systemd-analyze", "security", UNIT))
    assert exposure is not None
    assert float(exposure.group(1)) <= 2.0
    status = machine.shell(f"cat /proc/{machine.pid}/status")
    assert re.search(r"CapEff:\s+0+\n", status)
    assert re.search(r"NoNewPrivs:\s+1\n", status)
    assert re.search(r"Seccomp:\s+2\n", status)
    machine.run("systemctl", "reload", UNIT)
    until("the end of reloading", lambda: machine.active)
    assert "the routing file says nothing new" in machine.log()
    assert machine.run("systemctl", "--failed", "--no-legend").strip() == ""
    assert machine.shell("stat --format='%U %a' /var/lib/kioskwire/journal*").split()[:2] == ["kioskwire", "600"]
    limits = machine.run("systemd-analyze", "cat-config", "systemd/journald.conf")
    assert "60-kioskwire.conf" in limits
    assert re.search(r"System Journal .* max 200\.0M", machine.run("journalctl", "--identifier=systemd-journald"))


def test_a_program_that_hangs_is_ended_by_the_watchdog_and_one_that_dies_is_started_again(kiosk: Kiosk) -> None:
    machine = kiosk.machine
    before = machine.pid
    machine.run("systemctl", "kill", "--signal=KILL", UNIT)
    until("another process", lambda: machine.active and machine.pid not in {0, before})
    kiosk.wait_connected()
    before = machine.pid
    machine.run("systemctl", "kill", "--signal=STOP", UNIT)
    until("another process", lambda: machine.active and machine.pid not in {0, before})
    assert "Failed with result 'watchdog'." in machine.log()
    kiosk.wait_connected()


def test_who_fails_again_and_again_waits_longer_each_time_and_a_person_does_not(kiosk: Kiosk) -> None:
    machine = kiosk.machine
    machine.shell("echo LOG_LEVEL=none >> /etc/kioskwire/appliance.env")
    machine.run("systemctl", "kill", "--signal=KILL", UNIT)
    until("the third failure", lambda: "failed 3 times in a row: waiting 4 s" in machine.log())
    machine.shell("sed -i /LOG_LEVEL=none/d /etc/kioskwire/appliance.env")
    machine.run("systemctl", "restart", UNIT, patience=20)
    assert machine.active
    assert (machine.root / "run/kioskwire/failures").exists() is False  # it is a file system of its own
    assert machine.shell("cat /run/kioskwire/failures").strip() == "0"


def test_an_upgrade_does_not_cut_a_payment_and_the_service_becomes_the_new_version_after_it(
    kiosk: Kiosk, packages: dict[str, Path]
) -> None:
    machine, order = kiosk.machine, unique("order")
    before = machine.pid
    sent = kiosk.site.backend.later(kiosk.id, "payment", payment(order, simulate="slow:25"), timeout=60)
    until("its being at work", lambda: kiosk.health().get("queue", {}).get("running") == 1)
    said = machine.install(packages[NEW])
    assert "as soon as no money moves" in said
    assert (machine.pid, machine.running) == (before, OLD)
    assert not sent.done()
    assert machine.shell(f"ls /usr/lib/kioskwire/appliance/{OLD}/kioskwire-appliance")  # its files are there still
    assert (sent.result().status_code, sent.result().json()["order_id"]) == (200, order)
    until("the new version", lambda: machine.active and machine.running == NEW)
    kiosk.wait_connected()
    assert kiosk.site.gateway.effects(order) == 1
    assert kiosk.health()["version"] == NEW
    assert kiosk.health()["journal"]["previous_run"] == "clean"
    assert machine.shell("ls /usr/lib/kioskwire/appliance").split() == [NEW]
    again = kiosk.site.backend.send(kiosk.id, "payment", payment(unique("order")))
    assert again.status_code == 200


def test_an_idle_kiosk_becomes_the_new_version_at_once(kiosk: Kiosk, packages: dict[str, Path]) -> None:
    assert "the service has begun anew, with 1.1.0" in kiosk.machine.install(packages[NEW])
    until("the new version", lambda: kiosk.machine.active and kiosk.machine.running == NEW)
    with pytest.raises(Refused, match="systemctl stop kioskwire-appliance"):
        kiosk.machine.install(packages[OLD])
    assert kiosk.machine.running == NEW


def test_removed_while_it_runs(kiosk: Kiosk) -> None:
    machine = kiosk.machine
    machine.run("dpkg", "--remove", "kioskwire-appliance")
    assert machine.show("ActiveState") == "inactive"
    assert not (machine.root / "usr/lib/kioskwire").exists()


def test_installed_on_a_running_machine_a_new_kiosk_waits_to_be_enrolled(
    machine: Machine, packages: dict[str, Path]
) -> None:
    with machine.booted():
        machine.install(packages[OLD])
        until("the service", lambda: machine.active)
        assert machine.show("NRestarts") == "0"


def test_by_hand(machine: Machine, archives: dict[str, Path], site: Site) -> None:
    """install.sh: laid, laid again, brought up to date with its settings kept, removed."""
    for version in (OLD, NEW):
        shutil.unpack_archive(archives[version], machine.root / "root", filter="tar")
    old, new = (f"/srv/kioskwire-appliance-{version}-install/install.sh" for version in (OLD, NEW))
    with machine.booted():
        untouched = machine.shell("find /etc /usr /lib /var/lib -newer /srv | sort")
        assert f"installing kioskwire-appliance {OLD}" in machine.run(old, "--dry-run")
        assert machine.shell("find /etc /usr /lib /var/lib -newer /srv | sort") == untouched
        machine.run(old, "--no-start")
        found = Kiosk(machine, site, "by-hand")
        machine.run(old)
        until("the service", lambda: machine.active)
        found.wait_connected()
        before = machine.shell("find /usr/lib/kioskwire /etc/kioskwire /lib/systemd/system/kio* -printf '%p %i %T@\\n'")
        pid = machine.pid
        machine.run(old)
        again = machine.shell("find /usr/lib/kioskwire /etc/kioskwire /lib/systemd/system/kio* -printf '%p %i %T@\\n'")
        changed = set(again.splitlines()) ^ set(before.splitlines())
        assert {line.split()[0] for line in changed} <= {
            "/usr/lib/kioskwire/appliance", "/usr/lib/kioskwire/appliance/.taken", "/etc/kioskwire",
            "/etc/kioskwire/appliance.env.example", "/etc/kioskwire/routing_config.yaml.example",
        }  # fmt: skip
        assert machine.pid == pid
        machine.run(new)
        until("the new version", lambda: machine.active and machine.running == NEW)
        found.wait_connected()
        assert machine.shell("ls /usr/lib/kioskwire/appliance").split() == [NEW]
        machine.run(new, "--uninstall")
        assert machine.show("ActiveState") == "inactive"
        assert not (machine.root / "usr/lib/kioskwire").exists()
        assert "WS_TOKEN" in (machine.root / "etc/kioskwire/appliance.env").read_text()
        assert list((machine.root / "var/lib/kioskwire").iterdir())
