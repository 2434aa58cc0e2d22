"""The messages of `kiosk.v2`, one struct each; `decode_from_kiosk` and `decode_from_hub` read them.

A body stays as it came (`msgspec.Raw`, checked to be JSON): nothing between the backend and the gateway rounds a
number or reorders a field. Unknown fields are ignored, an unknown `type` decodes to None, anything else that is no
message raises `Malformed`.
"""

import re
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

SUBPROTOCOL = "kiosk.v2"
MESSAGE_MAX_BYTES = 1024 * 1024
EMPTY_OBJECT = msgspec.Raw(b"{}")

# Numbers that every database holds: one too large would fail each time the hub tried to store it.
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
HttpStatus = Annotated[int, msgspec.Meta(ge=0, le=999)]
# What a kiosk says of itself is kept as long as it is here, and its journal's name beside every operation.
Label = Annotated[str, msgspec.Meta(max_length=64)]
Text = Annotated[str, msgspec.Meta(max_length=255)]
_LIST_MAX = msgspec.Meta(max_length=1000)


class Malformed(ValueError):
    """A text that is no message of this dialect; its words say why, and quote nothing of the content."""


class Executed(StrEnum):
    """What the kiosk knows of an operation's effect."""

    YES = "yes"  # the gateway answered: status and body are its answer
    NO = "no"  # it never reached the gateway, and never will
    UNKNOWN = "unknown"  # the gateway may have acted; only it or a person can tell


class Message(msgspec.Struct, tag_field="type", frozen=True, kw_only=True):
    """The base of all messages: on the wire its lower-case name stands in `type`."""


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A device as the kiosk announces it."""

    name: Text
    role: Text = ""
    driver: Text = ""
    state: Text = ""


class Hello(Message, tag="hello", frozen=True):
    """Kiosk → hub, first message. `started_at` is Unix seconds by the kiosk's clock, to be trusted as such."""

    version: Text
    boot_id: Text
    started_at: float = 0.0
    routes: Annotated[list[Text], _LIST_MAX] = []  # names; "default" among them when the kiosk takes any
    devices: Annotated[list[Device], _LIST_MAX] = []
    unsettled: Count = 0
    # Names the journal the kiosk remembers by. A kiosk that lost its journal cannot tell what it executed before, so
    # the hub asks it nothing about operations sent under another name.
    journal: Label = ""
    # Seconds for which this run of the program, named by `boot_id`, has lasted: by a clock that nobody sets.
    uptime: float = 0.0
    # How many outcomes or events it tells in one message, if the hub takes as many: `welcome.batch`. 0: one.
    batch: Count = 0
    # Signs `wire.enrolment.proof_text`, base64url without padding; a kiosk that was enrolled has a key to sign with.
    proof: Text = ""


class Welcome(Message, tag="welcome", frozen=True):
    """Hub → kiosk, the answer to hello. `time` is Unix seconds, so that a kiosk can tell its clock is wrong.

    `clock` is what the hub's steady clock shows as this is sent, seconds from any beginning; 0: the hub does not say.
    The same stands in each ping and request; see `wire.freshness`. `spread` is over how many seconds the kiosk spreads
    its return when this connection breaks without a word; 0: the hub does not say. See `wire.returning`.
    """

    hub: str
    time: float
    ping_interval: float
    batch: Count = 0  # the most outcomes or events in one message; 0: the hub knows `response` and `event` only
    clock: float = 0.0
    spread: float = 0.0


class Request(Message, tag="request", frozen=True):
    """Hub → kiosk: do this, once.

    `start_within` counts seconds from when it was sent, as `clock` tells, or from receipt; 0 asks only what became of
    it.
    """

    request_id: str
    operation: str
    method: Literal["GET", "POST"] = "POST"
    headers: dict[str, str] = {}
    body: msgspec.Raw = EMPTY_OBJECT
    start_within: float = 0.0
    clock: float = 0.0


class Accepted(Message, tag="accepted", frozen=True):
    """Kiosk → hub: written durably, now being executed."""

    request_id: str


class Progress(Message, tag="progress", frozen=True):
    """Kiosk → hub: how far it is. Not durable."""

    request_id: str
    data: msgspec.Raw = EMPTY_OBJECT


class Error(msgspec.Struct, frozen=True):
    """Why there is no gateway's answer: a key of `wire.problems.PROBLEMS`, and a sentence."""

    type: str
    detail: str = ""


class Response(Message, tag="response", frozen=True):
    """Kiosk → hub: the outcome. With `executed` yes, `status` and `body` are the gateway's; else `error` says why."""

    request_id: str
    operation: str
    executed: Executed
    status: HttpStatus = 0
    body: msgspec.Raw = EMPTY_OBJECT
    error: Error | None = None
    elapsed: float = 0.0  # seconds spent at the kiosk, waiting included


class Responses(Message, tag="responses", frozen=True):
    """Kiosk → hub: outcomes out of its journal, oldest first. Without `more` they are the last that wait there."""

    responses: Annotated[list[Response], _LIST_MAX]
    more: bool = True


class Settled(Message, tag="settled", frozen=True):
    """Hub → kiosk: the response is stored; the kiosk may forget it."""

    request_id: str


class AllSettled(Message, tag="all_settled", frozen=True):
    """Hub → kiosk: these responses are stored; the kiosk may forget them."""

    request_ids: Annotated[list[str], _LIST_MAX]


class Event(Message, tag="event", frozen=True):
    """Kiosk → hub: something happened there. `seq` grows by one within one journal; `at` is Unix seconds."""

    seq: Count
    at: float
    kind: str
    device: str = ""
    data: msgspec.Raw = EMPTY_OBJECT


class Events(Message, tag="events", frozen=True):
    """Kiosk → hub: what happened after `after`, in order. What is missing between has been dropped by the kiosk."""

    after: Count
    events: Annotated[list[Event], _LIST_MAX]


class EventAck(Message, tag="event_ack", frozen=True):
    """Hub → kiosk: all events up to `seq` are stored."""

    seq: Count


class Cancel(Message, tag="cancel", frozen=True):
    """Hub → kiosk: do not start it, or stop it if that is still possible."""

    request_id: str


FromKiosk = Hello | Accepted | Progress | Response | Responses | Event | Events
FromHub = Welcome | Request | Settled | AllSettled | EventAck | Cancel


class _Head(msgspec.Struct):
    type: str


_head = msgspec.json.Decoder(_Head)
_from_kiosk: msgspec.json.Decoder[FromKiosk] = msgspec.json.Decoder(FromKiosk)
_from_hub: msgspec.json.Decoder[FromHub] = msgspec.json.Decoder(FromHub)
_FROM_KIOSK_TYPES = frozenset({"hello", "accepted", "progress", "response", "responses", "event", "events"})
_FROM_HUB_TYPES = frozenset({"welcome", "request", "settled", "all_settled", "event_ack", "cancel"})
_QUOTED = re.compile(r" '.*'(?= - at |$)", re.DOTALL)  # an enum's value, as msgspec names it
encode = msgspec.json.Encoder().encode


def decode_from_kiosk(text: str | bytes) -> FromKiosk | None:
    """Read what a kiosk sent. None for a type of a later version; raises `Malformed`."""
    try:
        return _from_kiosk.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        _explain(text, _FROM_KIOSK_TYPES, error)
        return None


def decode_from_hub(text: str | bytes) -> FromHub | None:
    """Read what the hub sent. None for a type of a later version; raises `Malformed`."""
    try:
        return _from_hub.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        _explain(text, _FROM_HUB_TYPES, error)
        return None


def _explain(text: str | bytes, known: frozenset[str], error: Exception) -> None:
    """Raise `Malformed`, unless it is a message of a type not known."""
    try:
        head = _head.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise Malformed("not a JSON object with a type") from error
    if head.type in known:
        raise Malformed(f"{head.type}: {_QUOTED.sub('', str(error))}") from error
