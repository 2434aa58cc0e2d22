"""What goes into a frozen program besides what its imports say. Used by the spec files, in PyInstaller's process."""

import json
from pathlib import Path

# Loaded by name by libraries, or by ours: none of these is seen by following imports.
BY_NAME = [
    "serial.serialposix",
    "serial.tools.list_ports_linux",
    "serial.urlhandler.protocol_socket",
    "_cffi_backend",
    "lzma",
    "nacl.signing",
    "encodings.idna",
    "encodings.cp866",
    "encodings.cp1251",
]


def modules(tree: Path, *packages: str) -> list[str]:
    """The names of all modules under these packages, sorted, as the source tree has them."""
    names = []
    for package in packages:
        for path in (tree / package).rglob("*.py"):
            parts = path.relative_to(tree).with_suffix("").parts
            names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return sorted(names)


def data(tree: Path, work: Path, *packages: str) -> list[tuple[str, str]]:
    """Files to lie beside the code, as (source, directory): what is no Python under the packages, and the list of
    what must be importable, which `selftest` holds the frozen program against.
    """
    found = []
    for package in packages:
        for path in sorted((tree / package).rglob("*")):
            if path.is_file() and path.suffix not in {".py", ".pyc", ".pyi"} and path.name != "py.typed":
                found.append((str(path), str(path.parent.relative_to(tree))))
    work.mkdir(parents=True, exist_ok=True)
    listing = work / "contents.json"
    listing.write_text(json.dumps({"modules": modules(tree, *packages), "by_name": BY_NAME}, indent=0) + "\n")
    return [*found, (str(listing), "appliance/selftest")]
