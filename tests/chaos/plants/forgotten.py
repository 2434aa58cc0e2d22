"""Bug: a hub that tells kiosks of late outcomes that they are settled, and stores none."""

from cloud.kiosks.links import Link
from cloud.operations.settling import Settling
from wire.messages import Response

_Writing = list[tuple[object, bool, None]]


async def _write_nothing(self: Settling, _link: Link, responses: list[Response]) -> _Writing:
    found = await self._store.find_all([response.request_id for response in responses])
    return [(known, False, None) for known in found.values()]


Settling._write_late = _write_nothing  # type: ignore[method-assign, assignment]
