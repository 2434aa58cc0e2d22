"""Builds the hub's image without a Docker engine and runs it as the compositions do: `make docker-test`, as root.

The base is made of this machine's Debian packages, since no registry of images need be reachable; everything else of
the Dockerfile is built and run for real, by buildah and podman with a store of their own in .state/docker.
"""

import contextlib
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import yaml

from bench.program import free_port
from tests.postgresql import running_server
from tests.redis_server import running_redis

ROOT = Path(__file__).parents[2]
WORK = ROOT / ".state" / "docker"
STORE = ["--storage-driver", "vfs", "--root", f"{WORK}/store", "--runroot", f"{WORK}/run"]
BASE, IMAGE = "localhost/kioskwire-base", "localhost/kioskwire-hub"
PACKAGES = ("buildah", "podman", "mmdebstrap", "runc")
RUNTIME = ["--runtime=runc", "--cgroup-manager=cgroupfs"]
STOP_S = 15
_READ = {"secrets": "/run/secrets", "updates": "/srv/updates"}  # what containers see, and where


def run(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run it; raises with what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise SystemExit(
            f"{' '.join(command[:12])} … ended with {done.returncode}:\n{(done.stdout + done.stderr)[-4000:]}"
        )
    return done


def step(words: str) -> None:
    """Say what is done, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {words}", flush=True)


def install() -> None:
    """What is needed, where it is missing."""
    if os.geteuid() != 0:
        raise SystemExit("make docker-test builds and runs containers: it must be root")
    if all(shutil.which(name) for name in PACKAGES):
        return
    step(f"installing {', '.join(PACKAGES)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    run("apt-get", "update", "-qq", env=environment)
    run("apt-get", "install", "-qq", "-y", "--no-install-recommends", *PACKAGES, env=environment)


def make_base() -> None:
    """Debian 12 with Python, as the image that the Dockerfile names has it."""
    if (
        subprocess.run(
            ["buildah", *STORE, "inspect", "--type", "image", BASE], capture_output=True, check=False
        ).returncode
        == 0
    ):
        return
    step("making a base image of Debian's packages")
    form = "$(REPO_URI) $(SUITE) $(CODENAME) $(ORIGIN) $(RELEASE)"
    targets = run("apt-get", "indextargets", "--format", form, "Created-By: Packages").stdout.splitlines()
    debian = {
        (words[0], words[4])
        for line in targets
        if (words := line.split())[3] == "Debian" and words[2].startswith("bookworm")
    }
    if not debian:
        raise SystemExit("this machine's apt knows no Debian 12 (bookworm); apt-get update may help")
    sources = WORK / "sources.list"
    sources.write_text("".join(f"deb {uri} {suite} main\n" for uri, suite in sorted(debian)))
    archive = WORK / "base.tar"
    packages = "python3,python3-venv,ca-certificates"
    run(
        "mmdebstrap",
        "--variant=minbase",
        f"--include={packages}",
        "--format=tar",
        "bookworm",
        str(archive),
        str(sources),
    )
    container = run("buildah", *STORE, "from", "scratch").stdout.strip()
    run("buildah", *STORE, "add", container, str(archive), "/")
    run("buildah", *STORE, "commit", container, BASE)
    run("buildah", *STORE, "rm", container)
    archive.unlink()


def of_pip() -> list[str]:
    """Where this machine's pip gets packages from, for the one in the builder to see."""
    told = run(sys.executable, "-m", "pip", "config", "list").stdout
    paths = set(re.findall(r"(?:file://|(?<=')|(?<=\s))(/[^\s']+)", told))
    roots = {"/" + "/".join(Path(path).parts[1:3]) if path.startswith("/opt/") else path for path in paths}
    roots |= {path for path in ("/etc/pip.conf",) if Path(path).exists()}
    user = Path("~/.config/pip/pip.conf").expanduser()
    given = [f"--volume={path}:{path}:ro" for path in sorted(roots) if Path(path).exists()]
    if user.exists() and "/etc/pip.conf" not in roots:
        given.append(f"--volume={user}:/etc/pip.conf:ro")
    return given


def build() -> None:
    """The Dockerfile, but for its base."""
    step("building packaging/docker/Dockerfile")
    arguments = [
        "--format=docker",
        "--network=host",
        "--isolation=chroot",
        f"--build-arg=BASE={BASE}",
        "--build-arg=VERSION=0.0.0",
    ]
    run(
        "buildah",
        *STORE,
        "bud",
        *arguments,
        *of_pip(),
        "--file=packaging/docker/Dockerfile",
        f"--tag={IMAGE}",
        ".",
        cwd=ROOT,
    )
    size = run("podman", *RUNTIME, *STORE, "image", "inspect", "--format", "{{.Size}}", IMAGE).stdout.strip()
    base = run("podman", *RUNTIME, *STORE, "image", "inspect", "--format", "{{.Size}}", BASE).stdout.strip()
    step(f"the image is {int(size) / 1e6:.0f} MB, {(int(size) - int(base)) / 1e6:.0f} MB of it beside the base")


@contextlib.contextmanager
def hub(port: int, state: Path, settings: dict[str, str]) -> Iterator[str]:
    """A container, confined as in compose.yaml; it must end by itself within the time it is given."""
    given = [f"--env={name}={value}" for name, value in {"PORT": str(port), "HOST": "127.0.0.1", **settings}.items()]
    confined = ["--read-only", "--tmpfs=/tmp:size=16m", "--cap-drop=all", "--security-opt=no-new-privileges"]
    # No more than this machine gives, where root may not raise it; no health check by systemd, which may not run here.
    limits = ["--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096", "--no-healthcheck"]
    where = ["--network=host", "--log-driver=k8s-file", *limits]
    volumes = [f"--volume={state}:/var/lib/kioskwire-hub"]
    volumes += [f"--volume={WORK / name}:{there}:ro" for name, there in _READ.items()]
    started = run(
        "podman", *RUNTIME, *STORE, "run", "--detach", "--rm=false", *confined, *where, *volumes, *given, IMAGE
    )
    name = started.stdout.strip()
    try:
        yield name
        before = time.monotonic()
        run("podman", *RUNTIME, *STORE, "stop", "--time", str(STOP_S), name)
        took = time.monotonic() - before
        status = run("podman", *RUNTIME, *STORE, "inspect", "--format", "{{.State.ExitCode}}", name).stdout.strip()
        if status != "0" or took > STOP_S - 1:
            raise SystemExit(f"the hub ended with {status} after {took:.1f} s:\n{logs(name)}")
    except BaseException:
        print(logs(name))
        raise
    finally:
        subprocess.run(
            ["podman", *RUNTIME, *STORE, "rm", "--force", "--time", "1", name], capture_output=True, check=False
        )


def logs(name: str) -> str:
    """What it wrote."""
    found = subprocess.run(["podman", *RUNTIME, *STORE, "logs", name], capture_output=True, text=True, check=False)
    return (found.stdout + found.stderr)[-4000:]


def inside(name: str, *command: str) -> str:
    """Run a command in it."""
    return run("podman", *RUNTIME, *STORE, "exec", name, *command).stdout


def until(what: str, check: Callable[[], bool], seconds: float = 30) -> None:
    """Poll."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(httpx.TransportError):
            if check():
                return
        time.sleep(0.2)
    raise SystemExit(f"{what} did not come about within {seconds:g} s")


def try_dashboard(url: str, told: str) -> None:
    """Sign in by the one-time link that was `told`, and load what the first page loads: libraries, style, charts."""
    (link,) = re.findall(r"/dashboard/welcome/\S+", told)
    fields = dict.fromkeys(("password", "again"), "of nobody, for a trial")
    with httpx.Client(base_url=url, trust_env=False) as http:
        assert http.post(link, data=fields).status_code == 303
        page = http.get("/dashboard").text
        loaded = re.findall(r'(?:src|href)="(/dashboard/assets/([a-z]+)\.[^"#]+)', page)
        assert {"htmx", "uplot", "dashboard"} <= {name for _, name in loaded}, loaded
        for address, _ in loaded:
            http.get(address).raise_for_status()


def try_hub(settings: dict[str, str], what: str) -> None:
    """Serve, be administered, be stopped, serve again and know what was."""
    state, port = new_state(), free_port()
    url = f"http://127.0.0.1:{port}"
    step(f"running it with {what}")
    with hub(port, state, settings) as name:
        until("a healthy hub", lambda: httpx.get(f"{url}/health", trust_env=False).status_code == 200)
        assert '"healthy"' in inside(name, "kioskwire-hub", "health")
        assert inside(name, "id", "--user").strip() == "10001"
        assert "WS_TOKEN=" in inside(name, "kioskwire-hub", "kiosk", "add", "kiosk_001")
        try_dashboard(url, inside(name, "kioskwire-hub", "account", "add", "first", "--role", "admin"))
        told = run("podman", *RUNTIME, *STORE, "inspect", name).stdout
        for secret in (WORK / "secrets").iterdir():
            if secret.name != "database_url" and (text := secret.read_text()) and text in told:
                raise SystemExit(f"{secret.name} is told by `inspect`")
    with hub(port, state, settings) as name:
        until("a healthy hub", lambda: httpx.get(f"{url}/health", trust_env=False).status_code == 200)
        assert "kiosk_001" in inside(name, "kioskwire-hub", "kiosk", "list")
    shutil.rmtree(state)


def new_state() -> Path:
    """A volume's directory."""
    state = WORK / f"state-{secrets.token_hex(4)}"
    state.mkdir()
    os.chown(state, 10001, 10001)
    return state


def of_composition(**dot_env: str) -> dict[str, str]:
    """What compose.many.yaml gives its hubs, with this in .env."""
    file = yaml.safe_load((ROOT / "packaging" / "docker" / "compose.many.yaml").read_text())
    given: dict[str, str] = file["services"]["hub-1"]["environment"]

    def value(match: re.Match[str]) -> str:
        return dot_env.get(match[1]) or match[2] or ""

    return {name: re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", value, text) for name, text in given.items()}


def try_two(settings: dict[str, str]) -> None:
    """Two containers of two processes each are one fleet: one restarts its processes, one ends, the other serves on."""
    step("running two of them with two processes each")
    states = [new_state(), new_state()]
    ports = [free_port(), free_port()]

    def hubs(port: int) -> int:
        return len(httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).json().get("hubs", ()))

    with hub(ports[0], states[0], settings) as first:
        with hub(ports[1], states[1], settings) as second:
            until("four hubs that know each other", lambda: [hubs(port) for port in ports] == [4, 4], 60)
            inside(first, "kioskwire-hub", "kiosk", "add", "kiosk_002")
            assert "kiosk_002" in inside(second, "kioskwire-hub", "kiosk", "list")
            assert "all of them are new" in inside(first, "kioskwire-hub", "restart")
            until("all four again", lambda: [hubs(port) for port in ports] == [4, 4])
        until("the end of the second's to be known", lambda: hubs(ports[0]) == 2)
        assert '"healthy"' in inside(first, "kioskwire-hub", "health")
    for state in states:
        shutil.rmtree(state)


def make_secrets() -> None:
    """Those that compose.yaml mounts, each by itself; here the directory is mounted, so it is open."""
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / "updates").mkdir(exist_ok=True)
    script = shutil.copy(ROOT / "packaging" / "docker" / "secrets.sh", WORK)
    run("sh", str(script))
    (WORK / "secrets").chmod(0o755)
    (WORK / "secrets" / "database_url").chmod(0o644)


def main() -> None:
    """Everything, in order."""
    install()
    make_secrets()
    try:
        make_base()
        build()
        by_file = {"JWT_SECRET_FILE": "/run/secrets/jwt_secret", "ADMIN_KEY_FILE": "/run/secrets/admin_key"}
        try_hub(by_file, "the embedded database")
        with running_server() as server:
            (WORK / "secrets" / "database_url").write_text(server.url("postgres"))
            try_hub({**by_file, "DATABASE_URL_FILE": "/run/secrets/database_url"}, "PostgreSQL")
            with running_redis() as redis:
                settings = of_composition(HUB_DOMAIN="hub.example.com", PROCESSES="2")
                try_two({**settings, "REDIS_URL": redis.url})
    finally:
        shutil.rmtree(WORK / "secrets")
        if "--keep" not in sys.argv:
            shutil.rmtree(WORK)
    step("the image works")


if __name__ == "__main__":
    main()
