"""Updates as systemd runs them: the path unit, root's part, the switch and the trial; beside payments, and attacked."""

import functools
import http.server
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from appliance.updates.places import archive_name, this_target
from tests.appliance.updates.releases import Signer, program, release
from tests.deb.conftest import NEW, OLD, TREE, call
from tests.deb.machine import Machine, until
from tests.deb.test_booted import Kiosk
from tests.journeys.site import Site, payment, unique
from wire.release import MANIFEST, SIGNATURE_SUFFIX, Manifest

UPDATE = "kioskwire-update.service"
DOWNLOADS = "/var/lib/kioskwire/updates/download"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


class Channel:
    """A web server's `stable`, signed."""

    def __init__(self, directory: Path) -> None:
        self.signer = Signer()
        self.place = directory / "stable"
        self.place.mkdir()
        handler = functools.partial(_Quiet, directory=str(directory))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def offer(self, version: str, data: bytes) -> None:
        made = release(version, data)
        self.put(made.file, data)
        self.put(MANIFEST, msgspec.json.encode(Manifest(channel="stable", serial=1, releases=[made])))

    def put(self, name: str, data: bytes) -> None:
        (self.place / name).write_bytes(data)
        (self.place / (name + SIGNATURE_SUFFIX)).write_text(self.signer.sign(data))


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Channel]:
    directory = tmp_path / "channel"
    directory.mkdir()
    made = Channel(directory)
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def kiosk(machine: Machine, packages: dict[str, Path], site: Site, channel: Channel) -> Iterator[Kiosk]:
    """It runs the package's version, and looks for others at the channel."""
    machine.install(packages[OLD])
    found = Kiosk(machine, site, "updated")
    with (machine.root / "etc/kioskwire/appliance.env").open("a") as settings:
        settings.write(f"UPDATE_URL={channel.url}\n")
    (machine.root / "etc/kioskwire/release.pub").write_text(channel.signer.public)
    with machine.booted():
        until("the service", lambda: machine.active)
        found.wait_connected()
        yield found
        print(machine.log())
        print(machine.run("journalctl", "--unit", UPDATE, "--no-pager", "--output", "cat"))


def by_service(machine: Machine, script: str) -> str:
    """Do what somebody could who has got into the service."""
    return machine.run("setpriv", "--reuid=kioskwire", "--regid=kioskwire", "--clear-groups", "sh", "-euc", script)


def root_part(machine: Machine) -> tuple[str, str]:
    """Have the path unit's service run to its end: its result, and what it said."""
    since = machine.shell("date '+%Y-%m-%d %H:%M:%S'; sleep 1.1").strip()
    machine.run("systemctl", "start", "--no-block", UPDATE)
    until("its end", lambda: machine.show("ActiveState", UPDATE) in {"inactive", "failed"}, 200)
    said = machine.run("journalctl", "--unit", UPDATE, "--since", since, "--no-pager", "--output", "cat")
    return machine.show("Result", UPDATE), said


def test_a_version_comes_while_people_pay_and_none_of_them_notices(
    kiosk: Kiosk, channel: Channel, programs: dict[str, Path], tmp_path: Path
) -> None:
    machine, site = kiosk.machine, kiosk.site
    call([TREE / ".venv-freeze/bin/python", TREE / "packaging/freeze/pack.py", programs[NEW], "--out", tmp_path])
    channel.offer(NEW, (tmp_path / archive_name(NEW, this_target())).read_bytes())
    over, answers = threading.Event(), []

    def pay() -> None:
        while not over.is_set():
            order = unique("order")
            answers.append((order, site.backend.send(kiosk.id, "payment", payment(order), timeout=60)))
            over.wait(0.5)

    paying = site.backend.in_background(pay)
    try:
        said = machine.run("kioskwire-appliance", "update", "now", "--within", "280")
    finally:
        over.set()
        paying.result(90)
    assert f"{NEW} has proved itself" in said
    assert machine.running == NEW
    assert machine.shell(f"readlink /proc/{machine.pid}/exe").startswith("/var/lib/kioskwire-app/versions/")
    assert machine.show("NRestarts") == "1"
    assert machine.show("Result", UPDATE) == "success"
    assert machine.run("systemctl", "--failed", "--no-legend").strip() == ""
    assert len(answers) > 5
    assert {answer.status_code for _, answer in answers} == {200}
    assert {site.gateway.effects(order) for order, _ in answers} == {1}
    # Nothing of it can be written by the service, and nothing of the service's can be run.
    assert machine.shell("find /var/lib/kioskwire-app ! -user root -o -perm /022 ! -type l").strip() == ""
    assert by_service(machine, "touch /var/lib/kioskwire-app/versions/x 2>/dev/null || echo no").strip() == "no"
    machine.run("systemctl", "restart", "kioskwire-appliance")
    until("the same again", lambda: machine.active and machine.running == NEW)


def test_a_service_that_was_broken_into_cannot_have_root_do_its_will(kiosk: Kiosk, channel: Channel) -> None:
    """Whatever lies in its directory: root's part ends, says why, and has written nothing but its own."""
    machine = kiosk.machine
    machine.run("systemctl", "stop", "kioskwire-update.path", "kioskwire-appliance.service")  # it would tidy up
    file = archive_name("9.9.9", this_target())
    data = program("9.9.9")
    (machine.root / "root/9").write_bytes(data)
    (machine.root / "root/9.minisig").write_text(Signer().sign(data))  # not by a key that is known here
    machine.shell(f"cp /srv/9 /tmp/{file}; cp /srv/9.minisig /tmp/{file}.minisig; chmod 644 /tmp/{file}*")
    before = machine.shell("find /etc /usr /srv -newer /etc/kioskwire/release.pub -type f | sort | xargs sha256sum")
    laid = f"mkdir -p {DOWNLOADS}; cd {DOWNLOADS}; rm -rf * ../ready; printf '%s\\n' {file} > ../ready"
    attacks = {
        "signed by somebody else": ("cp /tmp/kioskwire-appliance-9* .", "signed with the key"),
        "a link to a secret": (f"ln -s /etc/shadow {file}; ln -s /etc/shadow {file}.minisig", "cannot be read"),
        "a pipe": (f"mkfifo {file}; cp /tmp/*.minisig .", "is not a file"),
        "a pipe that waits": ("rm ../ready; mkfifo ../ready", "ready is not a file"),
        "a folder": (f"mkdir {file}", "is not a file"),
        "another's directory": ("cd ..; rm -rf download; ln -s /etc download", "cannot be read"),
        "a way out": ("printf '../../../etc/shadow\\n' > ../ready", "is not a release's name"),
        "a command": ("printf '$(touch /srv/x);`touch /srv/x`\\n' > ../ready", "is not a release's name"),
        "a wish of a command": (
            "for each in current good trial bad floor; do printf '$(touch /srv/x) ../../../../tmp/x `id`\\n' "
            "> ../$each; done; printf '../../../tmp/kioskwire-appliance\\n' | tee ../current > ../ready",
            "is not a release's name",
        ),
        "wishes that wait": (
            "for each in current good trial bad floor; do rm -f ../$each; mkfifo ../$each; done",
            "cannot be read",
        ),
    }  # fmt: skip
    for name, (script, words) in attacks.items():
        by_service(machine, f"{laid}; {script}")
        result, said = root_part(machine)
        assert (result, words in said) == ("exit-code", True), f"{name}: {result}: {said}"
        assert machine.shell("ls -A /var/lib/kioskwire-app/versions /var/lib/kioskwire-app/incoming").split() == [
            "/var/lib/kioskwire-app/incoming:", "/var/lib/kioskwire-app/versions:",
        ], name  # fmt: skip
        by_service(machine, f"rm -rf {DOWNLOADS}")
    after = machine.shell("find /etc /usr /srv -newer /etc/kioskwire/release.pub -type f | sort | xargs sha256sum")
    assert after == before
    # A launcher that found pipes and links where wishes stand has not waited for them.
    machine.run("systemctl", "start", "kioskwire-appliance", patience=60)
    until("the package's version", lambda: machine.active and machine.running == OLD)


def test_a_signed_version_whose_self_test_never_ends_is_ended(kiosk: Kiosk, channel: Channel) -> None:
    """Root without all of its rights must still be able to end what runs as the service's user."""
    machine = kiosk.machine
    text = "#!/bin/sh\nif [ $1 = version ]; then echo kioskwire-appliance 1.2.0; else exec sleep 1000; fi\n"
    file, data = archive_name("1.2.0", this_target()), program("1.2.0", text)
    (machine.root / "root" / file).write_bytes(data)
    (machine.root / "root" / f"{file}{SIGNATURE_SUFFIX}").write_text(channel.signer.sign(data))
    began = time.monotonic()
    machine.shell(f"mkdir -p {DOWNLOADS}; cp /srv/{file}* {DOWNLOADS}; chown -R kioskwire: {DOWNLOADS}")
    by_service(machine, f"echo {file} > {DOWNLOADS}/../ready")  # which the path unit sees
    until("an end", (machine.root / "var/lib/kioskwire-app/applied.json").exists, 240)
    assert time.monotonic() - began < 200
    assert "did not end within 120 s" in (machine.root / "var/lib/kioskwire-app/applied.json").read_text()
    assert "sleep 1000" not in machine.shell("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert os.listdir(machine.root / "var/lib/kioskwire-app/versions") == []
