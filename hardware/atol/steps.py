"""What a conversation with the web server is made of: requests, what comes of them, and pauses.

A conversation is a generator. It yields what is to be done and gets what came of it: a `Response` or `NoAnswer` for a
`Request`, nothing for the rest. `protocol.AtolProtocol` runs one at a time.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

from hardware.protocol import Finish, Record, Say, Send

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request(Send):
    """Send this over HTTP and give back what came of it; `data` is the body, empty for none."""

    method: str = "GET"
    path: str = ""
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Response:
    """The server answered."""

    http: int
    body: bytes


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """It did not. `sent` is False only when surely nothing of the request has left."""

    sent: bool
    words: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Go on after that time."""

    seconds: float


@dataclass(slots=True)
class Clock:
    """The time as the protocol was last told it."""

    now: float = 0.0


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things may take, in seconds."""

    request_s: float = 10.0  # one HTTP request
    poll_s: float = 0.5  # between two looks at a task (0.5 to 2 by public clients)
    query_s: float = 20.0  # a question to the register, its place in the queue included
    answer_s: float = 90.0  # a caller's wait for a document; a Z report takes up to 60
    blocked_s: float = 15.0  # a caller's wait for a blocked queue: a person is needed
    settle_s: float = 5.0  # after which a request that was lost will not arrive any more
    nudge_s: float = 5.0  # between two tries to have printing continued
    retry_s: float = 1.0  # a server that is away is asked again, later each time, ...
    retry_max_s: float = 10.0  # ... up to this
    watch_s: float = 60.0  # how often an idle register is looked at; each look is a task in its server's database
    watch_fault_s: float = 5.0  # and one that is away or out of service


Step = Request | Record | Finish | Say | Pause
Reply = Response | NoAnswer | None
Talk = Generator[Step, Reply, T]
