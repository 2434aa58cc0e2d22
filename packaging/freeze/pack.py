"""Pack the one-folder form as releases have it: `pack.py dist/appliance/kioskwire-appliance --out DIR`.

Makes `kioskwire-appliance-<version>-linux-x86_64.tar.xz` with one folder in it, and prints its path. The same folder
gives the same bytes, wherever and whenever: names are sorted, times fixed, owners nobody's.
"""

import argparse
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

TARGET = "linux-x86_64"
# 2026-01-01; tar finds 1970 implausible.
TIME = int(os.environ.get("SOURCE_DATE_EPOCH") or 1767225600)


def main() -> int:
    parser = argparse.ArgumentParser(description="Pack a frozen program's folder for a release.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    options = parser.parse_args()
    program = options.folder.name
    told = subprocess.run(
        [options.folder / program, "version"], check=True, stdout=subprocess.PIPE, text=True, timeout=60
    )  # fmt: skip
    version = told.stdout.split()[-1]
    options.out.mkdir(parents=True, exist_ok=True)
    target = options.out / f"{program}-{version}-{TARGET}.tar.xz"
    beside = target.with_name(f".{target.name}.new")
    pack(options.folder, beside)
    beside.replace(target)
    print(target)
    return 0


def pack(folder: Path, target: Path) -> None:
    """Raises OSError; ValueError where something is neither file nor directory, or a link that leads outside."""
    with tarfile.open(target, "w:xz", format=tarfile.GNU_FORMAT, preset=9) as archive:
        for path in [folder, *sorted(folder.rglob("*"), key=lambda each: each.relative_to(folder).parts)]:
            info = tarfile.TarInfo(str(Path(folder.name) / path.relative_to(folder)))
            info.mtime = TIME
            info.mode = 0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644
            data = b""
            if path.is_symlink():
                if not path.resolve().is_relative_to(folder.resolve()):
                    raise ValueError(f"{path} leads out of the folder")
                info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
            elif path.is_dir():
                info.type = tarfile.DIRTYPE
            elif path.is_file():
                data = path.read_bytes()
                info.size = len(data)
            else:
                raise ValueError(f"{path} is neither file nor directory")
            archive.addfile(info, io.BytesIO(data))


if __name__ == "__main__":
    sys.exit(main())
