"""Notes which version each kiosk runs, as its hello says, for the time when it is not here or the hub was restarted."""

import asyncio
import itertools

from cloud.db.writer import Writer
from cloud.kiosks.links import Links
from cloud.updates.words import Words

_AT_ONCE = 500  # rows a look: after a release the whole fleet has something new to say


class Running:
    """What is noted is looked for on the links, so that no hello waits for it."""

    def __init__(self, links: Links, words: Words, writer: Writer, *, is_shared: bool = False) -> None:
        """`is_shared`: other hubs note kiosks, too."""
        self._is_shared = is_shared
        self._links = links
        self._words = words
        self._writer = writer
        self._known: dict[str, str] = {}

    async def start(self) -> None:
        """Read what was noted before."""
        self._known = await self._words.known()

    def look(self) -> None:
        """Have what is new written."""
        said = [(link.kiosk_id, link.hello.version) for link in self._links.all() if link.ready and link.hello]
        if self._is_shared:
            # Who goes and comes back may have said something else at another hub meanwhile.
            self._known = {kiosk_id: self._known[kiosk_id] for kiosk_id, _ in said if kiosk_id in self._known}
        new = (item for item in said if self._known.get(item[0]) != item[1])
        for kiosk_id, version in itertools.islice(new, _AT_ONCE):
            self._known[kiosk_id] = version
            future = self._writer.write(*self._words.runs(kiosk_id, version))
            future.add_done_callback(lambda future, kiosk_id=kiosk_id: self._written(kiosk_id, future))  # type: ignore[misc]

    def _written(self, kiosk_id: str, future: asyncio.Future[None]) -> None:
        if future.cancelled() or future.exception():
            self._known.pop(kiosk_id, None)  # tried again at the next look
