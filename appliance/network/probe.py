"""Looks along the way to the hub, as the uplink goes it: proxy, authorities and address are the same.

Every look has a timeout, all together stay below `WALK_S`. Nothing is changed and no secret is sent but the proxy's
own password to the proxy: what is asked of the hub is `GET /health`, and once, unencrypted, port 80 of its name. Where
a certificate is refused, a second connection looks at it without trusting it, to say whose it is.
"""

import asyncio
import base64
import contextlib
import ipaddress
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit

import msgspec

from appliance import trust
from appliance.network import machine
from appliance.network.certificate import read_certificate
from appliance.network.steps import Interface, Seen, Told
from appliance.outward import environment_proxy, is_about_clock, speaks_no_tls
from appliance.reading import shown_url
from wire.version import VERSION

WALK_S = 28.0
LOOKUP_S, CONNECT_S, TUNNEL_S, TLS_S, ANSWER_S, PORT_80_S, PEEK_S = 5.0, 5.0, 5.0, 5.0, 5.0, 3.0, 4.0
HTTP_PORT = 80
_HEAD_MAX, _BODY_MAX = 16 * 1024, 64 * 1024
_HOSTNAME_MISMATCH, _IP_MISMATCH = 62, 64  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_NOT_YET = 9  # X509_V_ERR_CERT_NOT_YET_VALID
_STATUSES = {"healthy", "degraded"}  # a hub's own words for itself

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Aim(msgspec.Struct, frozen=True, kw_only=True):
    """Where the uplink dials, and how."""

    url: str  # ws:// or wss://
    proxy_url: str = ""
    ca_file: str = ""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Who tells of this machine's own network."""

    interfaces: Callable[[], tuple[Interface, ...]] = machine.interfaces
    has_default_route: Callable[[], bool | None] = machine.has_default_route
    name_servers: Callable[[], tuple[str, ...]] = machine.name_servers


class _Over(Exception):
    """There is nothing more to be seen on this way."""


async def look(aim: Aim, here: Machine | None = None) -> Seen:
    """Walk once. Never raises for anything that the network does; what was not come to is left as it was."""
    here = here or Machine()
    walk = _Walk(aim)
    seen = walk.seen
    seen.interfaces, seen.default_route, seen.servers = await asyncio.to_thread(
        lambda: (here.interfaces(), here.has_default_route(), here.name_servers())
    )
    with contextlib.suppress(_Over, TimeoutError):
        async with asyncio.timeout(WALK_S):
            await walk.go()
    return seen


class _Walk:
    def __init__(self, aim: Aim) -> None:
        self._aim = aim
        self._parts = urlsplit(aim.url)
        host = self._parts.hostname or ""
        encrypted = self._parts.scheme == "wss"
        self._host, self._port = host, self._parts.port or (443 if encrypted else 80)
        proxy = aim.proxy_url or environment_proxy(aim.url) or ""
        self._proxy = urlsplit(proxy) if proxy else None
        self.seen = Seen(host=host, via=shown_url(proxy) if proxy else "", encrypted=encrypted, wall=time.time())

    async def go(self) -> None:
        """All of it. Raises `_Over`."""
        first, port = self._host, self._port
        if self._proxy is not None:
            first, port = self._proxy.hostname or "", self._proxy.port or _usual(self._proxy.scheme)
        await self._look_up(first, port)
        try:
            await self._through()
        finally:
            if self._asks_port_80():
                self.seen.port_80 = await self._ask_port_80()

    async def _look_up(self, name: str, port: int) -> None:
        seen = self.seen
        try:
            seen.addresses = (str(ipaddress.ip_address(name)),)
        except ValueError:
            seen.name = name
            try:
                async with asyncio.timeout(LOOKUP_S):
                    found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
            except TimeoutError:
                seen.looked_up = "silent"
            except socket.gaierror as error:
                nobody = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
                seen.looked_up, seen.reason = ("no-name" if error.errno in nobody else "silent"), str(error)
            except (UnicodeError, OSError) as error:
                seen.looked_up, seen.reason = "bad-name", str(error)
            else:
                seen.looked_up = "found"
                seen.addresses = tuple(dict.fromkeys(str(each[4][0]) for each in found))
            if seen.looked_up != "found":
                raise _Over from None
        parsed = [ipaddress.ip_address(each.partition("%")[0]) for each in seen.addresses]
        seen.local = all(each.is_loopback for each in parsed)
        seen.near = self._proxy is None and all(each.is_private for each in parsed)

    async def _through(self) -> None:
        """The hub's own answer, by the way that the uplink takes."""
        seen = self.seen
        async with self._way() as (reader, writer):
            if seen.encrypted:
                try:
                    context = await asyncio.to_thread(trust.context, self._aim.ca_file)
                except (OSError, ssl.SSLError) as error:
                    seen.tls, seen.reason = "no-authorities", str(error)
                    return
                refused = await self._encrypt(writer, context)
                if refused is not None:
                    await self._peek(refused)
                    return
            seen.hub = await self._ask(reader, writer, self._path(), ANSWER_S)
            seen.wall = time.time()
            seen.hub_silent = seen.hub is None

    async def _encrypt(
        self, writer: asyncio.StreamWriter, context: ssl.SSLContext
    ) -> ssl.SSLCertVerificationError | None:
        seen = self.seen
        try:
            async with asyncio.timeout(TLS_S):
                await writer.start_tls(context, server_hostname=self._host)
        except ssl.SSLCertVerificationError as error:
            return error
        except TimeoutError:
            seen.tls = "silent"
            raise _Over from None
        except (OSError, EOFError) as error:
            seen.tls, seen.reason = ("none" if speaks_no_tls(error) else "broken"), str(error) or type(error).__name__
            raise _Over from None
        seen.tls = "trusted"
        shown = writer.get_extra_info("ssl_object")
        der = shown.getpeercert(binary_form=True) if shown is not None else None
        seen.certificate = read_certificate(der) if der else None
        return None

    async def _peek(self, refused: ssl.SSLCertVerificationError) -> None:
        """Whose certificate it is that was refused, and what the time is there."""
        seen = self.seen
        if is_about_clock(refused):
            seen.tls = "not-yet" if refused.verify_code == _NOT_YET else "expired"
        else:
            seen.tls = "name" if refused.verify_code in {_HOSTNAME_MISMATCH, _IP_MISMATCH} else "untrusted"
        seen.reason = refused.verify_message
        blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE  # to look, not to trust: no secret is sent
        with contextlib.suppress(OSError, EOFError, TimeoutError, _Over):
            async with asyncio.timeout(PEEK_S), self._way() as (reader, writer):
                await writer.start_tls(blind, server_hostname=self._host)
                shown = writer.get_extra_info("ssl_object")
                der = shown.getpeercert(binary_form=True) if shown is not None else None
                seen.certificate = read_certificate(der) if der else None
                seen.hub = await self._ask(reader, writer, self._path(), PEEK_S)
                seen.wall = time.time()

    @asynccontextmanager
    async def _way(self) -> AsyncIterator[Streams]:
        """A connection to the hub, through the proxy if there is one. Raises `_Over`."""
        first, port, tls = self._host, self._port, None
        if self._proxy is not None:
            first, port = self._proxy.hostname or "", self._proxy.port or _usual(self._proxy.scheme)
            # In a thread: some hundred authorities take a small board a good part of a second, in which devices wait.
            tls = await asyncio.to_thread(trust.context) if self._proxy.scheme == "https" else None
        seen = self.seen
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await asyncio.open_connection(first, port, ssl=tls, limit=_HEAD_MAX)
        except TimeoutError:
            seen.connected = "silent"
            raise _Over from None
        except ConnectionRefusedError as error:
            seen.connected, seen.reason = "refused", error.strerror or ""
            raise _Over from None
        except (OSError, UnicodeError) as error:
            seen.connected, seen.reason = "unreachable", str(error)
            raise _Over from None
        seen.connected = "yes"
        try:
            if self._proxy is not None:
                await self._tunnel(reader, writer)
            yield reader, writer
        finally:
            # At once: what is looked at need not be told goodbye, and may be silent.
            writer.transport.abort()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._proxy is not None
        where = f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"
        lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}", f"User-Agent: kioskwire-appliance/{VERSION}"]
        if self._proxy.username is not None:
            known = f"{unquote(self._proxy.username)}:{unquote(self._proxy.password or '')}"
            lines.append(f"Proxy-Authorization: Basic {base64.b64encode(known.encode()).decode()}")
        self.seen.tunnel = 0
        try:
            async with asyncio.timeout(TUNNEL_S):
                writer.write("\r\n".join([*lines, "", ""]).encode())
                head = await reader.readuntil(b"\r\n\r\n")
            self.seen.tunnel = read_head(head).status
        except (OSError, EOFError, TimeoutError, ValueError, asyncio.LimitOverrunError):
            raise _Over from None
        if self.seen.tunnel != 200:
            raise _Over

    def _asks_port_80(self) -> bool:
        """Whether somebody else may answer in the hub's place; where TLS is as it must be, nobody does."""
        seen = self.seen
        return seen.encrypted and not seen.via and not seen.local and seen.tls != "trusted" and bool(seen.addresses)

    async def _ask_port_80(self) -> Told | None:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(PORT_80_S):
                reader, writer = await asyncio.open_connection(self._host, HTTP_PORT, limit=_HEAD_MAX)
                try:
                    return await self._ask(reader, writer, "/", PORT_80_S)
                finally:
                    writer.transport.abort()
        return None

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, within_s: float
    ) -> Told | None:
        host = self._parts.netloc.rpartition("@")[2]
        lines = (
            f"GET {path} HTTP/1.1", f"Host: {host}", "Accept: application/json, text/html",
            f"User-Agent: kioskwire-appliance/{VERSION}", "Connection: close", "", "",
        )  # fmt: skip
        try:
            async with asyncio.timeout(within_s):
                writer.write("\r\n".join(lines).encode())
                told = read_head(await reader.readuntil(b"\r\n\r\n"))
                body = b""
                with contextlib.suppress(TimeoutError, OSError):
                    async with asyncio.timeout(1.0):
                        while len(body) < _BODY_MAX and (more := await reader.read(_BODY_MAX)):
                            body += more
        except (OSError, EOFError, TimeoutError, ValueError, asyncio.LimitOverrunError):
            return None
        return msgspec.structs.replace(told, is_hub=is_report(body), html=told.html or _is_html(body))

    def _path(self) -> str:
        return f"{self._parts.path.removesuffix('/').removesuffix('/ws')}/health"


def read_head(head: bytes) -> Told:
    """The head of an HTTP answer. Raises `ValueError` where it is none."""
    line, *rest = head.decode("latin-1").split("\r\n")
    words = line.split(" ")
    if not words[0].startswith("HTTP/") or len(words) < 2:
        raise ValueError("no HTTP")
    fields = {name.strip().lower(): value.strip() for name, _, value in (each.partition(":") for each in rest if each)}
    date = None
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        date = parsedate_to_datetime(fields.get("date", "")).timestamp()
    location = ""
    with contextlib.suppress(ValueError):
        location = urlsplit(fields.get("location", "")).hostname or ""
    return Told(
        status=int(words[1]), location=location[:100], date=date,
        html=fields.get("content-type", "").lower().startswith("text/html"),
    )  # fmt: skip


def is_report(body: bytes) -> bool:
    """Whether a body is a hub's report of itself; chunks around it do not matter."""
    start, end = body.find(b"{"), body.rfind(b"}")
    try:
        return (
            bool(msgspec.json.decode(body[start : end + 1], type=_Report).status in _STATUSES) if start >= 0 else False
        )
    except (msgspec.MsgspecError, UnicodeError, RecursionError):  # what stands there may be anybody's
        return False


class _Report(msgspec.Struct):
    status: str = ""


def _is_html(body: bytes) -> bool:
    head = body[:500].lstrip().lower()
    return head.startswith((b"<!doctype html", b"<html"))


def _usual(scheme: str) -> int:
    return 443 if scheme == "https" else 80
