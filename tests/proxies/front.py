"""Caddy and nginx as docs/deploy.md sets them up, from the very files of packaging/docker, on ports of their own."""

import os
import shutil
import ssl
import subprocess
import time
from pathlib import Path

import httpx

from bench.program import die_with, free_port

DOCKER = Path(__file__).parents[2] / "packaging" / "docker"


def install() -> None:
    """Both programs. Raises `RuntimeError` where they are missing and may not be installed."""
    wanted = {"caddy": "caddy", "nginx": "nginx-light", "openssl": "openssl"}
    missing = [package for name, package in wanted.items() if not shutil.which(name, path=os.defpath + ":/usr/sbin")]
    if not missing:
        return
    if os.geteuid() != 0:
        raise RuntimeError(f"missing here: apt-get install {' '.join(missing)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # their services stay stopped
    for command in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", *missing]):
        subprocess.run(["apt-get", *command], env=environment, check=True, stdout=subprocess.DEVNULL, timeout=300)


class Front:
    """One proxy in front of a hub: `url` is what the world sees, `authority` the certificate to trust."""

    name = ""

    def __init__(self, directory: Path, hub_port: int) -> None:
        self.directory = directory
        self.directory.mkdir(parents=True)
        self.hub_port = hub_port
        self.port = free_port()
        self.authority = directory / "authority.pem"
        self._process: subprocess.Popen[bytes] | None = None
        self.prepare()

    @property
    def url(self) -> str:
        """By name, as certificates want it."""
        return f"https://localhost:{self.port}"

    def prepare(self) -> None:
        """Write what it reads."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """How it is started, to stay in the foreground."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """What it is told besides."""
        return {}

    def start(self) -> None:
        """Start it, and wait until the hub answers through it."""
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.directory,
                env={"PATH": f"{os.environ['PATH']}:/usr/sbin", "HOME": str(self.directory), **self.environment()},
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with(os.getpid()),  # noqa: PLW1509 - it calls the kernel and nothing else
            )
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                with self.client() as http:
                    if http.get("/health").status_code == 200:
                        return
            except (httpx.TransportError, OSError, ssl.SSLError):
                pass
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"{self.name} does not answer:\n{(self.directory / 'log').read_text()[-3000:]}")

    def kill(self) -> None:
        """As a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def client(self, timeout: float = 120.0) -> httpx.Client:
        """A caller that trusts it."""
        context = ssl.create_default_context(cafile=str(self.authority))
        return httpx.Client(base_url=self.url, verify=context, trust_env=False, timeout=timeout)


class Caddy(Front):
    """With certificates of its own authority instead of a public one."""

    name = "caddy"
    file = "Caddyfile"

    def prepare(self) -> None:
        shutil.copy(DOCKER / self.file, self.directory / "Caddyfile")
        (self.directory / "whole").write_text(
            "{\n\tadmin off\n\tlocal_certs\n\tskip_install_trust\n\tauto_https disable_redirects\n"
            f"\tstorage file_system {self.directory}/storage\n}}\nimport Caddyfile\n"
        )
        self.authority = self.directory / "storage" / "pki" / "authorities" / "local" / "root.crt"

    def command(self) -> list[str]:
        return ["caddy", "run", "--config", str(self.directory / "whole"), "--adapter", "caddyfile"]

    def environment(self) -> dict[str, str]:
        return {"HUB_DOMAIN": f"localhost:{self.port}", "HUB_UPSTREAM": f"127.0.0.1:{self.hub_port}"}


class Nginx(Front):
    """With a certificate made here, and other ports and paths."""

    name = "nginx"

    def upstream(self) -> str:
        """Where hubs listen."""
        return f"upstream kioskwire_hub {{\n    server 127.0.0.1:{self.hub_port};\n    keepalive 64;\n}}"

    def prepare(self) -> None:
        made = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
        key = self.directory / "key.pem"
        subprocess.run(
            ["openssl", *made.split(), "-keyout", key, "-out", self.authority], check=True, capture_output=True
        )
        text = (DOCKER / "nginx.conf").read_text()
        for written, here in (
            ("upstream kioskwire_hub {\n    server 127.0.0.1:8000;\n    keepalive 64;\n}", self.upstream()),
            ("listen 80;", f"listen 127.0.0.1:{free_port()};"),
            ("    listen [::]:80;\n", ""),
            ("listen 443 ssl http2;", f"listen 127.0.0.1:{self.port} ssl http2;"),
            ("    listen [::]:443 ssl http2;\n", ""),
            ("/etc/letsencrypt/live/hub.example.com/fullchain.pem", str(self.authority)),
            ("/etc/letsencrypt/live/hub.example.com/privkey.pem", str(key)),
            ("/var/log/nginx/kioskwire.log", f"{self.directory}/access.log"),
            ("server_name hub.example.com;", "server_name localhost;"),
        ):
            assert written in text, written
            text = text.replace(written, here)
        (self.directory / "site.conf").write_text(text)
        temporary = "".join(
            f"  {kind}_temp_path {self.directory}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
        )
        (self.directory / "nginx.conf").write_text(
            f"daemon off;\nmaster_process off;\npid {self.directory}/pid;\nevents {{}}\nhttp {{\n"
            f"{temporary}  include {self.directory}/site.conf;\n}}\n"
        )

    def command(self) -> list[str]:
        return ["nginx", "-e", "stderr", "-p", str(self.directory), "-c", str(self.directory / "nginx.conf")]
