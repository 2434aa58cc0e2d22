"""Calls of one Kaspi Smart POS: GET with a query, whatever they do; so none is ever repeated by itself.

The one exception is a call that was refused for its token: that surely has begun nothing, and is made once more with
the renewed one. Who renews it meanwhile for another call is waited for.
"""

import asyncio
import logging
from collections.abc import Sequence

import msgspec

from appliance.gateways.http import Gateways, Pinned
from appliance.gateways.kaspi_pos_said import OK, Said, read_said
from appliance.gateways.kaspi_tokens import Tokens, TokenStore
from appliance.gateways.results import Answered, NeverGot, NoAnswer
from appliance.journal import Journal, StorageError
from appliance.kinds import KaspiPosRoute

RENEW_S = 15.0

_log = logging.getLogger(__name__)

Heard = Said | NeverGot | NoAnswer


class _Granted(msgspec.Struct, rename="camel"):
    access_token: str
    refresh_token: str


class Terminal:
    """One terminal, by its URL: whom it works for now, and its tokens."""

    def __init__(self, *, journal: Journal, gateways: Gateways, url: str) -> None:
        self._journal = journal
        self._gateways = gateways
        self.url = url
        self.held_by = ""  # the request whose payment may be on it
        self._stores: dict[str, TokenStore] = {}
        self._renewing = asyncio.Lock()

    def hold(self, request_id: str) -> bool:
        """Whether it is this request's from now on."""
        if self.held_by not in {"", request_id}:
            return False
        self.held_by = request_id
        return True

    def let_go(self, request_id: str) -> None:
        """It is nobody's, if it was this one's."""
        if self.held_by == request_id:
            self.held_by = ""

    async def call(
        self, kind: KaspiPosRoute, path: str, pairs: Sequence[tuple[str, str]] = (), *, timeout: float
    ) -> Heard:
        """Call it, with a token where it wants one."""
        try:
            tokens = await self._store(kind).get() if kind.protected else None
        except StorageError as error:
            return NeverGot(f"the terminal's token cannot be read from the journal: {error}", "kiosk-storage")
        heard = await self._once(kind, path, pairs, tokens, timeout)
        if isinstance(heard, Said) and heard.wants_token and tokens is not None:
            renewed = await self._renew(kind, tokens)
            if renewed is not None:
                return await self._once(kind, path, pairs, renewed, timeout)
        return heard

    async def register(self, kind: KaspiPosRoute, *, timeout: float) -> Heard:
        """Ask for tokens; a person accepts at the terminal. Of what it answers, the tokens are kept back."""
        heard = await self._once(kind, "/v2/register", [("name", kind.name)], None, timeout)
        return await self._take(kind, heard)

    async def _renew(self, kind: KaspiPosRoute, old: Tokens) -> Tokens | None:
        """Others in place of old ones; None when it does not give any."""
        async with self._renewing:
            store = self._store(kind)
            now = await store.get()
            if now is not None and now.access != old.access:
                return now  # somebody else was faster
            pairs = [("name", kind.name), ("refreshToken", old.refresh)]
            heard = await self._take(kind, await self._once(kind, "/v2/revoke", pairs, None, RENEW_S))
            if isinstance(heard, Said) and heard.code == OK:
                return await store.get()
            words = heard.words() if isinstance(heard, Said) else heard.detail
            _log.warning("a terminal did not renew the access token", extra={"reason": words})
            return None

    async def _take(self, kind: KaspiPosRoute, heard: Heard) -> Heard:
        """Put the tokens of an answer away."""
        if not isinstance(heard, Said) or heard.code != OK:
            return heard
        try:
            granted = msgspec.json.decode(heard.data, type=_Granted)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return Said(None, "an answer without tokens", http=heard.http)
        await self._store(kind).put(Tokens(granted.access_token, granted.refresh_token))
        return Said(OK)

    def _store(self, kind: KaspiPosRoute) -> TokenStore:
        store = self._stores.get(kind.name)
        if store is None:
            store = self._stores[kind.name] = TokenStore(self._journal, self.url, kind.name)
        return store

    async def _once(
        self, kind: KaspiPosRoute, path: str, pairs: Sequence[tuple[str, str]], tokens: Tokens | None, timeout: float
    ) -> Heard:
        result = await self._gateways.fetch(
            f"{self.url}{path}", timeout=timeout, pairs=pairs,
            headers={"accesstoken": tokens.access} if tokens is not None else {},
            trust=Pinned(kind.fingerprint) if kind.fingerprint else None,
        )  # fmt: skip
        if isinstance(result, Answered):
            return read_said(result.status, bytes(result.body))
        return result
