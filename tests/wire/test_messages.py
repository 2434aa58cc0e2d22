"""The messages of `kiosk.v2`: what is read back is what was written, and nothing else is read."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.messages import (
    Accepted,
    Cancel,
    Device,
    Error,
    Event,
    EventAck,
    Executed,
    FromHub,
    FromKiosk,
    Hello,
    Malformed,
    Progress,
    Request,
    Response,
    Settled,
    Welcome,
    decode_from_hub,
    decode_from_kiosk,
    encode,
)

BODY = msgspec.Raw(b'{"sum": 1000000000000000000001, "rate": 0.10, "a": 1, "a": 2}')

FROM_KIOSK: list[FromKiosk] = [
    Hello(version="1", boot_id="b"),
    Hello(
        version="1",
        boot_id="b",
        started_at=1.5,
        routes=["payment", "default"],
        devices=[Device(name="bills", role="bill_validator", driver="ccnet", state="ready")],
        unsettled=3,
        journal="j1",
    ),
    Accepted(request_id="12345678"),
    Progress(request_id="12345678", data=msgspec.Raw(b'{"inserted":100}')),
    Response(request_id="12345678", operation="payment", executed=Executed.YES, status=200, body=BODY, elapsed=0.25),
    Response(
        request_id="12345678",
        operation="payment",
        executed=Executed.NO,
        error=Error(type="expired", detail="0.2 s late"),
    ),
    Event(seq=1, at=1.0, kind="bill_stacked", device="bills", data=msgspec.Raw(b'{"minor":10000}')),
]
FROM_HUB: list[FromHub] = [
    Welcome(hub="h", time=1.0, ping_interval=20.0),
    Request(request_id="12345678", operation="payment", method="GET", headers={"a": "b"}, body=BODY, start_within=4.5),
    Settled(request_id="12345678"),
    EventAck(seq=7),
    Cancel(request_id="12345678"),
]


@pytest.mark.parametrize("message", FROM_KIOSK, ids=lambda m: type(m).__name__)
def test_what_a_kiosk_writes_the_hub_reads(message: FromKiosk) -> None:
    assert decode_from_kiosk(encode(message)) == message
    assert decode_from_kiosk(encode(message).decode()) == message


@pytest.mark.parametrize("message", FROM_HUB, ids=lambda m: type(m).__name__)
def test_what_the_hub_writes_a_kiosk_reads(message: FromHub) -> None:
    assert decode_from_hub(encode(message)) == message


def test_the_type_stands_in_the_message() -> None:
    assert encode(Accepted(request_id="12345678")) == b'{"type":"accepted","request_id":"12345678"}'


def test_a_body_passes_byte_for_byte() -> None:
    request = decode_from_hub(encode(FROM_HUB[1]))
    assert isinstance(request, Request)
    assert bytes(request.body) == bytes(BODY)


def test_unknown_types_are_nothing() -> None:
    assert decode_from_kiosk(b'{"type":"firmware","version":2}') is None
    assert decode_from_hub(b'{"type":"firmware"}') is None


def test_unknown_fields_are_ignored() -> None:
    text = b'{"type":"settled","request_id":"12345678","because":["tests"]}'
    assert decode_from_hub(text) == Settled(request_id="12345678")


def test_a_message_for_the_other_side_is_of_an_unknown_type() -> None:
    assert decode_from_hub(encode(Accepted(request_id="12345678"))) is None
    assert decode_from_kiosk(encode(Settled(request_id="12345678"))) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "not a JSON object with a type"),
        (b"[]", "not a JSON object with a type"),
        (b"{}", "not a JSON object with a type"),
        (b'{"type":7}', "not a JSON object with a type"),
        (b"\xff\xfe", "not a JSON object with a type"),
        (b"[" * 100_000, "not a JSON object with a type"),
        (b'{"type":"accepted"}', "accepted: .*request_id"),
        (b'{"type":"accepted","request_id":5}', "accepted: "),
        (b'{"type":"response","request_id":"12345678","operation":"p","executed":"maybe"}', "response: "),
        (b'{"type":"event","seq":"1","at":1,"kind":"k"}', "event: "),
        (b'{"type":"event","seq":-1,"at":1,"kind":"k"}', "event: "),
        (b'{"type":"event","seq":9223372036854775808,"at":1,"kind":"k"}', "event: "),
        (b'{"type":"response","request_id":"12345678","operation":"p","executed":"yes","status":1000}', "response: "),
        (b'{"type":"response","request_id":"12345678","operation":"p","executed":"yes","status":-1}', "response: "),
        (
            b'{"type":"response","request_id":"12345678","operation":"p","executed":"yes","status":1180591620717411303424}',
            "response: ",
        ),
    ],
)
def test_what_is_no_message_is_malformed(text: bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        decode_from_kiosk(text)


def test_the_complaint_does_not_quote_the_content() -> None:
    text = b'{"type":"response","request_id":"12345678","operation":"p","executed":"4111111111111111"}'
    with pytest.raises(Malformed) as raised:
        decode_from_kiosk(text)
    assert str(raised.value) == "response: Invalid enum value - at `$.executed`"


@given(st.binary())
def test_no_bytes_raise_anything_but_malformed(text: bytes) -> None:
    for decode in (decode_from_kiosk, decode_from_hub):
        with contextlib.suppress(Malformed):
            decode(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["type", "request_id", "seq", "body"]), inner),
        max_leaves=8,
    )
)
def test_no_json_raises_anything_but_malformed(value: object) -> None:
    for kind in ("hello", "response", "event"):
        text = msgspec.json.encode({**value, "type": kind} if isinstance(value, dict) else value)
        try:
            message = decode_from_kiosk(text)
        except Malformed:
            continue
        assert message is None or isinstance(message, FromKiosk)
