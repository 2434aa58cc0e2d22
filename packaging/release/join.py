"""Join files that were built apart to a folder that is to be published: join.py dist/release FOLDER

The folder must be what its SHA256SUMS says. Debian packages of the image are joined to the list of what is inside.
"""

import json
import shutil
import sys
from pathlib import Path

from collect import checksums
from sbom import packages
from sign import SUMS, summed, write_whole


def join(release: Path, more: Path) -> None:
    """Raises `ValueError` where the folder is not whole, or has a file of that name."""
    summed(release)
    for path in sorted(more.iterdir()):
        if (release / path.name).exists():
            raise ValueError(f"{path.name} is in {release} already")
        shutil.copy2(path, release / path.name)
    (bom,) = release.glob("*.cdx.json")
    document = json.loads(bom.read_text("utf-8"))
    known = {component["bom-ref"]: component for component in document["components"]}
    for listing in release.glob("*.packages.txt"):
        known |= {component["bom-ref"]: component for component in packages(listing.read_text("utf-8"))}
    document["components"] = [known[reference] for reference in sorted(known)]
    document["dependencies"][0]["dependsOn"] = sorted(known)
    write_whole(bom, (json.dumps(document, indent=1, sort_keys=True) + "\n").encode())
    write_whole(release / SUMS, checksums(release).encode())


def main() -> int:
    """See above."""
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        join(Path(sys.argv[1]), Path(sys.argv[2]))
    except (ValueError, OSError) as error:
        print(f"join: {error}", file=sys.stderr)
        return 1
    print((Path(sys.argv[1]) / SUMS).read_text("utf-8"), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
