"""JSON of tasks and answers: the recorded ones, and whatever else may come."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.atol import frames
from hardware.atol.frames import Accepted, Garbled, Results, WebError, read_answer
from hardware.atol.states import TaskStatus

VECTORS = {vector["name"]: vector for vector in json.loads(Path(__file__).with_name("vectors.json").read_bytes())}


def body_of(name: str) -> bytes:
    return bytes.fromhex(VECTORS[name]["hex"])


def result_of(data: bytes) -> bytes:
    answer = read_answer(200, b'{"results":[{"status":"ready","error":{"code":0},"result":' + data + b"}]}")
    assert isinstance(answer, Results)
    return answer.outcomes[0].result


def test_recorded_answers_of_a_task() -> None:
    for name, status in (("task_in_progress", TaskStatus.IN_PROGRESS), ("task_ready", TaskStatus.READY)):
        answer = read_answer(200, body_of(name))
        assert isinstance(answer, Results)
        assert answer.outcomes[0].status is status
        assert (answer.outcomes[0].code, answer.outcomes[0].description) == (0, "Ошибок нет")


def test_a_recorded_refusal() -> None:
    assert read_answer(401, body_of("not_authorised")) == WebError(401, 504, "Авторизация не пройдена")


def test_the_recorded_sale_is_built_alike() -> None:
    recorded = VECTORS["sell_request"]["decoded"]
    task = {
        "type": "sell",
        "items": [
            {
                "type": "position",
                "name": "Бананы",
                "price": frames.roubles(1000),
                "quantity": frames.quantity(500_000),
                "amount": frames.roubles(500),
                "tax": {"type": "none"},
            }
        ],
        "payments": [{"type": "0", "sum": frames.roubles(250)}, {"type": "1", "sum": frames.roubles(250)}],
    }
    body = frames.encode_request(recorded["uuid"], [task])
    assert recorded == json.loads(body)
    assert b'"price":10.00,"quantity":0.500,"amount":5.00' in body


def test_a_recorded_receipt() -> None:
    document = frames.read_document(result_of(body_of("receipt_result")))
    assert document is not None
    assert (document.number, document.sign, document.storage) == (71, "1494325660", "9999078900000961")
    assert (document.registration, document.shift, document.receipt) == ("0000000001002292", 12, 1)
    assert (document.at, document.total_minor, document.printed) == ("2018-03-06T13:52", 39075, True)


def test_a_recorded_z_report() -> None:
    document = frames.read_document(result_of(body_of("closeShift_result")))
    assert document is not None
    assert (document.number, document.shift, document.at, document.total_minor) == (69, 11, "2017-07-25T13:12", None)
    assert document.printed is True


def test_not_printed_is_no_failure() -> None:
    data = json.loads(body_of("receipt_result")) | {"warnings": {"notPrinted": True}}
    document = frames.read_document(json.dumps(data).encode())
    assert document is not None
    assert document.printed is False


def test_errors_of_older_drivers() -> None:
    answer = read_answer(200, b'{"results":[{"status":"error","errorCode":44,"errorDescription":"no paper"}]}')
    assert isinstance(answer, Results)
    assert (answer.outcomes[0].code, answer.outcomes[0].description) == (44, "no paper")
    assert read_answer(400, b'{"errorCode":501,"errorDescription":"bad"}') == WebError(400, 501, "bad")


def test_a_taken_task() -> None:
    body = b'\xef\xbb\xbf{"number":7,"uuid":"u","isBlocked":true,"blockedUUID":"w","blockReason":"paperError","new":1}'
    assert read_answer(201, body) == Accepted(7, True, "w", "paperError")
    assert read_answer(200, b"") == Accepted()


@pytest.mark.parametrize(
    ("http", "body", "kind"),
    [
        (200, b"<html>", Garbled),
        (200, b"[1]", Garbled),
        (302, b"{}", Garbled),
        (502, b"<html>Bad Gateway</html>", WebError),
        (404, b"", WebError),
        (200, b'{"results": [{"status": 5}]}', Garbled),
    ],
)
def test_answers_that_are_none(http: int, body: bytes, kind: type[object]) -> None:
    assert isinstance(read_answer(http, body), kind)


def test_an_unknown_status_is_not_an_end() -> None:
    answer = read_answer(200, b'{"results":[{"status":"resting"}]}')
    assert isinstance(answer, Results)
    assert answer.outcomes[0].status is None
    assert answer.outcomes[0].word == "resting"


def test_a_document_of_the_storage() -> None:
    tlv = {
        "fiscalDocumentType": "receipt",
        "1020": 100.5,
        "qr": "t=20261121T1305&s=100.50&fn=9999078900000961&i=8&fp=77&n=2",
    }
    found = frames.read_found(8, json.dumps({"documentTLV": tlv}).encode())
    assert found is not None
    assert (found.type, found.operation, found.total_minor, found.sign, found.at) == (
        "receipt",
        2,
        10050,
        "77",
        "2026-11-21T13:05",
    )
    assert frames.read_found(9, json.dumps({"documentTLV": tlv}).encode()) is None
    shift = frames.read_found(3, b'{"documentTLV":{"fiscalDocumentType":"openShift","short":false,"1038":1}}')
    assert shift is not None
    assert (shift.type, shift.total_minor) == ("openShift", None)


@given(st.integers(-(10**12), 10**12))
def test_money_is_exact(minor: int) -> None:
    text = frames.encode_request("", [{"sum": frames.roubles(minor)}]).decode()
    written = text.partition('"sum":')[2].rstrip("}]")
    assert written.partition(".")[2].isdigit()
    assert len(written.partition(".")[2]) == 2
    assert frames.kopecks(Decimal(written)) == minor


@given(st.integers(1, 10**13))
def test_quantities_are_exact(millionths: int) -> None:
    written = frames.quantity(millionths)
    assert written * 10**6 == millionths
    assert 3 <= -int(written.as_tuple().exponent) <= 6


@given(st.integers(100, 599), st.binary(max_size=80))
def test_no_answer_raises(http: int, body: bytes) -> None:
    read_answer(http, body)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=12,
)
_NAMES = (
    "results",
    "status",
    "error",
    "code",
    "result",
    "fiscalParams",
    "fnStatus",
    "shiftStatus",
    "documentTLV",
    "qr",
)


@given(st.dictionaries(st.sampled_from(_NAMES), _JSON, max_size=4), st.sampled_from(_NAMES))
def test_no_json_raises(answer: dict[str, Any], name: str) -> None:
    data = json.dumps({name: answer}).encode()
    for http in (200, 201, 404):
        read_answer(http, data)
        read_answer(http, json.dumps({"results": [answer]}).encode())
    for read in (
        frames.read_document,
        frames.read_shift,
        frames.read_storage,
        frames.read_storage_info,
        frames.read_device,
        frames.read_condition,
        frames.read_exchange,
    ):
        read(data)
    frames.read_found(1, data)
