"""A device in an engineer's hands: no operation begins with it meanwhile, and however that ends, it is given back.

    with hold(watched, job.id, holder) as watched: …        raises `Failed` where an operation has it

What comes meanwhile for a printer or a register waits for it within its own time; a cash session that wants it is
answered that it is in use. Nothing of it is kept: a restart gives every device back.
"""

import contextlib
from collections.abc import Callable, Iterator

from appliance.engineer.work import Failed
from appliance.supervisor import Watched

WORDS = "an engineer tests it"


@contextlib.contextmanager
def hold(watched: Watched, id: str, holder: Callable[[str], str]) -> Iterator[str]:
    """Have it; gives the name of the work that its events belong to.

    Args:
        holder: who is about to use a device and has not bound it yet; empty: nobody.

    Raises:
        Failed: it is in use, or it is being changed.
    """
    if watched.testing or (work := watched.work or holder(watched.name)):
        raise Failed("device.in-use", work=watched.work or work)
    if watched.leaving:
        raise Failed("device.leaving", words=watched.leaving)
    work = f"engineer/{id}"
    watched.testing = WORDS
    watched.bind(work)
    try:
        yield work
    finally:
        watched.testing = ""
        if watched.work == work:
            watched.bind("")
        watched.wake.set()
