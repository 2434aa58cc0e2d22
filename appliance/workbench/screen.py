"""What can become of a screen while something is told on it: a closed pipe, a full disk, Ctrl-C. None deserves a
traceback, and none is the fault of what is told."""

import errno
import os
import sys
from collections.abc import Callable

INTERRUPTED = 130
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def tell_all(program: str, run: Callable[[], int]) -> int:
    """Run a command that prints. Returns its exit status; 130 after Ctrl-C, 1 when its words could not be written."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who started us; its number would go to the next file opened
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - until the end
    try:
        status = run()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _silence()  # whoever read it (less, head) has seen enough
        return 0
    except OSError as error:
        if error.errno not in _FULL or error.filename is not None:
            raise
        _silence()
        print(f"{program}: its output cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    return status


def _silence() -> None:
    """What is left of it must not fail a second time at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
