"""Whether each route's gateway can be reached: address, TCP, TLS, and one harmless question. Never a payment.

The question is `OPTIONS *` without a body: it is about the server as a whole and names no resource, so that there is
nothing it could ask for; any answer will do. A terminal with a conversation of its own (`gateway: kaspi-pos`) is only
connected to. Each step has a timeout; nothing is tried twice. Routes to devices say how the device stands.
"""

import asyncio
import contextlib
import hashlib
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

import msgspec

from appliance import trust
from appliance.engineer.work import Failed, Job, Mark
from appliance.kinds import AtolWebRoute, CashRoute, DeviceRoute, KaspiPosRoute
from appliance.routes import Route
from appliance.supervisor import NoSuchDevice, Supervisor, Watched
from hardware.events import DeviceState

STEP_S = 5.0
AT_ONCE = 4
LIMIT_S = 120.0
_HEAD_MAX = 8 * 1024
_OUT = {DeviceState.ABSENT, DeviceState.FAULT}


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one gateway. `took_ms` up to the answer, or to where it went wrong."""

    name: str
    where: str  # as it may be shown
    well: bool
    key: str  # of the page's words
    fields: dict[str, object] = {}
    took_ms: int = 0


async def check_routes(job: Job, routes: Iterable[Route], supervisor: Supervisor) -> None:
    """All of them, a few at once. Raises `Failed` where one is not reached."""
    turn = asyncio.Semaphore(AT_ONCE)
    found: list[Gate] = []

    async def look(route: Route) -> None:
        async with turn:
            gate = await look_at(route, supervisor.find)
        found.append(gate)
        job.facts["gates"] = sorted(found, key=lambda each: each.name)
        fields = {**gate.fields, "name": gate.name, "where": gate.where, "ms": gate.took_ms}
        job.say(Mark.DONE if gate.well else Mark.WRONG, gate.key, **fields)

    async with asyncio.TaskGroup() as group:
        for route in routes:
            group.create_task(look(route))
    bad = [each.name for each in found if not each.well]
    job.facts["told"] = {"routes": len(found), "unreachable": sorted(bad)[:20]}
    if not found:
        raise Failed("gate.none")
    if bad:
        raise Failed("gate.some-bad", count=len(bad), all=len(found))


async def look_at(route: Route, find: Callable[[str], Watched]) -> Gate:
    """One route's."""
    kind, where = route.kind, route.shown_url
    if isinstance(kind, DeviceRoute | CashRoute):
        return _devices(route, [kind.device] if isinstance(kind, DeviceRoute) else list(kind.devices), find)
    url = kind.url if isinstance(kind, KaspiPosRoute | AtolWebRoute) else route.url
    asks = not isinstance(kind, KaspiPosRoute)
    pinned = kind.fingerprint if isinstance(kind, KaspiPosRoute) else ""
    began = time.monotonic()

    def gate(well: bool, key: str, **fields: object) -> Gate:
        took = round((time.monotonic() - began) * 1000)
        return Gate(name=route.name, where=where, well=well, key=key, fields=fields, took_ms=took)

    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        tls = await asyncio.to_thread(_context, route, pinned) if parts.scheme == "https" else None
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        return gate(False, "gate.settings", words=str(error))
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(STEP_S):
            reader, writer = await asyncio.open_connection(
                host, port, ssl=tls, server_hostname=host if tls is not None else None
            )
        if pinned and not _is_pinned(writer, pinned):
            return gate(False, "gate.another-certificate")
        if not asks:
            return gate(True, "gate.connects")
        writer.write(f"OPTIONS * HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\nUser-Agent: kioskwire\r\n"
                     "Content-Length: 0\r\nConnection: close\r\n\r\n".encode("latin-1", "replace"))  # fmt: skip
        async with asyncio.timeout(STEP_S):
            line = (await reader.readline())[:_HEAD_MAX]
        status = line.split()[1:2]
        if line.startswith(b"HTTP/") and status and status[0].isdigit():
            return gate(True, "gate.answers", status=int(status[0][:3]))
        return gate(False, "gate.no-http")
    except TimeoutError:
        return gate(False, "gate.silent" if writer is not None else "gate.timeout", seconds=f"{STEP_S:g}")
    except socket.gaierror:
        return gate(False, "gate.name", host=host)
    except ssl.SSLCertVerificationError as error:
        return gate(False, "gate.certificate", words=error.verify_message)
    except ssl.SSLError as error:
        return gate(False, "gate.tls", words=error.reason or str(error))
    except ConnectionRefusedError:
        return gate(False, "gate.refused", port=port)
    except (OSError, ValueError) as error:
        return gate(False, "gate.line", words=getattr(error, "strerror", None) or str(error))
    finally:
        if writer is not None:
            writer.close()
            with contextlib.suppress(Exception):
                async with asyncio.timeout(1.0):
                    await writer.wait_closed()


def _devices(route: Route, names: list[str], find: Callable[[str], Watched]) -> Gate:
    words = []
    for name in names:
        try:
            watched = find(name)
        except NoSuchDevice as error:
            words.append(str(error))
            continue
        if watched.status.state in _OUT or watched.hindrance:
            words.append(f"{name}: {watched.hindrance or watched.status.words or watched.status.state.value}")
    key = "gate.device-bad" if words else "gate.device-well"
    return Gate(name=route.name, where=", ".join(names), well=not words, key=key, fields={"words": "; ".join(words)})


def _context(route: Route, pinned: str) -> ssl.SSLContext:
    """As the route's own calls have it. Raises OSError, ssl.SSLError."""
    made = trust.context(route.tls.ca_file)
    if pinned or not route.tls.verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if route.tls.client_cert:
        made.load_cert_chain(route.tls.client_cert, route.tls.client_key or None)
    return made


def _is_pinned(writer: asyncio.StreamWriter, fingerprint: str) -> bool:
    tls = writer.get_extra_info("ssl_object")
    found = tls.getpeercert(binary_form=True) if tls is not None else None
    return found is not None and hashlib.sha256(found).hexdigest() == fingerprint
