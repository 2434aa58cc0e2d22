"""Bug: a hub that tells kiosks of late outcomes that they are settled, and stores none."""

from cloud.kiosks.links import Link
from cloud.operations.settling import Settling
from wire.messages import Response


async def _settle_unread(_self: Settling, _link: Link, responses: list[Response]) -> list[str]:
    return [response.request_id for response in responses]


Settling._settle_late = _settle_unread  # type: ignore[method-assign]
