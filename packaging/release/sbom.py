"""What is inside a release, as CycloneDX 1.6 JSON: what the frozen program really holds, not what was asked for.

    sbom.py --program dist/appliance/kioskwire-appliance --out FILE [--packages FILE]

Run by the Python that froze the program (`.venv-freeze`): libraries are found by the modules in the program's archive,
shared libraries by the Debian package they were copied from. `--packages` is the image's list of Debian packages, a
line `name version` each (`dpkg-query -W`), or its dpkg status file. The same program gives the same bytes.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from wire.version import VERSION  # noqa: E402 - the tree need not be installed

Component = dict[str, Any]
_OURS = {"appliance", "cloud", "hardware", "wire"}
_TIME = 1767225600


def read_modules(program: Path) -> set[str]:
    """The top names of all modules in a program of PyInstaller's."""
    from PyInstaller.archive.readers import CArchiveReader

    archive = CArchiveReader(str(program))
    found = set()
    for name in archive.toc:
        if name.endswith(".pyz"):
            found |= {module.partition(".")[0] for module in archive.open_embedded_archive(name).toc}
    return found


def libraries(modules: set[str], folder: Path) -> Iterator[Component]:
    """The Python libraries that these modules, or the shared objects in the folder, come from."""
    names = modules | {path.name.partition(".")[0] for path in folder.iterdir()}
    owners = metadata.packages_distributions()
    for name in sorted({owner for module in names - _OURS for owner in owners.get(module, ())}):
        yield library(metadata.distribution(name))


def library(found: metadata.Distribution) -> Component:
    """One Python library."""
    name = found.metadata["Name"].lower().replace("_", "-")
    purl = f"pkg:pypi/{name}@{found.version}"
    component: Component = {"type": "library", "bom-ref": purl, "name": name, "version": found.version, "purl": purl}
    licence = found.metadata.get("License-Expression")
    if licence:
        component["licenses"] = [{"expression": licence}]
    elif (named := (found.metadata.get("License") or "").strip()) and len(named) < 80 and "\n" not in named:
        component["licenses"] = [{"license": {"name": named}}]
    return component


def shared_libraries(folder: Path) -> Iterator[Component]:
    """The Debian packages whose shared libraries lie in the folder; a file of nobody's is told by its name."""
    known, wheels = {}, metadata.packages_distributions()
    for path in sorted(folder.iterdir()):
        if not path.is_file() or ".so" not in path.name or path.name.partition(".")[0] in wheels:
            continue
        found = _owner(path.name)
        component = debian(*found) if found else _file(path)
        known[component["bom-ref"]] = component
    yield from known.values()


def debian(name: str, version: str) -> Component:
    """One Debian package."""
    purl = f"pkg:deb/debian/{quote(name, safe='')}@{quote(version, safe='.-')}?arch=amd64"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def packages(text: str) -> Iterator[Component]:
    """Debian packages from a dpkg status file, or from lines `name version`."""
    if not text.startswith("Package:"):
        for line in text.splitlines():
            name, _, version = line.replace("\t", " ").strip().partition(" ")
            if name and version:
                yield debian(name.partition(":")[0], version.strip())
        return
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and line[0] != " ")
        if "installed" in fields.get("Status", "").split() and "Version" in fields:
            yield debian(fields["Package"], fields["Version"])


def document(name: str, version: str, components: Iterable[Component], commit: str = "") -> Component:
    """The whole of it. Its serial number follows from what is in it."""
    whole = {component["bom-ref"]: component for component in components}
    ordered = [whole[reference] for reference in sorted(whole)]
    told = json.dumps([name, version, ordered], sort_keys=True).encode()
    purl = f"pkg:generic/{name}@{version}"
    root: Component = {"type": "application", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if commit:
        root["properties"] = [{"name": "kioskwire:commit", "value": commit}]
    moment = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH") or _TIME), UTC)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.UUID(bytes=hashlib.sha256(told).digest()[:16], version=4)}",
        "version": 1,
        "metadata": {"timestamp": moment.isoformat().replace("+00:00", "Z"), "component": root},
        "components": ordered,
        "dependencies": [{"ref": purl, "dependsOn": sorted(whole)}],
    }


def _file(path: Path) -> Component:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    hashes = [{"alg": "SHA-256", "content": digest}]
    return {"type": "file", "bom-ref": f"file:{path.name}", "name": path.name, "hashes": hashes}


def _owner(library: str) -> tuple[str, str] | None:
    """The Debian package of a shared library on this machine, and its version."""
    try:
        search = ["dpkg-query", "-S", f"*/{library}"]
        found = subprocess.run(search, capture_output=True, text=True, timeout=60, check=False)
        owners = sorted({line.partition(": ")[0].partition(":")[0] for line in found.stdout.splitlines()})
        if not owners or "," in owners[0]:
            return None
        show = ["dpkg-query", "-W", "-f", "${Version}\n", owners[0]]
        shown = subprocess.run(show, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        return None
    version = shown.stdout.splitlines()
    return (owners[0], version[0]) if version else None


def main() -> int:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--packages", type=Path)
    parser.add_argument("--commit", default="")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    name, inside = given.program.name, given.program / "_internal"
    modules = read_modules(given.program / name)
    python = f"pkg:generic/python@{sys.version.split()[0]}"
    components = [
        {"type": "platform", "bom-ref": python, "name": "python", "version": sys.version.split()[0], "purl": python},
        *libraries(modules, inside),
        *shared_libraries(inside),
    ]
    if given.packages:
        components += packages(given.packages.read_text("utf-8"))
    whole = document(name, VERSION, components, given.commit)
    given.out.write_text(json.dumps(whole, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{given.out}: {len(whole['components'])} components")
    return 0


if __name__ == "__main__":
    sys.exit(main())
