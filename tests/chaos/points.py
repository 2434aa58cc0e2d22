"""All crash points of both programs, read from their source: `python -m tests.chaos.points` prints them.

A point is a literal wherever it stands, so that this list cannot differ from the code:

    crash_point("appliance.gateway.call.before")           one point
    Job(call, point="appliance.journal.finish")            two: .before and .after, visited where the job is committed
    CRASH_POINTS = {Hello: "appliance.uplink.hello"}       two for each value

What cannot be listed so, such as a name that is put together, is refused with `ValueError`.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).absolute().parents[2]
PROGRAMS = {"appliance": "appliance", "cloud": "hub"}  # package → how its points begin
_ACTION = re.compile(r"(appliance|hub)\.[a-z]+\.[a-z0-9_]+")


class Point(NamedTuple):
    """A point and where it stands in the source."""

    name: str
    place: str  # file and line


@cache
def all_points(root: Path = ROOT) -> list[Point]:
    """Every point, in the order of the source. Raises `ValueError` for what is no point or stands in two places."""
    found: dict[str, Point] = {}
    for package, program in PROGRAMS.items():
        for path in sorted((root / package).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if "crash" not in text and "point=" not in text:
                continue
            for name, line in sorted(_points_in(ast.parse(text)), key=lambda found: found[1]):
                place = f"{path.relative_to(root)}:{line}"
                if not name.startswith(f"{program}."):
                    raise ValueError(f"{place}: {name} does not begin with {program}.")
                if name in found:
                    raise ValueError(f"{place}: {name} stands at {found[name].place} already")
                found[name] = Point(name, place)
    return list(found.values())


def names(program: str = "") -> list[str]:
    """The names of all points, or of one program's (`appliance`, `hub`)."""
    return [point.name for point in all_points() if point.name.startswith(program)]


def _points_in(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module="wire.crashpoint", names=imported) if any(name.asname for name in imported):
                raise ValueError(f"line {node.lineno}: crash points are imported under their own name")
            case ast.Call(func=ast.Name(id="crash_point"), args=arguments):
                yield _literal(arguments), node.lineno
            case ast.Call(keywords=keywords):
                for keyword in keywords:
                    if keyword.arg == "point":
                        yield from _both(_strings(keyword.value), node.lineno)
            case (
                ast.Assign(targets=[ast.Name(id="CRASH_POINTS")], value=ast.Dict(values=values))
                | ast.AnnAssign(target=ast.Name(id="CRASH_POINTS"), value=ast.Dict(values=values))
            ):
                yield from _both({text for value in values for text in _strings(value)}, node.lineno)


def _literal(arguments: list[ast.expr]) -> str:
    match arguments:
        case [ast.Constant(value=str(name))]:
            action, _, moment = name.rpartition(".")
            if _ACTION.fullmatch(action) and moment in {"before", "after"}:
                return name
    words = ", ".join(map(ast.unparse, arguments))
    raise ValueError(f"crash_point({words}): right would be a literal such as 'hub.room.action.before'")


def _strings(value: ast.expr) -> set[str]:
    constants = (node.value for node in ast.walk(value) if isinstance(node, ast.Constant))
    return {constant for constant in constants if isinstance(constant, str) and constant}


def _both(actions: set[str], line: int) -> Iterator[tuple[str, int]]:
    for action in sorted(actions):
        if not _ACTION.fullmatch(action):
            raise ValueError(f"line {line}: {action!r} names no action such as 'hub.room.action'")
        yield f"{action}.before", line
        yield f"{action}.after", line


if __name__ == "__main__":
    for point in all_points():
        print(f"{point.name:44} {point.place}")
