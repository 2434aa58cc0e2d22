"""/dashboard/keys: API keys of backends, and where their callbacks go.

A secret is in the answer to the form that made it and nowhere else. Such a form brings what it was true of (which keys
there were, which address and secret a key had): sent again, by a reload or a second click, it makes no second key that
nobody knows of, and no signing secret in the place of the one that was just handed on.
"""

import asyncio
import hashlib
from typing import Any

from tornado.web import HTTPError

from cloud.accounts.account import Role
from cloud.backends.callback_url import check_callback_url
from cloud.backends.keys import ApiKey
from cloud.dashboard.screen import Screen
from cloud.errors import Refused

NAME_MAX, _URL_MAX = 80, 2000
_MARK_LENGTH = 16


class _Keys(Screen):
    active = "keys"
    reads = writes = Role.ADMIN
    _turn = asyncio.Lock()  # what is made of a form is made before the next one is looked at

    async def _show_all(self, status: int = 200, **facts: Any) -> None:
        keys = await self.rooms.keys.read_all()
        used = {key.id: self.rooms.keys.used_at(key.id) for key in keys}
        given = {"wrong": {}, "name": "", "name_max": NAME_MAX, "true_of": _mark_of_all(keys), **facts}
        self.show("keys.html", status, keys=keys, used=used, **given)

    async def _find(self, key_id: str) -> ApiKey:
        for key in await self.rooms.keys.read_all():
            if key.id == key_id:
                return key
        raise HTTPError(404, self.say("keys.none-such"))

    def _crumbs(self) -> list[tuple[str, str]]:
        return [(self.say("keys.title"), "/dashboard/keys")]


class KeysPage(_Keys):
    """GET: the keys in force."""

    async def get(self) -> None:
        """The list, and the form for another."""
        await self._show_all()


class AddKey(_Keys):
    """POST: a new key, whose text is in this answer alone."""

    async def post(self) -> None:
        """Show it."""
        name = " ".join(self.fields().get("name", "").split())
        if not name or len(name) > NAME_MAX or not name.isprintable():
            await self._show_all(422, wrong={"name": self.say("keys.wrong-name", limit=NAME_MAX)}, name=name)
            return
        async with self._turn:
            is_new = self.fields().get("true_of") == _mark_of_all(await self.rooms.keys.read_all())
            if is_new:
                key, text = await self.rooms.keys.add(name)
        if not is_new:
            await self._show_all(409, wrong={"name": self.say("keys.add-meanwhile")}, name=name)
            return
        await self.note("key.add", key.id, name=name)
        self.show("key_secret.html", key=key, secret=text, kind="key", crumbs=self._crumbs())


class KeyPage(_Keys):
    """GET: one key, and what can be done with it."""

    async def get(self, key_id: str) -> None:
        """Its forms."""
        self._one(await self._find(key_id))

    def _one(self, key: ApiKey, status: int = 200, **facts: Any) -> None:
        given = {"wrong": {}, "url": key.callback_url, "true_of": _mark_of(key), **facts}
        self.show("key.html", status, key=key, used_at=self.rooms.keys.used_at(key.id), crumbs=self._crumbs(), **given)


class RevokeKey(KeyPage):
    """POST: end a key, asked twice."""

    async def get(self, key_id: str) -> None:
        """The question."""
        key = await self._find(key_id)
        self.show("key_revoke.html", key=key, crumbs=self._crumbs())

    async def post(self, key_id: str) -> None:
        """Do it, where it was said so."""
        key = await self._find(key_id)
        if self.fields().get("sure") != "yes":
            self.show("key_revoke.html", key=key, crumbs=self._crumbs())
            return
        await self._change(key, revoke=True)
        await self.note("key.revoke", key.id, name=key.name)
        self.go("/dashboard/keys")

    async def _change(self, key: ApiKey, *, revoke: bool = False, url: str = "") -> str:
        try:
            if revoke:
                await self.rooms.keys.revoke(key.id)
                return ""
            return await self.rooms.keys.set_callback(key.id, url)
        except Refused as error:
            raise HTTPError(404, self.say("keys.none-such")) from error


class KeyCallback(RevokeKey):
    """POST: set or take away where its callbacks go; a new signing secret is in this answer alone."""

    async def get(self, key_id: str) -> None:
        """Its page has the form."""
        self.go(f"/dashboard/keys/{(await self._find(key_id)).id}")

    async def post(self, key_id: str) -> None:
        """An empty address ends callbacks."""
        key, given = await self._find(key_id), self.fields()
        url = "" if given.get("end") == "yes" else given.get("url", "")
        if not url and given.get("end") != "yes":
            self._one(key, 422, wrong={"url": self.say("keys.wrong-url")}, url=url)
            return
        try:
            check_callback_url(url)
            if len(url) > _URL_MAX:
                raise ValueError(url)
        except ValueError:
            self._one(key, 422, wrong={"url": self.say("keys.wrong-url")}, url=url[:_URL_MAX])
            return
        async with self._turn:
            key = await self._find(key_id)
            is_new = not url or given.get("true_of") == _mark_of(key)
            secret = await self._change(key, url=url) if is_new else ""
        if not is_new:
            self._one(key, 409, wrong={"url": self.say("keys.callback-meanwhile")}, url=url)
            return
        # Its path may be a secret of the backend's; who reads the audit learns where it went.
        host = url.split("/")[2] if url else ""
        await self.note("key.callback", key.id, name=key.name, host=host)
        if secret:
            self.show("key_secret.html", key=key, secret=secret, kind="callback", url=url, crumbs=self._crumbs())
        else:
            self.go(f"/dashboard/keys/{key.id}")


def _mark_of_all(keys: list[ApiKey]) -> str:
    """Another one whenever a key is added or revoked."""
    return _mark(*sorted(key.id for key in keys))


def _mark_of(key: ApiKey) -> str:
    """Another one whenever its address or signing secret is; tells neither."""
    return _mark(key.callback_url, key.callback_secret)


def _mark(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_MARK_LENGTH]
