"""`GET /updates/{channel}/{file}`: new versions for kiosks, to be fetched in parts over bad lines.

Nobody has to say who they are: what is fetched is signed, not secret, and a kiosk fetches the same from any web server.
"""

import os
from email.utils import formatdate

from tornado.iostream import StreamClosedError

from cloud.errors import Refused
from cloud.updates.channels import File
from cloud.updates.downloads import Full
from cloud.updates.ranges import choose
from cloud.web.handler import Handler
from wire.release import ROLLOUT, Rollout

# What a manifest says changes; a file of a version does not.
_LASTS, _CHANGES = "public, max-age=86400", "no-cache"
_NOTHING = Rollout(version="0.0.0", percent=0, paused=True)


class UpdatesHandler(Handler):
    """/updates/{channel}/{file}"""

    async def get(self, channel: str, name: str) -> None:
        """A file or a part of it, or the rollout."""
        await self._give(channel, name, with_body=True)

    async def head(self, channel: str, name: str) -> None:
        """The same without it."""
        await self._give(channel, name, with_body=False)

    async def _give(self, channel: str, name: str, *, with_body: bool) -> None:
        downloads = self.services.downloads
        try:
            if name == ROLLOUT:
                offered = await downloads.ask(lambda: downloads.channels.offered(channel))
                self._give_rollout(channel, offered)
                return
            file = await downloads.open(channel, name)
            try:
                await self._give_file(file, with_body=with_body)
            finally:
                os.close(file.handle)
        except Full as full:
            self.clear()
            self.set_status(503)
            self.set_header("Retry-After", str(full.retry_after))
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(f"{full}\n")
        except StreamClosedError:
            return

    def _give_rollout(self, channel: str, offered: list[str]) -> None:
        """Always something: a kiosk that has just read a manifest must not take its absence for leave to install."""
        if not self.services.downloads.channels.are_served:
            raise Refused("not-found", "this hub serves no updates: UPDATES_DIR is not set")
        self.answer(self.services.rollouts.told(channel, offered) or _NOTHING)

    async def _give_file(self, file: File, *, with_body: bool) -> None:
        etag = f'"{file.sha256}"'
        self.set_header("Etag", etag)
        self.set_header("Last-Modified", formatdate(file.modified, usegmt=True))
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("Cache-Control", _LASTS if file.lasts else _CHANGES)
        self.set_header("Content-Type", file.kind)
        if self.check_etag_header():
            self.set_status(304)
            self.finish()
            return
        asked = self.request.headers
        part = choose(file.size, etag, asked.get("Range", ""), asked.get("If-Range", ""))
        if part is None:
            self.set_status(416)
            self.set_header("Content-Range", f"bytes */{file.size}")
            self.finish()
            return
        if not part.is_whole:
            self.set_status(206)
            self.set_header("Content-Range", f"bytes {part.start}-{part.end - 1}/{file.size}")
        self.set_header("Content-Length", str(part.end - part.start))
        if not with_body:
            self.finish()
            return
        given = part.start
        with self.services.downloads.turn():
            async for piece in self.services.downloads.pieces(file, part.start, part.end):
                self.write(piece)
                await self.flush()
                given += len(piece)
        if given == part.end:
            self.finish()
        else:  # the file became shorter, or the hub ends: the caller must not take it for all there is
            self.detach().close()
