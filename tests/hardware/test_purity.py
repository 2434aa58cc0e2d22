"""What is pure stays pure: no port, clock, chance, log or loop in frames, commands, words and conversations."""

import ast
from pathlib import Path

import pytest

import hardware

ROOT = Path(hardware.__file__).parent
FAMILIES = sorted(path.parent.name for path in ROOT.glob("*/protocol.py"))
IMPURE = {
    "asyncio",
    "logging",
    "os",
    "pathlib",
    "random",
    "secrets",
    "serial",
    "socket",
    "subprocess",
    "threading",
    "time",
}
# What may touch the world: drivers, and what stands on the bench or carries bytes for them.
WORLDLY = {"driver.py", "web.py", "wire.py"}
SHARED = (
    "bills", "calling", "checksums", "errors", "events", "explain", "probe", "protocol", "registers", "roles", "slip",
    "waiting",
)  # fmt: skip


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def _modules(path: Path) -> set[str]:
    return {
        node.module
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module
    }


def test_every_family_is_looked_at() -> None:
    """Or the rest of this proves nothing."""
    assert FAMILIES == ["atol", "ccnet", "cctalk", "escpos", "id003", "shtrih", "ssp"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_familys_rules_touch_nothing(family: str) -> None:
    """Its simulator too: the same days are played a thousand times."""
    for path in (ROOT / family).glob("*.py"):
        if path.name not in WORLDLY:
            assert not _imports(path) & IMPURE, path


@pytest.mark.parametrize("name", SHARED)
def test_what_all_share_touches_nothing(name: str) -> None:
    """The vocabulary of drivers."""
    assert not _imports(ROOT / f"{name}.py") & IMPURE


@pytest.mark.parametrize("family", FAMILIES)
def test_what_drives_a_device_knows_no_simulator(family: str) -> None:
    """A driver is not tried against a part of itself."""
    bench = {"simulator", "mechanism", "simulated", "simulated_cash", "handlers", "fiscal", "printing"}
    for name in ("driver", "protocol", "frames", "commands", "states"):
        path = ROOT / family / f"{name}.py"
        for module in _modules(path) if path.exists() else ():
            assert not module.startswith("hardware.simulation"), (path, module)
            assert module.split(".")[-1] not in bench, (path, module)
