"""Simulated devices on pseudo-terminals, each a process of its own, as `kioskwire-sim device` starts them."""

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.program import Program, StackError, stop_all
from hardware.simulation.control import NotThere, ask, read_words
from hardware.simulation.families import find_simulator
from hardware.simulation.host import DeviceHost
from hardware.simulation.simulator import ControlError


class Device(Program):
    """One, under a directory of its name: its place on a line (`link`), its memory, its ledger."""

    command = ("kioskwire-sim", "device")

    def __init__(self, directory: Path, name: str, family: str, options: Mapping[str, object] | None = None) -> None:
        self.name = name
        self.family = family
        self._options = dict(options or {})
        runtime = os.environ.get("XDG_RUNTIME_DIR")  # where `kioskwire-sim insert 1000` will look for it
        super().__init__(directory / name, settings={"XDG_RUNTIME_DIR": runtime} if runtime else {})
        self.link = self.directory / name

    @property
    def memory(self) -> Path:
        """What it remembers without power."""
        return self.directory / f"{self.name}.memory"

    def arguments(self) -> list[str]:
        options = [word for name, value in self._options.items() for word in ("--option", f"{name}={value}")]
        return ["device", self.family, "--link", str(self.link), "--state", str(self.memory), "--quiet", *options]

    def is_ready(self) -> bool:
        with contextlib.suppress(NotThere, ControlError):
            return bool(self.do("describe").get("family"))
        return False

    def do(self, *words: str) -> dict[str, Any]:
        """What a hand does to it: `do("insert", "1000")`. Raises `ControlError`, `NotThere`."""
        controls = {**find_simulator(self.family).controls, **DeviceHost.controls}
        asked = read_words(controls, words)
        return ask(self._socket, asked.do, asked.arguments)

    def lines(self) -> list[dict[str, Any]]:
        """Its ledger: what really happened there, oldest first."""
        path = self.memory / "ledger.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_bytes().split(b"\n") if line.strip()]

    @property
    def _socket(self) -> str:
        assert self.process is not None, "it was never started"
        base = Path(os.environ.get("XDG_RUNTIME_DIR") or "/nowhere")
        directory = base / "kioskwire-sim" if base.is_dir() else Path(f"/tmp/kioskwire-sim-{os.getuid()}")
        return str(directory / f"{self.family}-{self.process.pid}.sock")


class Rack:
    """The devices of a kiosk that takes cash and gives receipts: names as the routing file has them."""

    def __init__(self, directory: Path) -> None:
        self.bills = Device(directory, "bills", "ccnet")
        self.coins = Device(directory, "coins", "cctalk", {"devices": "coins,hopper"})
        self.register = Device(directory, "register", "shtrih")
        self.printer = Device(directory, "printer", "escpos")

    @property
    def devices(self) -> Sequence[Device]:
        """All processes; coin acceptor and hopper hang on one bus."""
        return (self.bills, self.coins, self.register, self.printer)

    def start(self, *, wait: bool = True) -> None:
        """All at once. Raises `StackError`."""
        for device in self.devices:
            device.start(wait=False)
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until all answer. Raises `StackError`."""
        for device in self.devices:
            device.wait_ready()

    def check(self) -> None:
        """Raise `StackError` if one has ended."""
        for device in self.devices:
            device.check()

    def stop(self) -> None:
        """End them."""
        stop_all(self.devices)

    def routing(self, hopper_minor: int, currency: str = "KZT") -> dict[str, Any]:
        """Their section of the routing file, and routes to them."""
        bus = str(self.coins.link)
        return {
            "devices": {
                "bills": {"driver": "ccnet", "port": str(self.bills.link), "currency": currency},
                "coins": {"driver": "cctalk", "port": bus, "address": 2, "currency": currency},
                "hopper": {
                    "driver": "cctalk-hopper", "port": bus, "address": 3, "denomination": hopper_minor,
                    "currency": currency,
                },
                "register": {"driver": "shtrih", "port": str(self.register.link), "currency": currency},
                "printer": {"driver": "escpos", "port": str(self.printer.link)},
            },
            "routes": {
                "cash": {
                    "desk": "cash", "devices": ["bills", "coins", "hopper"], "timeout": 180, "receipt": "register",
                    "printer": "printer",
                },
                "register": {"device": "register"},
                "print": {"device": "printer"},
                "hopper": {"device": "hopper"},
                "bills": {"device": "bills"},
                "coins": {"device": "coins"},
            },
        }  # fmt: skip


__all__ = ["Device", "Rack", "StackError"]
