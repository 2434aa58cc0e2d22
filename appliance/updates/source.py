"""Where new versions come from: the hub or any web server. What it says is believed as far as it is signed.

async with open_source(…) as source:
    manifest = await source.manifest(keys, after=7)      signed, of our channel, and not older than what was seen
    rollout = await source.rollout()                     None where the server keeps none
"""

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type] # its command line, see appliance.gateways

import httpx  # noqa: E402
import msgspec  # noqa: E402

from appliance.outward import environment_proxy  # noqa: E402
from appliance.trust import context  # noqa: E402
from appliance.updates.minisign import (  # noqa: E402
    TEXT_MAX_BYTES,
    Keys,
    SignatureError,
    digest,
    read_keys,
    verify,
)
from wire.release import (  # noqa: E402
    MANIFEST,
    ROLLOUT,
    SIGNATURE_SUFFIX,
    Manifest,
    Rollout,
    read_manifest,
    read_rollout,
)
from wire.version import VERSION  # noqa: E402

MANIFEST_MAX_BYTES = 1024 * 1024
_ROLLOUT_MAX_BYTES = 64 * 1024
_SMALL_WITHIN_S = 300.0  # for a small file as a whole: a server that drips must not hold us for ever
_TIMEOUT = httpx.Timeout(connect=15.0, read=60.0, write=30.0, pool=15.0)  # for each read: a slow line is no fault
_ERRORS = (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError, UnicodeError, ValueError)


class SourceError(Exception):
    """It cannot be had now, or not believed; in words. `bad`: what came is wrong, and will be the next time too."""

    def __init__(self, words: str, *, bad: bool = False) -> None:
        super().__init__(words)
        self.bad = bad
        self.got_on = False  # a part of a file came all the same: asking again soon is worth it


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """The address and the way there."""

    url: str  # https://hub.example.com/updates
    channel: str
    proxy_url: str = ""
    ca_file: str = ""


class Source:
    """One channel, over one client."""

    def __init__(self, client: httpx.AsyncClient, where: Where) -> None:
        self.client = client
        self._where = where

    def url(self, file: str) -> str:
        """The address of a channel's file."""
        return f"{self._where.url.rstrip('/')}/{self._where.channel}/{file}"

    async def manifest(self, keys: Keys, after: int) -> Manifest:
        """The channel's manifest. Raises `SourceError`: not signed, of another channel, or older than one seen."""
        data = await self.read(MANIFEST, MANIFEST_MAX_BYTES)
        signature = await self.read(MANIFEST + SIGNATURE_SUFFIX, TEXT_MAX_BYTES)
        try:
            verify(keys, signature.decode("utf-8", "replace"), digest([data]))
            manifest = read_manifest(data)
        except (SignatureError, ValueError) as error:
            raise SourceError(f"the manifest is not taken: {error}", bad=True) from None
        if manifest.channel != self._where.channel:
            raise SourceError(f"the manifest is of the channel {manifest.channel}", bad=True)
        if manifest.serial < after:
            words = f"the manifest has serial {manifest.serial}, and {after} was seen already"
            raise SourceError(words, bad=True)
        return manifest

    async def rollout(self) -> Rollout | None:
        """How far the newest version may go; None where nobody says. Raises `SourceError`."""
        data = await self.read(ROLLOUT, _ROLLOUT_MAX_BYTES, missing=b"")
        try:
            return read_rollout(data) if data else None
        except ValueError as error:
            raise SourceError(f"the rollout is not understood: {error}", bad=True) from None

    async def read(self, file: str, most: int, missing: bytes | None = None) -> bytes:
        """A small file as a whole; `missing` where there is none such. Raises `SourceError`."""
        try:
            async with asyncio.timeout(_SMALL_WITHIN_S), self.client.stream("GET", self.url(file)) as response:
                if response.status_code == 404 and missing is not None:
                    return missing
                if response.status_code != 200:
                    raise SourceError(f"{file}: the server answered HTTP {response.status_code}")
                refuse_packed(response, file)
                data = bytearray()
                async for chunk in response.aiter_raw():
                    data += chunk
                    if len(data) > most:
                        raise SourceError(f"{file} is larger than {most} bytes", bad=True)
                return bytes(data)
        except _ERRORS as error:
            raise SourceError(f"{file}: {why(error)}") from None


@asynccontextmanager
async def open_source(where: Where) -> AsyncIterator[Source]:
    """A client for one look or one download. Raises `SourceError`."""
    try:
        tls = context(where.ca_file)
        proxy = where.proxy_url or environment_proxy(where.url.replace("http", "ws", 1))
        client = httpx.AsyncClient(
            verify=tls, proxy=proxy or None, trust_env=False, timeout=_TIMEOUT, follow_redirects=True, max_redirects=5,
            headers={"User-Agent": f"kioskwire-appliance/{VERSION}", "Accept-Encoding": "identity"},
            event_hooks={"request": [_Way(where.url).allow]},
        )  # fmt: skip
    except _ERRORS as error:
        raise SourceError(f"nothing can be looked for: {why(error)}") from None
    async with client:
        yield Source(client, where)


class _Way:
    """Where a redirect may lead: to https, where a certificate is checked; else to nowhere but the same server.

    So that who has the hub, or the line to it, cannot have a kiosk call what stands in its network without a name.
    """

    def __init__(self, url: str) -> None:
        self._from = httpx.URL(url)

    async def allow(self, request: httpx.Request) -> None:
        """Raises `httpx.RequestError`."""
        to = request.url
        if to.scheme != "https" and (to.scheme, to.host, to.port) != (
            self._from.scheme, self._from.host, self._from.port,
        ):  # fmt: skip
            raise httpx.RequestError(f"the server sends us on to {to.scheme}://{to.host}, which is not https")


def refuse_packed(response: httpx.Response, file: str) -> None:
    """Nothing is unpacked on the way: a few bytes could become more than the memory holds. Raises `SourceError`."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise SourceError(f"{file}: the server packs it though it was asked not to")


def load_keys(path: Path) -> Keys:
    """The keys in a file. Raises `SourceError`; blocks."""
    try:
        with path.open("rb") as file:
            data = file.read(TEXT_MAX_BYTES + 1)
        if len(data) > TEXT_MAX_BYTES:
            raise SourceError(f"{path} is larger than {TEXT_MAX_BYTES} bytes", bad=True)
        return read_keys(data.decode("utf-8", "replace"))
    except OSError as error:
        raise SourceError(f"the keys of releases, {path}, cannot be read: {error.strerror}", bad=True) from None
    except SignatureError as error:
        raise SourceError(f"{path}: {error}", bad=True) from None


def why(error: Exception) -> str:
    """An error of the line, in words without an address's secrets."""
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return "the server did not answer in time"
    if isinstance(error, httpx.TooManyRedirects):
        return "the server sends us in a circle"
    return str(error) or type(error).__name__
