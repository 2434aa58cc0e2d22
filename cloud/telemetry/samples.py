"""What a registry has gathered → samples as remote write wants them. Pure, but for reading the registry."""

from urllib.parse import urlsplit

import msgspec
from prometheus_client import CollectorRegistry

JOB = "kioskwire-hub"


class Sample(msgspec.Struct, frozen=True):
    """One value of one series. `labels` are sorted by name, `__name__` among them."""

    labels: tuple[tuple[str, str], ...]
    value: float


def gather(registry: CollectorRegistry, instance: str) -> list[Sample]:
    """All present values, each with `job` and `instance`.

    Without `_created`, when each counter began: who counts by series pays for it, and nobody draws it.
    """
    own = {"job": JOB, "instance": instance}
    return [
        Sample(tuple(sorted({"__name__": name, **labels, **own}.items())), value)
        for metric in registry.collect()
        for name, labels, value, *_ in metric.samples
        if not name.endswith("_created")
    ]


def instance_of(public_url: str, hostname: str) -> str:
    """What this hub is called: by its public host, which outlives containers, else by the machine's name."""
    return urlsplit(public_url).hostname or hostname
