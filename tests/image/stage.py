"""Who stands around the machine: a hub and a gateway on this host, simulated devices on its lines, and a backend."""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import httpx
import msgspec

from bench.program import clean_environment, die_with, free_port, program
from bench.stack import Gateway, Hub
from hardware.simulation.control import NotThere, ask
from tests.image.machine import HOST, Json, Machine, MachineError, flash, make_key
from tests.journeys.site import Backend, unique

KZT = "KZT"
DISK_BYTES = 3 << 30
# A machine in software emulation, on a host that has other things to do.
BOOT_S = 900.0
PATIENCE_S = 400.0
CONSOLE = "console=tty0 console=ttyS0,115200 systemd.show_status=1"
# A machine in emulation takes long for an ACK; a validator as strict as the document would tell of a note for ever.
DEVICES = {"bills": ("ccnet", ("pace=8", "ack_ms=5000")), "printer": ("escpos", ("boot_s=0",))}


class SimulatedDevice:
    """`kioskwire-sim device` behind a TCP port, which QEMU makes a serial line of."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory
        self.name = name
        self.port = free_port()
        family, options = DEVICES[name]
        self.state = directory / f"{name}.memory"
        words = [word for option in options for word in ("--option", option)]
        environment = {
            **clean_environment(), "XDG_RUNTIME_DIR": str(directory), "XDG_STATE_HOME": str(directory),
        }  # fmt: skip
        with (directory / f"{name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    program("kioskwire-sim"), "device", family, "--tcp", f"127.0.0.1:{self.port}", "--state",
                    str(self.state), *words,
                ],
                cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with(os.getpid()),  # noqa: PLW1509 - it calls the kernel and nothing else
            )  # fmt: skip
        self._socket = str(directory / "kioskwire-sim" / f"{family}-{self.process.pid}.sock")

    def do(self, control: str, **arguments: object) -> Json:
        """A hand on it. Raises `ControlError`."""
        for _ in range(400):
            try:
                return ask(self._socket, control, {name: str(value) for name, value in arguments.items()})
            except NotThere:
                assert self.process.poll() is None, (self.directory / f"{self.name}.log").read_text()
                time.sleep(0.05)
        raise AssertionError(f"{self.name} does not answer")

    def happened(self, kind: str) -> int:
        """How often, by its ledger."""
        path = self.state / "ledger.jsonl"
        if not path.exists():
            return 0
        lines = (json.loads(line) for line in path.read_bytes().split(b"\n") if line.strip())
        return sum(1 for line in lines if line["happened"] == kind)

    def close(self) -> None:
        """At once."""
        self.process.kill()
        self.process.wait(10)


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What a further run needs to know of this one."""

    kiosk: str = ""
    gateway_port: int = 0
    hub_port: int = 0
    jwt_secret: str = ""
    admin_key: str = ""


class Stage:
    """Everything, in one directory; closing it ends every process."""

    def __init__(self, directory: Path, image: Path | None) -> None:
        """`image` is what is flashed; None: everything goes on where the last run in `directory` ended."""
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        kept = Kept() if image is not None else msgspec.json.decode((directory / "stage.json").read_bytes(), type=Kept)
        self.kiosk = kept.kiosk or unique("image")
        self.gateway = Gateway(directory / "gateway", port=kept.gateway_port)
        self.hub = Hub(
            directory / "hub", port=kept.hub_port, jwt_secret=kept.jwt_secret, admin_key=kept.admin_key
        )  # fmt: skip
        self.gateway.start(wait=False)
        self.hub.start()
        self.gateway.wait_ready()
        self.backend = Backend(self.hub.url, self.hub.add_api_key("image")["key"])
        self.devices = {name: SimulatedDevice(directory, name) for name in DEVICES}
        self.key = make_key(directory)
        disk = directory / "disk.img"
        if image is not None:
            flash(image, disk, DISK_BYTES)
        kept = Kept(
            kiosk=self.kiosk, gateway_port=self.gateway.port, hub_port=self.hub.port, jwt_secret=self.hub.jwt_secret,
            admin_key=self.hub.admin_key,
        )  # fmt: skip
        (directory / "stage.json").write_bytes(msgspec.json.encode(kept))
        self.machine = Machine(
            directory, disk, self.key, serial=[self.devices["bills"].port], usb=[self.devices["printer"].port]
        )
        self.journal = ""
        self._orders: list[str] = []

    def close(self, keep: bool) -> None:
        """End everything; the logs stay, and the disk if it is to be kept."""
        self.machine.pull_power()
        self.backend.close()
        for device in self.devices.values():
            device.close()
        for running in (self.hub, self.gateway):
            running.kill()
            running.__exit__(None, None, None)
        if not keep:
            self.machine.disk.unlink(missing_ok=True)

    # Waiting

    def until(self, what: str, condition: Callable[[], Any], timeout: float = PATIENCE_S) -> Any:
        """Poll until it is true; gives power again to a machine that starts anew. Raises `MachineError`."""
        end = time.monotonic() + timeout
        while True:
            self.machine.follow()
            with contextlib.suppress(httpx.TransportError):
                if found := condition():
                    return found
            if time.monotonic() > end:
                raise MachineError(f"{what} did not come about within {timeout:g} s\n{self.machine.tail()}")
            time.sleep(0.5)

    def connected(self) -> bool:
        """Whether the hub has the kiosk's socket."""
        found: bool = self.hub.admin("GET", f"/admin/kiosks/{self.kiosk}").json()["connected"]
        return found

    def well(self) -> Json:
        """Wait until the kiosk is reachable, with its devices; returns its page."""

        def found() -> Json | None:
            page = self.machine.health()
            if page is None or not page.get("ws_connected") or not self.connected():
                return None
            up = all(page["devices"].get(name, {}).get("state") in {"ready", "disabled", "busy"} for name in DEVICES)
            return page if up else None

        page: Json = self.until("the kiosk being reachable with its devices", found, BOOT_S)
        return page

    def version(self) -> str:
        """Of the system that runs."""
        return self.machine.ssh(". /etc/os-release; echo $IMAGE_VERSION").strip()

    def confirmed(self, version: str) -> None:
        """Wait until that system has proved itself."""

        def found() -> bool:
            with contextlib.suppress(MachineError, subprocess.TimeoutExpired):
                said = self.machine.ssh("cat /data/image/good; test -e /data/image/trial || echo no-trial", timeout=60)
                return version in said.split() and "no-trial" in said.split()
            return False

        self.until(f"{version} having proved itself", found, BOOT_S)

    # The kiosk's settings

    def routes(self) -> Json:
        """Its routing file: the gateway on the host, the validator on ttyS1, the printer on a USB adapter."""
        url = f"http://{HOST}:{self.gateway.port}"
        payment = {
            "url": f"{url}/api/v1/payment", "timeout": 60,
            "status": {"url": f"{url}/api/v1/payment/status", "params": ["order_id"], "absent": [404]},
        }  # fmt: skip
        return {
            "devices": {
                "bills": {"driver": "ccnet", "port": "/dev/ttyS1", "currency": KZT},
                "printer": {"driver": "escpos", "port": "/dev/ttyUSB0"},
            },
            "routes": {
                "payment": payment,
                "cash": {"desk": "cash", "devices": ["bills"], "timeout": 240, "idle_timeout": 200},
                "print": {"device": "printer", "timeout": 60},
            },
        }

    def prepare(self, **extra: str) -> None:
        """Lay into the boot partition what an engineer lays there, with a code of the hub's."""
        settings = {
            "WS_SERVER_URL": f"ws://{HOST}:{self.hub.port}/ws", "HEALTH_CHECK_HOST": "0.0.0.0",
            "HEALTH_ALLOWED_HOSTS": "127.0.0.1", **self._identity(), **extra,
        }  # fmt: skip
        machine = self.machine
        machine.lay("kioskwire.env", "".join(f"{name}={value}\r\n" for name, value in settings.items()).encode())
        machine.lay("routing_config.yaml", json.dumps(self.routes(), indent=2).encode())
        machine.lay("authorized_keys", self.key.with_suffix(".pub").read_bytes())
        machine.set_boot_variables(extra=CONSOLE)

    def _identity(self) -> dict[str, str]:
        """The one-time code of a new kiosk."""
        answer = self.hub.admin("POST", "/admin/kiosks", {"id": self.kiosk, "name": "a kiosk in QEMU"})
        answer.raise_for_status()
        return {"ENROLL_CODE": answer.json()["code"]}

    # Operations

    def pay(self) -> str:
        """A payment through the gateway, to its end; returns its order. Raises `AssertionError`."""
        order = unique("order")
        self._orders.append(order)
        answer = self.backend.send(
            self.kiosk, "payment", {"order_id": order, "sum": 100}, key=order, timeout=80
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        assert self.gateway.effects(order) == 1
        return order

    def pay_later(self) -> tuple[str, "Future[httpx.Response]"]:
        """The same in the background."""
        order = unique("order")
        self._orders.append(order)
        return order, self.backend.later(self.kiosk, "payment", {"order_id": order, "sum": 100}, key=order, timeout=80)

    def cash(self, amount: int = 100000) -> tuple[str, "Future[httpx.Response]"]:
        """A cash session in the background; returns its key."""
        key = unique("cash")
        body = {"amount": amount, "currency": KZT}
        return key, self.backend.later(self.kiosk, "cash", body, key=key, timeout=200)

    def note(self, minor: int = 100000) -> None:
        """A customer pushes a note in, as soon as the validator takes one."""
        bills = self.devices["bills"]
        self.until(f"a note of {minor} being drawn in", lambda: bills.do("insert", minor=minor)["taken"])

    def pay_cash(self) -> None:
        """A cash payment with one note, to its end."""
        key, _asked = self.cash()
        self.note()
        told = self.told(key)
        assert told["answer"]["body"]["status"] == "paid", told

    def told(self, key: str) -> Json:
        """What became of the operation with that key, as the hub has it in the end."""

        def found() -> Json | None:
            operation = self.backend.with_key(self.kiosk, key)
            ended = operation and operation["state"] in {"succeeded", "failed", "expired"}
            return operation if ended else None

        operation: Json = self.until(f"the end of {key}", found, BOOT_S)
        return operation

    # What must be true after each

    def agrees(self) -> None:
        """The journal is whole and the same, nothing was executed twice, nothing is left untold, and it still works."""
        page = self.well()
        assert not page["journal"]["trouble"], page["journal"]
        self.journal = self.journal or page["journal"]["id"]
        assert page["journal"]["id"] == self.journal, "another journal: the old one was lost"
        self.pay()
        self.until("nothing being left to tell", lambda: (self.machine.health() or {}).get("unsettled") == 0)
        counts: dict[str, int] = {}
        for line in self.gateway.lines():
            if line["effect"] == "payment":
                counts[line["order_id"]] = counts.get(line["order_id"], 0) + 1
        assert all(count == 1 for count in counts.values()), f"executed twice: {counts}"
        for operation in self.backend.operations(self.kiosk):
            order = operation["idempotency_key"]
            if operation["operation"] == "payment" and operation["state"] == "succeeded":
                assert counts.get(order) == 1, f"{order} was told as done, and was not"
            if operation["operation"] == "payment" and operation["executed"] is False:
                assert counts.get(order, 0) == 0, f"{order} was told as not done, and was"
