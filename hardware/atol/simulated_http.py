"""HTTP/1.1 in front of the simulated web server: text in, text out, cut anywhere; one connection at a time."""

from typing import Protocol

import h11

_BAD = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_BEGINNINGS = (b"GET /", b"POST /", b"DELETE /")


class Answers(Protocol):
    """What a request leads to: the status and the body."""

    def __call__(
        self, method: str, target: str, body: bytes, now: float, *, authorization: str = ""
    ) -> tuple[int, bytes]:
        """One whole request."""


class HttpFront:
    """Reads requests and writes what `answers` gives."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._http = h11.Connection(h11.SERVER)
        self._request: h11.Request | None = None
        self._body = b""

    def hung_up(self) -> None:
        """The connection is gone, and half a request with it."""
        self._http, self._request, self._body = h11.Connection(h11.SERVER), None, b""

    def received(self, data: bytes, now: float) -> list[bytes]:
        """What is answered to these bytes."""
        if self._request is not None and data.startswith(_BEGINNINGS):
            self.hung_up()  # the one before was left in the middle, and this is another connection
        self._http.receive_data(data)
        answers: list[bytes] = []
        try:
            while True:
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    return answers
                if event is h11.PAUSED:
                    self._http.start_next_cycle()
                elif isinstance(event, h11.Request):
                    self._request, self._body = event, b""
                elif isinstance(event, h11.Data):
                    self._body += bytes(event.data)
                elif isinstance(event, h11.EndOfMessage) and self._request is not None:
                    answers.append(self._respond(self._request, now))
                    self._request = None
                    if self._http.our_state is h11.MUST_CLOSE:
                        self._http = h11.Connection(h11.SERVER)
                elif isinstance(event, h11.ConnectionClosed):
                    self.hung_up()
                    return answers
        except h11.RemoteProtocolError:
            self.hung_up()
            return [*answers, _BAD]

    def _respond(self, request: h11.Request, now: float) -> bytes:
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in request.headers}
        status, answer = self._answers(
            request.method.decode(),
            request.target.decode("latin-1"),
            self._body,
            now,
            authorization=headers.get("authorization", ""),
        )
        response = h11.Response(
            status_code=status,
            headers=[("Content-Type", "application/json; charset=utf-8"), ("Content-Length", str(len(answer)))],
        )
        pieces = [self._http.send(response), self._http.send(h11.Data(answer)), self._http.send(h11.EndOfMessage())]
        return b"".join(piece for piece in pieces if piece)
