"""A kiosk's disk is full, or its journal is damaged."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.proxy import FaultProxy
from tests.journeys.site import Kiosk, Site, payment, problem, unique, until

_MIB = 1024 * 1024


@pytest.fixture
def small_disk(site: Site) -> Iterator[Path]:
    """A disk of 8 MiB."""
    if os.geteuid() != 0:
        pytest.skip("a small disk can only be mounted by root")
    place = site.directory / unique("disk")
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Take all room that is left; returns the file that has it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return filler


def test_a_full_disk_refuses_what_is_new_and_loses_nothing(site: Site, small_disk: Path, wire: FaultProxy) -> None:
    settings = {"STATE_DIR": str(small_disk / "state"), "DISK_MIN_FREE_MB": "1"}
    with site.kiosk("full", site.routes_through(wire), settings=settings) as kiosk:
        before, during, refused, after = (unique("order") for _ in range(4))
        site.backend.send(kiosk.id, "payment", payment(before)).raise_for_status()
        wire.hold(down=True, new=True)
        sent = site.backend.later(kiosk.id, "payment", payment(during), key=during)
        kiosk.wait_running()
        kiosk.proxy.hold(down=True)  # its outcome will not be settled: it must be kept
        filler = fill(small_disk)
        wire.restore()
        assert (sent.result().status_code, sent.result().json()["order_id"]) == (200, during)
        assert kiosk.health()["unsettled"] == 1
        kiosk.proxy.restore()
        until("its page telling", lambda: kiosk.health()["journal"]["trouble"])
        answers = [site.backend.send(kiosk.id, "payment", payment(refused), key=f"{refused}-{n}") for n in range(3)]
        assert [problem(answer) for answer in answers] == [(503, "kiosk-storage", "not_executed")] * 3
        page = kiosk.appliance.http.get("/health")
        assert (page.status_code, page.json()["status"]) == (503, "unhealthy")
        # Killed and started on the full disk it is still there, and still has what it knew.
        kiosk.appliance.kill()
        kiosk.appliance.start()
        answer = site.backend.send(kiosk.id, "payment", payment(refused), key=f"{refused}-4")
        assert problem(answer) == (503, "kiosk-storage", "not_executed")
        filler.unlink()
        until("its taking operations again", lambda: not kiosk.health()["journal"]["trouble"])
        site.backend.send(kiosk.id, "payment", payment(after)).raise_for_status()
        again = site.backend.send(kiosk.id, "payment", payment(during), key=during)
        assert again.json() == sent.result().json()
        kiosk.wait_settled()
        assert [site.gateway.effects(order) for order in (before, during, refused, after)] == [1, 1, 0, 1]


def damage(kiosk: Kiosk) -> None:
    """Overwrite the journal with noise, its log as well."""
    state = kiosk.appliance.directory / "state"
    for path in state.glob("journal.db*"):
        path.write_bytes(os.urandom(max(4096, path.stat().st_size)))


def test_a_damaged_journal_is_set_aside_and_reported_and_the_kiosk_works(site: Site) -> None:
    with site.kiosk("damaged", site.routes(status=False)) as kiosk:
        done, doubt, after = (unique("order") for _ in range(3))
        site.backend.send(kiosk.id, "payment", payment(done), key=done).raise_for_status()
        kiosk.wait_settled()
        sent = site.backend.later(kiosk.id, "payment", payment(doubt, simulate="slow-after:30"), key=doubt)
        until("the gateway acting", lambda: site.gateway.effects(doubt) == 1)
        kiosk.appliance.kill()
        damage(kiosk)
        kiosk.appliance.start()
        [aside] = [
            path.name
            for path in (kiosk.appliance.directory / "state").glob("journal.damaged-*")
            if not path.name.endswith(("-wal", "-shm"))
        ]
        health = kiosk.health()
        assert health["status"] == "degraded"
        assert any("damaged" in reason for reason in health["reasons"])
        # What the lost journal knew nobody can tell; above all it is not executed a second time.
        assert problem(sent.result()) == (504, "interrupted", "unknown")
        again = site.backend.send(kiosk.id, "payment", payment(doubt, simulate="slow-after:30"), key=doubt)
        assert again.json()["outcome"] == "unknown"
        repeated = site.backend.send(kiosk.id, "payment", payment(done), key=done)
        assert repeated.status_code == 200
        site.backend.send(kiosk.id, "payment", payment(after)).raise_for_status()
        kiosk.wait_settled()
        assert [site.gateway.effects(order) for order in (done, doubt, after)] == [1, 1, 1]
        assert aside


def test_a_journal_that_was_removed_is_not_trusted_with_what_it_had(site: Site) -> None:
    with site.kiosk("removed-journal") as kiosk:
        order = unique("order")
        kiosk.proxy.hold(up=True)
        sent = site.backend.later(kiosk.id, "payment", payment(order), key=order)
        until("the outcome being journaled", lambda: kiosk.health()["unsettled"] == 1)
        kiosk.appliance.kill()
        for path in (kiosk.appliance.directory / "state").glob("journal.db*"):
            path.unlink()
        kiosk.proxy.cut()
        kiosk.proxy.restore()
        kiosk.appliance.start()
        assert sent.result().json()["outcome"] == "unknown"
        assert site.backend.told(sent.result().headers["x-request-id"])["state"] == "unknown"
        assert site.gateway.effects(order) == 1
