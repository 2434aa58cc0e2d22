"""An engineer's bench: simulated devices and the commands that look at them, each a process of its own."""

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any, Self

from bench.program import clean_environment, die_with, program, wait_for

PATIENCE_S = 60.0


class Bench:
    """A place of its own for the sockets, memories and logs of one test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._running: list[Running] = []

    def environment(self) -> dict[str, str]:
        """Of every program here."""
        return {**clean_environment(), "XDG_RUNTIME_DIR": str(self.directory), "XDG_STATE_HOME": str(self.directory)}

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """A command, to its end."""
        return subprocess.run(
            [program(command[0]), *command[1:]],
            cwd=self.directory, env=self.environment(), capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip

    def start(self, *command: str, stdin: int = subprocess.DEVNULL) -> "Running":
        """A command that goes on."""
        running = Running(self, command, stdin)
        self._running.append(running)
        return running

    def device(self, family: str, name: str, *more: str) -> "Running":
        """A simulated device with a memory, on a link of that name; waited for."""
        link = self.directory / name
        state = self.directory / f"{name}.memory"
        started = self.start("kioskwire-sim", "device", family, "--link", str(link), "--state", str(state), *more)
        started.says(f"{family} at {link}")
        return started

    def do(self, *words: str) -> dict[str, Any]:
        """A hand on a simulated device."""
        answer = self.run("kioskwire-sim", "do", *words, "--json")
        assert answer.returncode == 0, answer.stderr
        figures: dict[str, Any] = json.loads(answer.stdout)
        return figures

    def happened(self, name: str) -> list[str]:
        """What the device's ledger tells, in order."""
        text = (self.directory / f"{name}.memory" / "ledger.jsonl").read_text(encoding="utf-8")
        return [json.loads(line)["happened"] for line in text.splitlines()]

    def close(self) -> None:
        """End everything."""
        for running in self._running:
            running.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Running:
    """A program and its screen."""

    def __init__(self, bench: Bench, command: tuple[str, ...], stdin: int) -> None:
        self.log = bench.directory / f"{command[0]}-{len(bench._running)}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [program(command[0]), *command[1:]],
                cwd=bench.directory, env=bench.environment(), stdin=stdin, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
                preexec_fn=die_with(os.getpid()),  # noqa: PLW1509 - it calls the kernel and nothing else
            )  # fmt: skip

    @property
    def screen(self) -> str:
        """All it has said."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def says(self, words: str, times: int = 1) -> None:
        """Wait until it has said this so often."""

        def said() -> bool:
            if self.screen.count(words) >= times:
                return True
            assert self.process.poll() is None, f"it ended without saying {words!r}:\n{self.screen}"
            return False

        wait_for(f"its saying {words!r}", said, PATIENCE_S)

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def ends(self) -> int:
        """Wait for its end; the exit status."""
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        """At once, as a power cut would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)
