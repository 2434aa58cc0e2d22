"""The hub, frozen on a bare machine and installed from its wheel: it serves, with all its pages and migrations."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from bench.program import wait_for
from bench.stack import Gateway, Hub, Stack
from bench.telegram import Telegram
from tests.frozen.programs import DIST, Bare

PAGES = ("/health", "/docs", "/openapi.json", "/metrics")


class FrozenHub(Hub):
    """The frozen hub on a bare machine; its directory lies there."""

    def __init__(self, bare: Bare, name: str, program: Path) -> None:
        self.bare = bare
        self.inside = bare.new_directory(name)
        self.command = (str(bare.place(program)), "serve")
        super().__init__(bare.outside(self.inside))

    @property
    def wrapper(self) -> tuple[str, ...]:  # type: ignore[override]
        """Nothing of ours comes with it."""
        return self.bare.wrapper({**self.environment(), **self.settings}, self.inside)

    def environment(self) -> dict[str, str]:
        told = super().environment()
        return {name: value.replace(str(self.directory), str(self.inside)) for name, value in told.items()}


@pytest.mark.parametrize("form", ["one-file", "in-folder"])
def test_the_frozen_hub_serves(bare: Bare, form: str) -> None:
    name = "kioskwire-hub"
    program = DIST / name if form == "one-file" else DIST / "hub" / name / name
    with FrozenHub(bare, f"hub-{form}", program) as hub:
        serves(hub)
        added = bare.run(program, "kiosk", "add", "from-the-command", environ=hub.environment())
        assert added.returncode == 0, added.stderr
        wait_for("the hub obeys", lambda: "from-the-command" in hub.admin("GET", "/admin/kiosks").text)
        assert hub.http.get("/health").json()["telegram"] == "disabled"


def test_the_frozen_hub_has_its_bot_and_its_time_zones(bare: Bare, tmp_path: Path) -> None:
    with Telegram(tmp_path / "telegram") as telegram:
        hub = FrozenHub(bare, "hub-bot", DIST / "kioskwire-hub")
        hub.settings.update({**telegram.hub_settings(), "TIMEZONE": "Asia/Almaty"})
        with hub:
            assert "kiosk_007" in telegram.ask("/add_kiosk kiosk_007")
            assert "kiosk_007" in telegram.ask("/list_kiosks")
            assert telegram.ask("/unknown")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with our wheel; the libraries are this one's, the sources are not."""
    place = tmp_path_factory.mktemp("wheel")
    wheel = max(DIST.glob("kioskwire-*.whl"), key=lambda path: path.stat().st_mtime)
    venv.create(place / "venv", with_pip=False)
    libraries = Path(sys.executable).parents[1] / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    site = place / "venv" / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    (site / "libraries.pth").write_text(f"{libraries}\n")
    command = [sys.executable, "-m", "pip", "--python", place / "venv" / "bin" / "python", "install", "--quiet"]
    subprocess.run([*command, "--no-deps", "--force-reinstall", "--no-index", wheel], check=True, timeout=120)
    return place / "venv" / "bin"


def test_the_wheel_serves_and_its_demonstration_works(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(installed / "python"))  # beside which programs are looked for
    where = subprocess.run(
        [installed / "python", "-c", "import cloud; print(cloud.__file__)"],
        cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert str(installed.parent) in where.stdout
    with Stack(tmp_path / "stack") as stack:
        serves(stack.hub)
        assert stack.send("payment", {"order_id": "wheel", "sum": 100}, idempotency="wheel").status_code == 200
        assert isinstance(stack.gateway, Gateway)
        assert stack.gateway.effects("wheel") == 1
    whole = subprocess.run([installed / "kioskwire-appliance", "selftest"], cwd=tmp_path, check=False, timeout=60)
    assert whole.returncode == 0


def serves(hub: Hub) -> None:
    """Every page is there, with what it shows."""
    for page in PAGES:
        assert hub.http.get(page).status_code == 200, page
    assert "<style" in hub.http.get("/docs").text
    assert "/send" in hub.http.get("/openapi.json").json()["paths"]
    assert hub.add_kiosk("somebody")
