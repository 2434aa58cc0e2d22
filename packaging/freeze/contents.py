"""What goes into a frozen program besides what its imports say. Used by the spec files, in PyInstaller's process."""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import CodeType
from typing import Any

OURS = ("appliance", "hardware", "wire")

# Loaded by name by libraries, or by ours: none of these is seen by following imports.
BY_NAME = [
    "serial.serialposix",
    "serial.tools.list_ports_linux",
    "_cffi_backend",
    "anyio",
    "anyio._backends._asyncio",
    "httpcore._backends.anyio",
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


def data(
    tree: Path, work: Path, *packages: str, as_files: Iterable[str] = (), listing: bool = True
) -> list[tuple[str, str]]:
    """Files to lie beside the code, as (source, directory): what is no Python under the packages, and of the
    directories `as_files` that, too. With `listing`, also the list of what must be there, which `selftest` holds the
    frozen program against.
    """
    found = {}
    for package in packages:
        for path in sorted((tree / package).rglob("*")):
            name = path.relative_to(tree)
            is_code = path.suffix == ".py" and not any(name.is_relative_to(each) for each in as_files)
            if path.is_file() and not is_code and path.suffix not in {".pyc", ".pyi"} and path.name != "py.typed":
                found[name] = path
    datas = [(str(path), str(name.parent)) for name, path in found.items()]
    if listing:
        digests = {str(name): hashlib.sha256(path.read_bytes()).hexdigest() for name, path in found.items()}
        listed = {"modules": modules(tree, *packages), "by_name": BY_NAME, "data": digests}
        work.mkdir(parents=True, exist_ok=True)
        written = work / "contents.json"
        written.write_text(json.dumps(listed, indent=0) + "\n", encoding="utf-8")
        datas.append((str(written), "appliance/selftest"))
    return datas


def check_imports(tree: Path, excluded: Iterable[str], excused: Mapping[str, str]) -> None:
    """Raises SystemExit when a module of ours imports, at any depth, what is left out; `excused` names a module and
    what it may ask for in vain.
    """
    left_out = set(excluded)
    mistakes = []
    for name in modules(tree, *OURS):
        for wanted in _imported(tree, name):
            top = next((each for each in left_out if wanted == each or wanted.startswith(f"{each}.")), None)
            if top is not None and excused.get(name) != top:
                mistakes.append(f"{name} imports {wanted}, which build.spec leaves out")
    if mistakes:
        raise SystemExit("\n".join(mistakes))


def _imported(tree: Path, module: str) -> Iterator[str]:
    path = tree.joinpath(*module.split(".")).with_suffix(".py")
    if not path.is_file():
        path = path.with_suffix("") / "__init__.py"
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def thin(analysis: Any) -> None:
    """Leave out what PyInstaller adds by itself and nobody reads: what pip noted of a library, and what it does at each
    start for programs that begin further processes of their own.
    """
    analysis.datas[:] = [entry for entry in analysis.datas if ".dist-info/" not in entry[0]]
    analysis.scripts[:] = [entry for entry in analysis.scripts if entry[0] != "pyi_rth_multiprocessing"]


Caches = dict[int, dict[str, CodeType] | None]


def keep_asserts(pure: Iterable[tuple[str, str, str]], caches: Caches, *packages: str) -> None:
    """Have our own modules in `pure`, PyInstaller's list, compiled without docstrings but with asserts.

    Simulators keep their texts: `kioskwire-sim` tells their options by them.
    """
    cache = caches[id(pure)] = caches.get(id(pure)) or {}
    for name, source, _kind in pure:
        if name.partition(".")[0] in packages and source.endswith(".py"):
            tree = ast.parse(Path(source).read_bytes())
            if not name.endswith(".simulator"):
                drop_docstrings(tree)
            cache[name] = compile(tree, source, "exec", dont_inherit=True, optimize=0)


def compress(level: int) -> None:
    """How much the archives of modules that are written from now on are compressed, 0 to 9."""
    from PyInstaller.archive.writers import ZlibArchiveWriter

    ZlibArchiveWriter._COMPRESSION_LEVEL = level


def drop_docstrings(tree: ast.AST) -> None:
    """In place."""
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if documented and ast.get_docstring(node, clean=False) is not None:
            node.body[:1] = [] if len(node.body) > 1 else [ast.copy_location(ast.Pass(), node.body[0])]
