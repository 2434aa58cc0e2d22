"""A box that is enrolled: a key of its own, the code it trades, and hellos that prove the key."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from nacl.signing import SigningKey
from websockets.asyncio.client import connect

from tests.cloud.hub import Json, Kiosk, Running
from wire.enrolment import CHALLENGE_HEADER, proof_text


def encoded(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Box:
    """One box."""

    def __init__(self, kiosk_id: str = "kiosk_001", journal: str = "journal-1", boot_id: str = "boot-1") -> None:
        self.key = SigningKey.generate()
        self.kiosk_id, self.journal, self.boot_id = kiosk_id, journal, boot_id
        self.token = ""

    @property
    def public_key(self) -> str:
        """As it stands in a request."""
        return encoded(bytes(self.key.verify_key))

    def twin(self, **other: str) -> "Box":
        """A copy of this box's disk in another box, which differs in what is said."""
        twin = Box(self.kiosk_id, other.get("journal", self.journal), other.get("boot_id", "boot-2"))
        twin.key, twin.token = self.key, self.token
        return twin

    async def ask(self, hub: Running, code: str, **headers: str) -> httpx.Response:
        """POST /enroll."""
        body = {"code": code, "public_key": self.public_key, "version": "1.2.3"}
        return await hub.http.post("/enroll", json=body, headers=headers)

    async def enrol(self, hub: Running, code: str) -> Json:
        """Trade a good code."""
        answer = await self.ask(hub, code)
        assert answer.status_code == 200, answer.text
        told: Json = answer.json()
        self.kiosk_id, self.token = told["kiosk_id"], told["token"]
        return told

    def proof(self, challenge: str) -> str:
        """What its hello is signed with on a connection that has this challenge."""
        text = proof_text(challenge, self.kiosk_id, self.boot_id, self.journal)
        return encoded(self.key.sign(text).signature)

    def proof_for(self, kiosk: Kiosk) -> str:
        """The same for an open connection."""
        assert kiosk.socket.response is not None
        return self.proof(kiosk.socket.response.headers[CHALLENGE_HEADER])

    async def hello(self, kiosk: Kiosk, **more: Any) -> Json:
        """Say hello with a proof; returns the welcome."""
        given = {"journal": self.journal, "boot_id": self.boot_id, "proof": self.proof_for(kiosk)}
        return await kiosk.hello(**{**given, **more})

    async def hello_unheard(self, kiosk: Kiosk) -> None:
        """Say it, whatever comes of it."""
        told = {"journal": self.journal, "boot_id": self.boot_id, "proof": self.proof_for(kiosk)}
        await kiosk.say("hello", version="1.2.3", routes=["default"], **told)

    @asynccontextmanager
    async def dialled(self, hub: Running, **headers: str) -> AsyncIterator[Kiosk]:
        """An open connection that came with more headers, on which nothing was said."""
        url = f"ws://127.0.0.1:{hub.hub.port}/ws"
        given = {"Authorization": f"Bearer {self.token}", **headers}
        protocols: Any = ["kiosk.v2"]
        async with connect(url, additional_headers=given, proxy=None, subprotocols=protocols) as connection:
            yield Kiosk(connection)

    @asynccontextmanager
    async def connected(self, hub: Running) -> AsyncIterator[Kiosk]:
        """A connection on which it is welcome."""
        async with hub.socket(self.token) as kiosk:
            await self.hello(kiosk)
            yield kiosk


async def new_code(hub: Running, kiosk_id: str = "kiosk_001") -> str:
    """A code from the admin API."""
    answer = await hub.http.post(f"/admin/kiosks/{kiosk_id}/code", headers=hub.admin)
    assert answer.status_code == 201, answer.text
    code: str = answer.json()["code"]
    return code


async def enrolled(hub: Running, kiosk_id: str = "kiosk_001") -> Box:
    """A box that was enrolled just now."""
    box = Box(kiosk_id)
    await box.enrol(hub, await new_code(hub, kiosk_id))
    return box
