"""Where the rooms that write most keep it: in memory, if there is a file system of it.

Their tests kill the appliance some thousand times, never the machine: what the journal has written is there afterwards
with or without a disk below, and a disk that is slow or busy is most of the time they would take, or more than they
have.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOMS = frozenset({
    "cash", "desk", "engineer", "fiscal", "gateways", "journal", "levels", "operations", "printing", "supervisor",
    "uplink", "web",
})  # fmt: skip
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 256 * 1024 * 1024  # containers often have 64 MiB there, which a few journals with their reserves fill


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """As pytest's, which it is for all other rooms."""
    if request.path.parent.name not in _ROOMS or not _has_room():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="kioskwire-", dir=_MEMORY, ignore_cleanup_errors=True) as directory:
        yield Path(directory)


def _has_room() -> bool:
    return os.access(_MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES
