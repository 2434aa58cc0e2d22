"""Figures of the fleet as a whole for `/metrics`: versions, devices in trouble, kiosks that come and go.

Looked at again and again, some kiosks at a time, as 10,000 at once would hold up all others. No kiosk has a series of
its own: whoever wants to see one looks at the dashboard, or has the kiosk's own `/metrics` gathered.
"""

import asyncio
import logging
from collections import Counter

from prometheus_client import Gauge

from cloud.cancelled import cancelled
from cloud.kiosks.history import History
from cloud.kiosks.links import Link, Links
from cloud.kiosks.registry import Registry
from cloud.metrics import Metrics

log = logging.getLogger(__name__)

_EVERY = 15.0
_AT_ONCE = 200
_NAMES_MAX = 30  # versions and states come from kiosks: a series for each would let them fill others' memory


class Fleet:
    """Looks, and sets the gauges."""

    def __init__(self, registry: Registry, links: Links, history: History, metrics: Metrics) -> None:
        self._registry = registry
        self._links = links
        self._history = history
        self._metrics = metrics
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name="fleet-figures")

    async def stop(self) -> None:
        """Stop."""
        if self._task:
            await cancelled(self._task)

    async def look(self) -> None:
        """Look at all once."""
        versions: Counter[str] = Counter()
        states: Counter[str] = Counter()
        in_trouble = flapping = enabled = 0
        now = self._history.now()
        for position, kiosk in enumerate(self._registry.all()):
            if position % _AT_ONCE == 0:
                await asyncio.sleep(0)
            link = self._links.get(kiosk.id)
            enabled += kiosk.enabled
            flapping += self._history.is_flapping(kiosk.id, now)
            if link is None or not link.ready:
                continue
            versions[_version(link)] += 1
            found = [device.state for device in link.devices.all()]
            states.update(found)
            in_trouble += link.devices.ailing() > 0
        m = self._metrics
        m.registered.set(enabled)
        m.flapping.set(flapping)
        m.in_trouble.set(in_trouble)
        _show(m.versions, versions)
        _show(m.devices, states)

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("the fleet's figures cannot be taken")
            await asyncio.sleep(_EVERY)


def _version(link: Link) -> str:
    if link.is_v1:
        return "v1"
    return (link.hello.version if link.hello else "")[:64] or "unknown"


def _show(gauge: Gauge, counts: Counter[str]) -> None:
    """The most frequent by name, the rest together; what is gone has no series any more.

    Others read meanwhile, in threads: what stays is at no moment away.
    """
    shown = dict(counts.most_common(_NAMES_MAX))
    if rest := counts.total() - sum(shown.values()):
        shown["other"] = shown.get("other", 0) + rest
    for name, count in shown.items():
        gauge.labels(name).set(count)
    there = {name for family in gauge.collect() for sample in family.samples for name in sample.labels.values()}
    for name in there - shown.keys():
        gauge.remove(name)
