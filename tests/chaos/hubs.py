"""The soak on three hubs: kiosks and callers come to any of them; hubs, Redis and PostgreSQL break as well.

`HUBS=4 make chaos ONLY=soak` takes another number.
"""

from pathlib import Path

from tests.chaos import soak
from tests.chaos.results import Result

_HUBS = 3


def run(directory: Path, seed: int, scale: float) -> Result:
    """`scale` 1 is 10,000 faulted operations."""
    return soak.run(directory, seed, scale, scenario="hubs", hubs=_HUBS)
