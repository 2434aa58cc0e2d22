"""Opening one connection: address, proxy, TLS, upgrade; and what its failure means.

Names are looked up for every attempt, redirects are not followed (the token goes to the configured address only), and
the library's own logger is kept from printing headers.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from typing import cast

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    InvalidHandshake,
    InvalidProxy,
    InvalidProxyStatus,
    InvalidStatus,
    InvalidURI,
    ProxyError,
)
from websockets.frames import Frame, Opcode
from websockets.protocol import Event

from appliance import trust
from appliance.identity import Identity
from appliance.outward import NO_TLS, distrust, environment_proxy, read_retry_after, speaks_no_tls
from wire.enrolment import CHALLENGE_HEADER
from wire.messages import MESSAGE_MAX_BYTES, SUBPROTOCOL
from wire.version import VERSION

OPEN_TIMEOUT_S = 15.0
CLOSE_TIMEOUT_S = 3.0
_WRITE_LIMIT = 256 * 1024
_REFUSED = frozenset({401, 403})
_LATER = frozenset({429, 503})

_quiet = logging.getLogger("websockets.uplink")


class DialError(Exception):
    """No connection came about; the words never hold the token or the URL's query."""

    def __init__(
        self, words: str, *, refused: bool = False, bad_token: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(words)
        self.refused = refused  # the hub does not want this kiosk
        self.bad_token = bad_token  # its token opens nothing any more
        self.retry_after = retry_after  # seconds, when the hub said so


class Address(msgspec.Struct, frozen=True):
    """Where the hub is and how to get there."""

    url: str
    token: str
    proxy_url: str = ""
    ca_file: str = ""
    identity: Identity | None = None  # who has a key to prove it with; None: a token alone


class Connection(ClientConnection):
    """Remembers when anything last arrived, pings and pongs included."""

    heard_at = 0.0
    challenge = ""  # which the hub gave this connection
    pinged: Callable[[bytes], None] | None = None  # told what each ping of the hub says
    hub_gone = False  # its end was closed: no trouble of the line

    def data_received(self, data: bytes) -> None:
        """Note the time, then read."""
        self.heard_at = time.monotonic()
        super().data_received(data)

    def process_event(self, event: Event) -> None:
        """Note what a ping says."""
        if self.pinged is not None and isinstance(event, Frame) and event.opcode is Opcode.PING:
            self.pinged(bytes(event.data))
        super().process_event(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Close; a tunnel that breaks before TLS stands in it was no connection yet, and has nothing to be closed."""
        self.hub_gone = exc is None or isinstance(exc, ConnectionResetError | BrokenPipeError)
        if hasattr(self, "recv_messages"):
            super().connection_lost(exc)


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        """A redirect is an answer like any other, and no way to send the token elsewhere."""
        return exc


async def dial(address: Address) -> Connection:
    """Open a connection that speaks `kiosk.v2`. Raises `DialError`."""
    _quiet.setLevel(logging.WARNING)
    proxy = address.proxy_url or environment_proxy(address.url)
    try:
        # In a thread: some hundred authorities take a small board a good part of a second, in which devices wait.
        tls = await asyncio.to_thread(trust.context, address.ca_file) if address.url.startswith("wss://") else None
    except (OSError, ssl.SSLError) as error:
        raise DialError(f"CA_FILE cannot be used: {error}") from None
    try:
        opened = await _Connect(
            address.url,
            subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
            additional_headers={"Authorization": f"Bearer {address.token}"},
            user_agent_header=f"kioskwire-appliance/{VERSION}",
            compression=None,
            proxy=proxy,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            ping_interval=None,  # the conversation has its own heartbeat
            max_size=MESSAGE_MAX_BYTES,
            write_limit=_WRITE_LIMIT,
            logger=_quiet,
            create_connection=Connection,
            ssl=tls,
        )
    except InvalidStatus as error:
        raise _status_error(error) from None
    except InvalidProxyStatus as error:
        words = f"the proxy answered HTTP {error.response.status_code}"
        if error.response.status_code == 407:
            words += ": it wants a user and a password in PROXY_URL"
        raise DialError(words) from None
    except TimeoutError:
        raise DialError(f"no connection within {OPEN_TIMEOUT_S:.0f} s") from None
    except ssl.SSLCertVerificationError as error:
        raise DialError(distrust(error, time.time())) from None
    except ProxyError as error:
        raise DialError(f"the proxy failed: {error}") from None
    except InvalidProxy as error:
        raise DialError(f"the proxy's address cannot be used: {error.msg}") from None  # its text holds the password
    except UnicodeError:
        raise DialError("cannot connect: no host can have the name in WS_SERVER_URL or PROXY_URL") from None
    except (InvalidHandshake, InvalidURI) as error:
        raise DialError(f"the hub did not answer as a WebSocket: {type(error).__name__}") from None
    except (OSError, EOFError) as error:
        through = " through the proxy" if proxy else ""
        words = NO_TLS if speaks_no_tls(error) else str(error) or type(error).__name__
        raise DialError(f"cannot connect{through}: {words}") from None
    connection = cast("Connection", opened)
    if connection.subprotocol != SUBPROTOCOL:
        await connection.close()
        raise DialError(f"the hub does not speak {SUBPROTOCOL}")
    connection.heard_at = time.monotonic()
    given = connection.response.headers.get_all(CHALLENGE_HEADER) if connection.response else []
    connection.challenge = given[0] if given else ""
    return connection


def _status_error(error: InvalidStatus) -> DialError:
    status = error.response.status_code
    if status in _REFUSED:
        return DialError(
            f"the hub answered HTTP {status}: the token is wrong or the kiosk is disabled",
            refused=True,
            bad_token=status == 401,
        )
    if status in _LATER:
        told = error.response.headers.get_all("Retry-After")  # a proxy between may have added its own
        after = read_retry_after(told[0], time.time()) if told else None
        return DialError(f"the hub is busy (HTTP {status})", retry_after=after)
    return DialError(f"the hub answered HTTP {status} instead of opening a WebSocket")
