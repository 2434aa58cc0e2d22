"""Crash points: named places where a test has a program die, as a power cut or `kill -9` would have it.

    crash_point("appliance.gateway.call.before")            # one point
    crash_points((job.point for job in group), "before")    # one for each kind of write that shares a commit

Names are `program.room.action.before` or `.after`. `tests/chaos/points.py` lists them from the source: they stand there
as literals, in a call of `crash_point`, as a keyword argument `point=`, or in a mapping called `CRASH_POINTS`; the
last two name an action, that is two points.

`KIOSKWIRE_CRASH_AT=<point>[:n]` in the environment has the process die by SIGKILL at its n-th visit (the first, unless
told otherwise), after one line on stderr that says where. No handler runs and nothing is flushed. No other Python
thread goes on meanwhile: the signal is sent with the interpreter's lock held.

That works in test builds only, which is where the tests stand in the tree beside this package. A wheel, what pip
installs from it, and a frozen program have no tests: there the variable is not even read. Wherever it is not set, both
functions do nothing, for some 50 ns. This module alone in `wire` looks at its surroundings, once, at its import.
"""

import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

VARIABLE = "KIOSKWIRE_CRASH_AT"

Visit = Callable[[str], None]
Visits = Callable[[Iterable[str], str], None]


def is_test_build(package: Path, *, frozen: bool) -> bool:
    """Whether `package`, the directory of this module, lies in a tree with its tests, and is no installed copy."""
    installed = {"site-packages", "dist-packages"}.intersection(package.parts)
    return not frozen and not installed and (package.parent / "tests" / "chaos" / "points.py").is_file()


def parse(text: str) -> tuple[str, int]:
    """Read `<point>[:n]`. Raises `ValueError`."""
    name, colon, number = text.partition(":")
    count = number if colon else "1"
    moment = name.rpartition(".")[2]
    if moment not in {"before", "after"} or not (count.isascii() and count.isdigit() and int(count)):
        raise ValueError("right would be <point>[:n], a point's name ending in .before or .after, and n from 1")
    return name, int(count)


def switch(text: str, die: Callable[[str], None]) -> tuple[Visit, Visits]:
    """Both functions: doing nothing where `text` is empty, else ending the program. Raises `ValueError`."""
    if not text:
        return _pass_by, _pass_all_by
    at, count = parse(text)
    visits = itertools.count(1)

    def visit(name: str) -> None:
        if name == at and next(visits) == count:
            die(name)

    def visit_all(actions: Iterable[str], moment: str) -> None:
        for action in filter(None, actions):
            visit(f"{action}.{moment}")

    return visit, visit_all


def _pass_by(_name: str) -> None:
    """One point; nothing happens here."""


def _pass_all_by(_actions: Iterable[str], _moment: str) -> None:
    """The points of several actions; nothing happens here."""


def _die(name: str) -> None:
    import ctypes  # noqa: PLC0415 - takes 5 ms, for nothing in every life but the last

    line = f"crash point {name}: the process dies here\n".encode()
    ctypes.PyDLL(None).write(2, line, len(line))  # os.write would let other threads go on
    os.kill(os.getpid(), signal.SIGKILL)


def _chosen(environ: Mapping[str, str]) -> tuple[Visit, Visits]:
    test_build = is_test_build(Path(__file__).absolute().parent, frozen=bool(getattr(sys, "frozen", False)))
    text = environ.get(VARIABLE, "") if test_build else ""
    try:
        return switch(text, _die)
    except ValueError as error:
        raise SystemExit(f"{VARIABLE}={text}: {error}") from error


crash_point, crash_points = _chosen(os.environ)
