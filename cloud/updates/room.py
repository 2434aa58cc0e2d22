"""All of this room, as the entrance starts and stops it."""

from contextlib import AsyncExitStack

from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.db.lease import Lease, Mine
from cloud.db.writer import Writer
from cloud.kiosks.links import Links
from cloud.metrics import Metrics
from cloud.settings import Settings
from cloud.updates.channels import Channels
from cloud.updates.downloads import Downloads
from cloud.updates.running import Running
from cloud.updates.standings import Rollouts, Watch
from cloud.updates.words import Words

_MEGABYTE = 1_000_000


class Updates:
    """`async with` starts it. `words` is for the inbox, `downloads` and `rollouts` are for the door."""

    def __init__(
        self,
        settings: Settings,
        *,
        engine: AsyncEngine,
        writer: Writer,
        links: Links,
        metrics: Metrics,
        jobs: Lease | None = None,
    ) -> None:
        """Where hubs share a database, rollouts are held by the one that has the lease of `jobs`."""
        s, jobs = settings, jobs or Mine()
        self.words = Words(engine)
        self.rollouts = Rollouts(engine)
        channels = Channels(s.updates_dir)
        self.downloads = Downloads(channels, most=s.updates_max, rate=s.updates_rate * _MEGABYTE, metrics=metrics)
        self._running = Running(links, self.words, writer, is_shared=jobs.is_shared)
        most, percent = s.rollout_failures_max, s.rollout_failures_percent
        self._watch = Watch(self.rollouts, self._running.look, metrics, most=most, percent=percent, jobs=jobs)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Updates":
        self._stack.push_async_callback(self.downloads.stop)
        await self.rollouts.start()
        self._stack.push_async_callback(self.rollouts.stop)
        await self._running.start()
        self._watch.start()
        self._stack.push_async_callback(self._watch.stop)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()
