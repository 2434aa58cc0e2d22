"""Whether ATOL's web server answers at a TCP address: by asking for a task that nobody ever gave it.

Only for `tcp://` addresses: on a serial port these bytes are text, and a receipt printer would print them.
"""

import h11

from hardware.atol.frames import Results, WebError, read_answer
from hardware.atol.states import Code
from hardware.ports import LineSettings
from hardware.probe import Ask, Found, Probe, Probing
from hardware.roles import Identity

_NOBODYS = "00000000-0000-5000-8000-000000000000"
_REQUEST = f"GET /api/v2/requests/{_NOBODYS} HTTP/1.1\r\nHost: kioskwire\r\nConnection: close\r\n\r\n".encode()


def _ask() -> Probing:
    came = yield Ask(_REQUEST, seconds=2.0, enough=lambda data: _read(data) is not None)
    answer = _read(came)
    if answer is None:
        return []
    said = read_answer(*answer)
    if isinstance(said, Results):
        return [_found("answers")]
    if isinstance(said, WebError) and said.code == Code.NOT_AUTHORISED:
        return [_found("answers, and wants a login and a password")]
    if isinstance(said, WebError) and said.code == Code.WEB_FAIL:
        return [_found("answers")]
    return []


def _found(words: str) -> Found:
    return Found(driver="atol", identity=Identity(maker="ATOL"), words=f"the web server {words}")


def _read(data: bytes) -> tuple[int, bytes] | None:
    """Status and body, once they are whole."""
    http = h11.Connection(h11.CLIENT)
    http.send(h11.Request(method="GET", target="/", headers=[("Host", "kioskwire"), ("Connection", "close")]))
    http.send(h11.EndOfMessage())
    status, body = 0, b""
    try:
        http.receive_data(data)
        while True:
            event = http.next_event()
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return status, body
            else:
                return None
    except h11.RemoteProtocolError:
        return None


PROBES = (Probe("atol", LineSettings(baud=115200), _ask),)
