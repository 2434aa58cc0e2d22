"""What happens to a kiosk that runs from the image, in the order of its life. Each ends with `Stage.agrees`."""

import contextlib
from collections.abc import Callable
from pathlib import Path

from tests.image.artefacts import FIRST, GOOD, SICK, Artefacts
from tests.image.machine import HOST, MachineError
from tests.image.stage import BOOT_S, CONSOLE, Stage

INSTALL_S = 1800.0
# Waits in the machine, which is quicker than asking it again and again.
_PARTLY_WRITTEN = """
part=vda2; if grep -q rauc.slot=A /proc/cmdline; then part=vda3; fi
written() { set -- $(cat /sys/class/block/$part/stat); echo $(($7 / 2048)); }
before=$(written)
for _ in $(seq 5000); do
    mb=$(($(written) - before))
    if [ "$mb" -ge 20 ]; then echo "$mb"; exit 0; fi
    sleep 0.2
done
exit 1
"""


class World:
    """The stage, the files, and where the machine gets them."""

    def __init__(self, stage: Stage, artefacts: Artefacts, port: int, say: Callable[[str], None]) -> None:
        self.stage = stage
        self.machine = stage.machine
        self.artefacts = artefacts
        self.say = say
        self._port = port

    def url(self, bundle: Path) -> str:
        """As the machine reaches it."""
        return f"http://{HOST}:{self._port}/{bundle.name}"

    def refused(self, bundle: Path, reason: str) -> None:
        """The machine does not take it, and says why."""
        said = self.machine.ssh(
            f"kioskwire-image update {self.url(bundle)} && echo TAKEN", timeout=INSTALL_S, check=False
        )
        assert "TAKEN" not in said, said
        assert reason in said, said

    def update(self, bundle: Path) -> None:
        """Install it and let the machine start it, as soon as nothing moves."""
        with contextlib.suppress(MachineError):  # the line may end with the system
            self.machine.ssh(f"kioskwire-image update {self.url(bundle)}", timeout=INSTALL_S)
        self.machine.wait_off(BOOT_S)

    def begin_update(self, bundle: Path) -> None:
        """The same, not waited for: power fails before its end."""
        self.machine.ssh(
            f"systemd-run --unit=trial-update --collect kioskwire-image update --no-reboot {self.url(bundle)}"
        )

    def cut_while_writing(self) -> None:
        """Pull the power while RAUC writes the other slot, when part of it has come to the disk; start again."""
        said = self.machine.ssh(_PARTLY_WRITTEN, timeout=INSTALL_S)
        self.machine.pull_power()
        self.say(f"  power cut with {said.strip()} MB of the other slot written")
        self.machine.start()
        self.stage.well()
        judged = self.machine.ssh("journalctl -b -o cat -u kioskwire-judge")
        assert "was cut short" in judged, f"it was not cut while it was written: {judged}"

    def cut(self) -> None:
        """Pull the power and give it again."""
        self.machine.pull_power()
        self.machine.start()


def first_start(world: World) -> None:
    """Flashed, prepared, started, cut and started again: grows its data, makes its identity, enrols, sells."""
    stage, machine = world.stage, world.machine
    stage.prepare()
    machine.start()
    stage.until("the first start growing its data", lambda: "Grow File System" in machine.tail(200), BOOT_S)
    world.cut()
    world.say("  power cut while its data grew")
    stage.well()
    world.say("  the kiosk is reachable")
    assert stage.version() == FIRST
    assert machine.ssh("cat /sys/block/vda/vda4/size").strip() > str(3_000_000), "the data partition did not grow"
    said = machine.ssh(
        "df -k --output=size /data | tail -n 1; hostname; cat /etc/machine-id; cat /esp/kioskwire-report.txt"
    )
    size, host, identity = said.split()[:3]
    assert int(size) > 1_500_000, said
    assert host.startswith("kiosk-"), said
    left = machine.ssh("ls -R /esp; cat /esp/*.taken; grep -r ENROLL_CODE= /data/settings /esp || true")
    assert "kioskwire.env.taken" in left, left
    assert "ENROLL_CODE=(taken over)" in left or "WS_TOKEN=(taken over)" in left, left
    assert machine.ssh("grep '^root:' /etc/shadow").startswith("root:*:"), "root has a password"
    assert "failed" not in machine.ssh("systemctl --failed --plain --no-legend"), machine.ssh("systemctl --failed")
    stage.confirmed(FIRST)
    stage.pay()
    stage.pay_cash()
    stage.agrees()
    world.say("  sold by card and for cash; now the same machine with power cut and given again")
    world.cut()
    stage.well()
    again = machine.ssh("hostname; cat /etc/machine-id").split()
    assert again == [host, identity], f"another identity after a restart: {again}"
    stage.agrees()


def power_cut_at_work(world: World) -> None:
    """Power fails while a payment is at the gateway, and while a note lies in a cash session."""
    stage = world.stage
    stage.gateway.fault("delay", seconds=8)
    order, answer = stage.pay_later()
    stage.until("the gateway having the payment", lambda: stage.gateway.effects(order) == 1 or answer.done(), 60)
    world.cut()
    answer.exception(BOOT_S)
    stage.well()
    assert stage.told(order)["executed"] is not None
    assert stage.gateway.effects(order) <= 1
    key, asked = stage.cash(200000)
    stage.note(100000)
    stage.until("the note being stacked", lambda: stage.devices["bills"].happened("bill_stacked") > 0, 60)
    world.cut()
    asked.exception(BOOT_S)
    stage.well()
    told = stage.told(key)
    body = told["answer"]["body"] if told.get("answer") else {}
    assert body.get("collected") == 100000, told
    stage.agrees()


def refused(world: World) -> None:
    """An older bundle, a stranger's, and one that was tampered with are not installed; power fails in the last."""
    stage = world.stage
    running = stage.version()
    world.refused(world.artefacts.old(), "older")
    world.refused(world.artefacts.forged(), "refused")
    if running == FIRST:
        world.refused(world.artefacts.tampered(), "was not installed")
        world.begin_update(world.artefacts.tampered())
        world.cut_while_writing()
    assert stage.version() == running
    stage.agrees()


def good_bundle(world: World) -> None:
    """A good bundle: power fails while it is written and while it is on trial; in the end it runs and is proved."""
    stage, machine = world.stage, world.machine
    world.begin_update(world.artefacts.good())
    world.cut_while_writing()
    assert stage.version() == FIRST, "a half written system was started"
    assert GOOD not in machine.ssh("cat /data/image/bad 2> /dev/null || true"), "a power cut was taken for a failure"
    stage.agrees()
    world.say("  cut while it was written; once more")
    world.update(world.artefacts.good())
    machine.start()
    stage.until("the new system answering", machine.health, BOOT_S)
    world.say("  it runs, on trial; power cut")
    world.cut()
    stage.well()
    stage.confirmed(GOOD)
    assert stage.version() == GOOD
    page = machine.health() or {}
    assert page["version"] == world.artefacts.program_of(GOOD), page
    assert "slot B     good, proved: 1" in machine.ssh("kioskwire-image status")
    stage.pay_cash()
    stage.agrees()


def sick_bundle(world: World) -> None:
    """A bundle that never reaches the hub: power fails in its trial; the machine goes back by itself and remembers."""
    stage, machine = world.stage, world.machine
    before = stage.version()
    world.update(world.artefacts.sick())
    machine.start()
    stage.until("the sick system answering", machine.health, BOOT_S)
    world.say("  it runs, on trial; power cut")
    world.cut()
    stage.until("the machine being reachable again", stage.connected, 1800)
    stage.well()
    assert stage.version() == before
    assert SICK in machine.ssh("cat /data/image/bad")
    world.refused(world.artefacts.sick(), "did not prove itself")
    stage.agrees()


def lost_boot_variables(world: World) -> None:
    """GRUB's variables are lost: the copy serves; both lost: a system starts, and the machine is who it was."""
    stage, machine = world.stage, world.machine
    before = machine.ssh("cat /etc/machine-id")
    machine.ssh("sync")
    machine.pull_power()
    extra = {"extra": CONSOLE}
    machine.lay("grub/grubenv", b"")
    machine.start()
    stage.well()
    assert machine.ssh("cat /etc/machine-id") == before
    machine.ssh("sync")
    machine.pull_power()
    machine.lay("grub/grubenv", b"\0" * 1024)
    machine.lay("grub/grubenv.2", b"\0" * 1024)
    machine.start()
    stage.well()
    machine.pull_power()
    machine.set_boot_variables(**extra)
    machine.start()
    stage.well()
    assert machine.ssh("cat /etc/machine-id") == before
    stage.agrees()


def unplugged(world: World) -> None:
    """The USB adapter is pulled out and put back: told, and well again."""
    stage, machine = world.stage, world.machine
    machine.qmp("device_del", id="usb1")
    stage.until(
        "the printer being missed",
        lambda: (machine.health() or {}).get("devices", {}).get("printer", {}).get("state") in {"absent", "fault"},
    )
    machine.qmp("device_add", driver="usb-serial", chardev="u1", id="usb1", **{"always-plugged": True})
    stage.well()
    stage.agrees()


SCENARIOS = [
    first_start, power_cut_at_work, refused, good_bundle, sick_bundle, lost_boot_variables, unplugged,
]  # fmt: skip
