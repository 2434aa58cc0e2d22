"""Measure the frozen appliance beside the same program from the sources: `make bench-frozen`.

Each is started against one hub, in turns, so that a busy machine is busy for all. Told are medians: seconds from the
start to the health page saying `healthy` with the hub connected, CPU seconds until then (which other programs on the
machine hardly change), memory of all its processes once it idles, size.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE))

from bench.program import free_port, wait_for  # noqa: E402
from bench.stack import Appliance, Hub  # noqa: E402

IDLE_S = 1.5
ROUTES = {"routes": {"payment": {"url": "http://127.0.0.1:9/pay"}}}
NAME = "kioskwire-appliance"


class Measured(Appliance):
    """A kiosk by any of the programs."""

    def is_ready(self) -> bool:
        health = self.health()
        return bool(health["ws_connected"]) and health["status"] == "healthy"

    def wait_ready(self, timeout: float = 30.0) -> None:
        """Looked at more often than for tests."""

        def ready() -> bool:
            self.check()
            try:
                return self.is_ready()
            except Exception:
                return False

        wait_for("being healthy", ready, timeout, every=0.005)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dist", type=Path, default=TREE / "dist")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--also", type=Path, action="append", default=[], help="a further program to measure")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    programs = {
        "sources": NAME,
        "one file": str((options.dist / NAME).resolve()),
        "one folder": str((options.dist / "appliance" / NAME / NAME).resolve()),
        **{str(path): str(path.resolve()) for path in options.also},
    }
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    work: dict[str, list[float]] = {name: [] for name in programs}
    memory: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory(prefix="kioskwire-measure-") as scratch, Hub(Path(scratch) / "hub") as hub:
        tokens = {name: hub.add_kiosk(f"kiosk-{number}") for number, name in enumerate(programs)}
        for turn in range(options.rounds + 1):
            for number, (name, command) in enumerate(programs.items()):
                kiosk = Measured(
                    Path(scratch) / f"{number}", hub.ws_url, tokens[name], ROUTES, port=free_port(),
                    settings={"LOG_LEVEL": "WARNING"},
                )  # fmt: skip
                kiosk.command = (command, "run")
                with kiosk:
                    if turn:  # the first one warms
                        seconds[name].append(kiosk.started_in)
                        work[name].append(sum(worked(pid) for pid in processes(kiosk.pid)))
                        time.sleep(IDLE_S)
                        memory[name].append(held(kiosk.pid))
    results = {}
    for name, command in programs.items():
        rss, pss = (statistics.median(pair[at] for pair in memory[name]) for at in (0, 1))
        results[name] = {
            "size_mb": None if name == "sources" else round(size(Path(command)) / 1e6, 1),
            "healthy_s": round(statistics.median(seconds[name]), 2),
            "cpu_s": round(statistics.median(work[name]), 2),
            "rss_mib": round(rss, 1),
            "pss_mib": round(pss, 1),
        }
    print(f"{'':<24}{'size':>9}{'healthy':>10}{'CPU':>9}{'RSS':>10}{'PSS':>10}   beside the sources")
    peer = results["sources"]
    for name, found in results.items():
        shown = "" if found["size_mb"] is None else f"{found['size_mb']} MB"
        times = f"{found['healthy_s']:>8} s{found['cpu_s']:>7} s"
        beside = f"start x {found['healthy_s'] / peer['healthy_s']:.2f}, RSS x {found['rss_mib'] / peer['rss_mib']:.2f}"
        print(f"{name[-24:]:<24}{shown:>9}{times}{found['rss_mib']:>6} MiB{found['pss_mib']:>6} MiB   {beside}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 0


def processes(session: int) -> list[int]:
    """Who runs of a session."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(entry.read_text().rpartition(")")[2].split()[3]) == session:
                found.append(int(entry.parent.name))
    return found


def worked(pid: int) -> float:
    """CPU seconds so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def held(session: int) -> tuple[float, float]:
    """RSS and PSS in MiB of all processes of a session."""
    kib = {"Rss": 0, "Pss": 0}
    for pid in processes(session):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            word, _, rest = line.partition(":")
            if word in kib:
                kib[word] += int(rest.split()[0])
    return kib["Rss"] / 1024, kib["Pss"] / 1024


def size(program: Path) -> int:
    """Bytes of the file, or of the folder it lies in."""
    if (program.parent / "_internal").is_dir():
        return sum(path.stat().st_size for path in program.parent.rglob("*") if path.is_file())
    return program.stat().st_size


if __name__ == "__main__":
    sys.exit(main())
