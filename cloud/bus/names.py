"""What hubs are called, for people. Pure."""

from collections import Counter
from collections.abc import Mapping

_LETTERS = 4


def told_apart(names: Mapping[str, str]) -> dict[str, str]:
    """Names by life. Those that several have are told apart by how their lives begin: two containers on one host's
    network may be the same process number there."""
    often = Counter(names.values())
    return {life: f"{name}·{life[:_LETTERS]}" if often[name] > 1 else name for life, name in names.items()}
