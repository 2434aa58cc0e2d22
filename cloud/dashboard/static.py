"""Our style and script, and the libraries that `make assets` brings: served under names with a hash of what is in them.

    assets/dashboard.css   →   /dashboard/assets/dashboard.1f3c9a0b2d4e.css

A name is for ever: what it stands for never changes, so browsers keep it for a year and ask for nothing twice; a page
of a newer hub names other files. All files are read, and compressed, once; no path that a request brings is looked up
on the disk. Whoever asks need not be signed in: there is nothing of a fleet in them.
"""

import gzip
import hashlib
import json
import logging
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from tornado.web import RequestHandler

log = logging.getLogger(__name__)

ADDRESS = "/dashboard/assets/"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_DIRECTORIES = [Path(__file__).with_name("assets"), Path(__file__).with_name("vendor")]
_ACCEPTS_GZIP = re.compile(r"(^|[,\s])gzip\s*(;\s*q=(0\.0*[1-9]|1))?\s*($|,)", re.IGNORECASE)


class Asset(msgspec.Struct, frozen=True):
    """One file, as it is sent."""

    kind: str
    plain: bytes
    compressed: bytes


class Library(msgspec.Struct, frozen=True):
    """One of those that other people keep."""

    name: str
    version: str
    licence: str


class Shelf:
    """All files, by the names they are served under."""

    def __init__(self, directories: Iterable[Path]) -> None:
        """Reads them. Raises OSError but for a directory that is not there."""
        self._addresses: dict[str, str] = {}
        self._assets: dict[str, Asset] = {}
        self.libraries: list[Library] = []
        for directory in directories:
            for path in sorted(directory.iterdir()) if directory.is_dir() else []:
                if path.suffix in _TYPES:
                    self._put(path.name, path.read_bytes())
            if (listed := directory / "vendor.json").is_file():
                self.libraries += msgspec.convert(json.loads(listed.read_bytes())["all"], list[Library])

    def address(self, name: str) -> str:
        """Where a file is found; empty for one that is not there."""
        return self._addresses.get(name, "")

    def find(self, name: str) -> Asset | None:
        """The file of that name with its hash; None: there is none, or not any more."""
        return self._assets.get(name)

    def _put(self, name: str, content: bytes) -> None:
        stem, _, suffix = name.rpartition(".")
        hashed = f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{suffix}"
        self._addresses[name] = ADDRESS + hashed
        self._assets[hashed] = Asset(_TYPES[f".{suffix}"], content, gzip.compress(content, 9, mtime=0))


@cache
def shelf() -> Shelf:
    """The one of this program, read when it is first needed."""
    found = Shelf(_DIRECTORIES)
    if not found.libraries:
        log.warning("the dashboard has no charts and does not refresh itself: its libraries are not there; make assets")
    return found


def asset(name: str) -> str:
    """The address of a file, for a page; empty for one that is not there."""
    return shelf().address(name)


class Assets(RequestHandler):
    """GET /dashboard/assets/<name>.<hash>.<ext>"""

    def initialize(self, **_rooms: Any) -> None:
        """Needs none of what pages call."""

    def set_default_headers(self) -> None:
        """As pages have them, but for the policy of what a page may load."""
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")

    async def get(self, name: str) -> None:
        """The file, compressed where the browser takes it so."""
        found = shelf().find(name)
        if found is None:
            self.set_status(404)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.set_header("Cache-Control", "no-store")
            self.finish("There is no such file: the page that names it is of another version. Load it anew.\n")
            return
        self.set_header("Content-Type", found.kind)
        self.set_header("Cache-Control", "public, max-age=31536000, immutable")
        self.set_header("Vary", "Accept-Encoding")
        if _ACCEPTS_GZIP.search(self.request.headers.get("Accept-Encoding", "")):
            self.set_header("Content-Encoding", "gzip")
            self.finish(found.compressed)
        else:
            self.finish(found.plain)

    head = get
