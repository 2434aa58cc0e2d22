"""`POST /enroll`: a kiosk trades its one-time code for a token. Needs no key: the code is one."""

import asyncio

import msgspec

from cloud.errors import Refused
from cloud.kiosks.proof import parse_public_key
from cloud.web.handler import Handler
from wire.enrolment import EnrolRequest, parse_code

_BODY_MAX_BYTES = 4 * 1024
_TIMEOUT = 20.0  # the database gives up after 10, and one trade waits for another


class EnrolHandler(Handler):
    """POST /enroll"""

    async def post(self) -> None:
        """Answer with the kiosk's id and token, or refuse."""
        request = self.read(EnrolRequest, _BODY_MAX_BYTES)
        mistakes, code, public_key = [], "", ""
        try:
            code = parse_code(request.code)
        except ValueError as error:
            mistakes.append(f"code: {error}")
        try:
            public_key = parse_public_key(request.public_key)
        except ValueError as error:
            mistakes.append(f"public_key: {error}")
        if mistakes:
            raise Refused("bad-request", f"body: {'; '.join(mistakes)}")
        if self.services.health.stopping:
            raise Refused("hub-stopping", "the hub is being restarted", retry_after=2)
        address = self.request.remote_ip or ""
        try:
            async with asyncio.timeout(_TIMEOUT):
                answer = await self.services.enrolment.trade(code, public_key, address, request.version)
        except TimeoutError as error:
            raise Refused("hub-storage", "the hub's database is too slow", retry_after=5) from error
        self.answer(msgspec.to_builtins(answer))
