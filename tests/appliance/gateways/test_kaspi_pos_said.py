"""A Kaspi terminal's answers, judged by their body."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.gateways.kaspi_pos_said import Process, Said, read_amount, read_said, result_of, stage_of
from appliance.gateways.kaspi_pos_wish import Wish

WISH = Wish(action="payment", amount=125000)


def envelope(**data: object) -> bytes:
    return json.dumps({"data": data, "statusCode": 0}).encode()


def test_success_is_status_code_0() -> None:
    said = read_said(200, envelope(processId="17", status="wait", subStatus="WaitUser"))
    assert said.code == 0
    assert said.process == Process(process_id="17", status="wait", sub_status="WaitUser")


@pytest.mark.parametrize("body", [b'{"errorText": "x", "statusCode": 107}', b'{"statusCode": "107"}'])
@pytest.mark.parametrize("http", [200, 107, 400, 500])
def test_an_error_is_judged_by_its_body(body: bytes, http: int) -> None:
    said = read_said(http, body)
    assert (said.code, said.surely_nothing, said.wants_token) == (107, True, False)


@pytest.mark.parametrize("code", [1, 100, 103, 108, 500, -1])
def test_a_code_that_nobody_described_is_no_proof_that_nothing_began(code: int) -> None:
    assert not read_said(200, json.dumps({"statusCode": code}).encode()).surely_nothing


@pytest.mark.parametrize(("http", "nothing"), [(200, False), (500, False), (502, False), (404, True), (401, True)])
def test_a_page_of_something_else(http: int, nothing: bool) -> None:
    said = read_said(http, b"<html>hello</html>")
    assert (said.code, said.surely_nothing) == (None, nothing)
    assert "no Kaspi terminal" in said.words()


@given(st.binary(max_size=200), st.integers(100, 599))
def test_nothing_raises(body: bytes, http: int) -> None:
    said = read_said(http, body)
    assert said.words()
    assert said.process is None or said.process.process_id is not None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    )
)
def test_no_process_raises(data: object) -> None:
    said = read_said(200, json.dumps({"statusCode": 0, "data": data}).encode())
    process = said.process
    if process is not None:
        json.dumps([result_of(WISH, "1", process), stage_of(process)])


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("1250 ₸", 125000), ("- 1250 ₸", 125000), ("1 250 ₸", 125000), ("1\u00a0250,50 ₸", 125050), ("0.5 ₸", 50),
        ("1250", 125000), ("₸", None), ("", None), (None, None), (1250, None), ("1.234 ₸", None),
    ],
)  # fmt: skip
def test_the_slips_amount_is_a_text(text: object, minor: int | None) -> None:
    assert read_amount(text) == minor


def test_a_card_number_on_a_slip_does_not_leave_the_kiosk() -> None:
    cheque = {
        "cardMask": "4400430000000003",
        "note": "card 4111 1111 1111 1111",
        "rrn": "600000000001",
        "bin": "000000000011",
    }
    told = json.dumps(result_of(WISH, "1", Process(status="success", cheque_info=cheque)))
    assert "44004300" not in told
    assert "4111 1111" not in told
    assert '"rrn": "600000000001"' in told


def test_a_stage_of_a_later_version_is_told_as_it_is() -> None:
    stage = stage_of(Process(status="wait", sub_status="WaitForFace"))
    assert (stage["stage"], stage["sub_status"]) == ("waiting", "WaitForFace")
    assert Said(0).process is not None
