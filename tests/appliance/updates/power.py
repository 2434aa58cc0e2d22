"""A power cut at any step: every call that changes a file counts, and from the n-th on none is carried out any more.

Not only where the code knows of it: `os` itself is cut off, and the rest of Python with it that goes through it. What a
`finally` would tidy up stays as it is, as behind a power cut. That what was synced is there and in what order is not
tried here: see `appliance.updates.files.put`.
"""

import builtins
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_CALLS = (
    "rename", "replace", "unlink", "remove", "rmdir", "mkdir", "symlink", "fsync", "ftruncate", "write", "fchmod",
    "fchown", "chown", "chmod",
)  # fmt: skip


class PowerCut(BaseException):
    """The power is off."""


class Meter:
    """Counts the steps."""

    def __init__(self, last: int | None) -> None:
        self.last = last
        self.steps = 0

    def step(self) -> None:
        """One more, or the end."""
        if self.last is not None and self.steps >= self.last:
            raise PowerCut
        self.steps += 1


@contextmanager
def power(last: int | None = None) -> Iterator[Meter]:
    """Have the power fail before step `last`, from 0; None: never, to count them."""
    meter = Meter(last)

    def metered(call: Callable[..., Any]) -> Callable[..., Any]:
        def through(*arguments: Any, **named: Any) -> Any:
            meter.step()
            return call(*arguments, **named)

        return through

    def opened(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
            meter.step()
        return open_before(path, flags, *rest, **named)

    def opened_file(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
        if set(mode) & set("wxa+"):
            meter.step()
        return open_file_before(file, mode, *rest, **named)

    open_before, open_file_before = os.open, io.open
    with pytest.MonkeyPatch.context() as patched:
        for name in _CALLS:
            patched.setattr(os, name, metered(getattr(os, name)))
        patched.setattr(os, "open", opened)
        patched.setattr(io, "open", opened_file)
        patched.setattr(builtins, "open", opened_file)
        yield meter


def at_every_step(work: Callable[[], object], anew: Callable[[], None], *, stride: int = 1) -> Iterator[int]:
    """Do the work as often as it has steps, each time from the beginning (`anew`), cut one step later.

    Yields behind each cut, for the caller to look at what is left. The last is whole.
    """
    anew()
    with power() as meter:
        work()
    for last in range(0, meter.steps, stride):
        anew()
        with power(last), pytest.raises(PowerCut):
            work()
        yield last
    anew()
    work()
    yield meter.steps
