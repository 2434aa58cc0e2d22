"""Handlers of `/admin/rollouts`: how far new versions may go."""

import asyncio

from cloud.errors import Refused
from cloud.updates.overview import overview, row, when
from cloud.updates.rollouts import Change
from cloud.web.admin import AdminHandler
from wire.release import parse_channel


class RolloutsHandler(AdminHandler):
    """/admin/rollouts"""

    async def get(self) -> None:
        """All channels, and which versions kiosks run."""
        s = self.services
        kiosks = [kiosk.id for kiosk in s.registry.all() if kiosk.enabled]
        self.answer(await overview(s.rollouts, s.downloads.channels, kiosks))


class RolloutHandler(AdminHandler):
    """/admin/rollouts/{channel}"""

    async def get(self, channel: str) -> None:
        """One channel, with what was changed and which kiosks failed."""
        self.answer(await self._show(_channel(channel)))

    async def put(self, channel: str) -> None:
        """Begin a rollout, widen it, pause it, have it go on."""
        change = self.read(Change)
        offered = await asyncio.to_thread(self.services.downloads.channels.offered, _channel(channel))
        by = f"admin {self.request.remote_ip}"
        new = await self.services.rollouts.change(channel, change, offered=offered, by=by)
        self.log_act("rollout changed", channel=channel, version=new.version, percent=new.percent, paused=new.paused)
        await self.note("rollout.change", channel, version=new.version, percent=new.percent, paused=new.paused)
        self.answer(await self._show(channel))

    async def _show(self, channel: str) -> dict[str, object]:
        s = self.services
        standing = next((one for one in await s.rollouts.read_all() if one.channel == channel), None)
        offered = await asyncio.to_thread(s.downloads.channels.offered, channel)
        if standing is None and not offered:
            raise Refused("not-found", f"there is no channel {channel}")
        kiosks = [kiosk.id for kiosk in s.registry.all() if kiosk.enabled]
        counts, running = await s.rollouts.counts(), await s.rollouts.running()
        shown = row(channel, standing, offered, counts=counts, running=running, kiosks=kiosks)
        failures = await s.rollouts.failures(standing.version) if standing else []
        acts = await s.rollouts.acts(channel)
        return {
            "rollout": shown,
            "failures": [
                {"kiosk": one.kiosk, "version": one.version, "reason": one.reason, "at": when(one.at)}
                for one in failures
            ],
            "changes": [{"at": when(act.at), "by": act.by, "words": act.words} for act in acts],
        }


def _channel(text: str) -> str:
    try:
        return parse_channel(text)
    except ValueError as error:
        raise Refused("not-found", str(error)) from error
