"""Pack what `install.sh` needs: `archive.py --program DIR --out DIR`. The same bytes for the same files."""

import argparse
import lzma
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from laid import copy_laid, epoch, version_of


def main() -> int:
    parser = argparse.ArgumentParser(description="Pack the frozen appliance with install.sh.")
    parser.add_argument("--program", type=Path, required=True, metavar="DIR", help="its one-folder form")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the archive is put")
    options = parser.parse_args()
    name = f"kioskwire-appliance-{version_of(options.program)}-install"
    options.out.mkdir(parents=True, exist_ok=True)
    archive = options.out / f"{name}.tar.xz"
    with tempfile.TemporaryDirectory(prefix="kioskwire-archive-") as scratch:
        top = Path(scratch) / name
        copy_laid(top)
        shutil.copytree(options.program, top / "kioskwire-appliance", symlinks=True)
        (top / "install.sh").symlink_to("packaging/install.sh")
        pack(top, archive, epoch())
    print(archive)
    return 0


def pack(top: Path, archive: Path, at: int) -> None:
    """In the order of names, everything root's and of one moment."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        member.mtime = at
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
        return member

    with lzma.open(archive, "wb", preset=6) as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        tar.add(top, top.name, recursive=False, filter=plain)
        for path in sorted(top.rglob("*")):
            tar.add(path, str(path.relative_to(top.parent)), recursive=False, filter=plain)


if __name__ == "__main__":
    sys.exit(main())
