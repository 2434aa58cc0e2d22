"""docs/wire.md says what the code does: every word of the contract, and every example of it tried."""

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import msgspec
import pytest
from nacl.signing import SigningKey
from standardwebhooks import Webhook, WebhookVerificationError

from appliance.gateways.answer import wrap
from appliance.gateways.query import query_pairs, with_query
from cloud.errors import Refused
from cloud.kiosks.proof import parse_public_key, proves
from cloud.kiosks.tokens import Tokens
from cloud.operations.answers import record, refusal
from cloud.operations.by_hand import contradiction, settle, told_of
from cloud.operations.operation import FINAL, TRANSITIONS, Operation, State
from cloud.web.resolving import Resolve
from cloud.web.routes import ROUTES
from cloud.web.send import BODY_MAX_BYTES, SendHeaders
from tests.markdown import fences, rows
from wire import legacy, messages
from wire.enrolment import (
    ALPHABET,
    CHALLENGE_BYTES,
    CHALLENGE_HEADER,
    EnrolAnswer,
    EnrolRequest,
    parse_code,
    proof_text,
)
from wire.messages import Executed, Message, Request, Response
from wire.problems import PROBLEMS, CloseCode

WIRE = (Path(__file__).parents[2] / "docs/wire.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    """The part of the contract below a heading, to the next one."""
    return re.split(r"^#+ ", WIRE[WIRE.index(f"# {heading}\n") :], maxsplit=2, flags=re.MULTILINE)[1]


def first_words(text: str) -> set[str]:
    """What stands in backticks in the first cell of a table row."""
    return {cells[0].strip("`") for cells in rows(text) if cells[0].startswith("`")}


# The contract's words.


def test_every_problem_stands_in_the_contract_with_its_status_and_outcome() -> None:
    told = {cells[0].strip("`"): (cells[1], cells[2].strip("`")) for cells in rows(section("Problems"))}
    expected = {name: (str(kind.status), str(kind.outcome)) for name, kind in PROBLEMS.items()}
    assert expected == {name: told.get(name) for name in PROBLEMS}
    assert set(PROBLEMS) == set(told) - {"type", "---"}


def test_every_state_stands_in_the_contract_with_what_follows_it() -> None:
    told = {cells[0].strip("`"): cells[2] for cells in rows(section("States")) if cells[0].startswith("`")}
    expected = {str(state): {"final"} if state in FINAL else set(map(str, TRANSITIONS[state])) for state in State}
    assert expected == {state: set(re.findall(r"\w+", words)) for state, words in told.items()}


def test_every_close_code_stands_in_the_contract() -> None:
    told = {cells[0] for cells in rows(section("Close codes"))}
    assert set() == {str(int(code)) for code in CloseCode} - told


def test_every_header_of_send_stands_in_the_contract() -> None:
    told = {word.lower() for word in first_words(section("POST /send"))}
    names = {field.encode_name for field in msgspec.structs.fields(SendHeaders)}
    assert set() == names - told
    assert f"{BODY_MAX_BYTES:,} bytes" in WIRE


def test_every_address_stands_in_the_contract_and_no_other() -> None:
    told = first_words(section("Every address"))
    expected = {re.escape(path).replace(re.escape("([^/]+)"), r"\{\w+\}") for path, _handler in ROUTES}
    assert [pattern for pattern in expected if not any(re.fullmatch(pattern, word) for word in told)] == []
    assert [word for word in told if not any(re.fullmatch(pattern, word) for pattern in expected)] == []


# The contract's messages.


def kinds_of(union: Any) -> dict[str, type[Message]]:
    return {kind.__struct_config__.tag: kind for kind in union.__args__}


DIRECTIONS = [
    ("kiosk", messages.decode_from_kiosk, kinds_of(messages.FromKiosk)),
    ("hub", messages.decode_from_hub, kinds_of(messages.FromHub)),
]


@pytest.mark.parametrize(("way", "decode", "kinds"), DIRECTIONS)
def test_every_message_has_an_example_that_decodes(
    way: str, decode: Callable[[str], Message | None], kinds: dict[str, type[Message]]
) -> None:
    shown: dict[str, set[str]] = {}
    for line in "".join(fences(WIRE, f"jsonl {way}")).splitlines():
        message = decode(line)
        fields = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        assert message is not None, line
        assert type(message) is kinds[msgspec.json.decode(fields.pop("type"))]
        shown.setdefault(str(message.__struct_config__.tag), set()).update(fields)
    # Together the examples of a message show every member it has, and none that it has not.
    assert {tag: set(kind.__struct_fields__) for tag, kind in kinds.items()} == shown


@pytest.mark.parametrize(("way", "_decode", "kinds"), DIRECTIONS)
def test_the_table_of_messages_names_what_they_need_and_what_they_may_have(
    way: str, _decode: object, kinds: dict[str, type[Message]]
) -> None:
    told = {cells[0].strip("`"): cells[1] for cells in rows(section("kiosk.v2")) if cells[0].strip("`") in kinds}
    for tag, kind in kinds.items():
        needed, _, more = told[tag].partition(";")
        fields = msgspec.structs.fields(kind)
        assert [f.name for f in fields if f.required] == re.findall(r"`(\w+)`", needed), f"{way}: {tag}"
        assert [f.name for f in fields if not f.required] == re.findall(r"`(\w+)`", more), f"{way}: {tag}"


def test_the_request_of_the_first_dialect_is_what_the_hub_sends() -> None:
    (example,) = fences(WIRE, "json v1-request")
    fields = msgspec.json.decode(example)
    body = msgspec.Raw(msgspec.json.encode(fields["body"]))
    headers = fields["headers"]
    request = Request(
        request_id=fields["request_id"],
        operation=headers["header-operation-type"],
        method=headers["header-http-method"],
        body=body,
    )
    assert fields == msgspec.json.decode(legacy.encode_request(headers["header-kiosk-id"], request))


def test_the_answer_of_the_first_dialect_is_one_the_hub_reads() -> None:
    (example,) = fences(WIRE, "json v1-answer")
    response = legacy.decode_answer(example)
    assert (response.executed, response.status) == (Executed.YES, 200)
    assert msgspec.json.decode(response.body) == {"status": "success", "transaction_id": "T-17"}


# The contract's other examples.


def test_the_operation_is_shown_with_every_member_it_has() -> None:
    (example,) = fences(WIRE, "json operation")
    shown = msgspec.json.decode(example)
    operation = Operation(
        request_id="r" * 8, kiosk_id="k", operation="payment", method="POST", created_at=0.0, state=State.SUCCEEDED
    )
    assert list(record(operation)) == list(shown)
    assert (shown["state"] in FINAL, shown["state"]) == (shown["final"], "succeeded")


def test_the_resolution_is_asked_for_and_shown_as_it_is() -> None:
    (asked,), (example,) = fences(WIRE, "json resolve"), fences(WIRE, "json resolution")
    wanted = msgspec.json.decode(asked, type=Resolve)
    shown = msgspec.json.decode(example)
    operation = Operation(
        request_id="r" * 8, kiosk_id="k", operation="payment", method="POST", created_at=0.0, state=State.UNKNOWN
    )
    resolution = settle(operation, State(wanted.state), "telegram:4711", wanted.why, 0.0)
    told = record(operation, resolution)["resolution"]
    assert list(told) == list(shown)
    assert (told["why"], told["by"]) == (shown["why"], shown["by"])
    word = Response(
        request_id="r" * 8,
        operation="payment",
        executed=Executed(shown["told"]["executed"]),
        status=shown["told"]["status"],
    )
    assert contradiction(operation, word) == shown["contradiction"]
    assert list(shown["told"]) == list(msgspec.json.decode(told_of(word)))


def test_the_problem_is_shown_as_the_hub_tells_it() -> None:
    (example,) = fences(WIRE, "json problem")
    shown = msgspec.json.decode(example)
    told = refusal(Refused(shown["type"], shown["detail"], request_id=shown["request_id"]))
    assert msgspec.json.decode(told.body) == shown


def test_the_token_is_shown_with_the_claims_it_has() -> None:
    (example,) = fences(WIRE, "json token")
    secret = "s" * 32
    claims = jwt.decode(Tokens(secret).issue("kiosk_001", 0), secret, algorithms=["HS256"], audience="kiosk")
    assert {**claims, "iat": 0} == {**msgspec.json.decode(example), "iat": 0}


def test_the_enrolment_is_shown_as_it_is_asked_and_answered() -> None:
    (request,), (answer,) = fences(WIRE, "json enrol-request"), fences(WIRE, "json enrol-answer")
    asked = msgspec.json.decode(request, type=EnrolRequest)
    assert parse_code(asked.code) == "ABCD2345"
    assert parse_public_key(asked.public_key) == asked.public_key
    assert set(msgspec.json.decode(request)) == set(EnrolRequest.__struct_fields__)
    assert set(msgspec.json.decode(answer)) == set(EnrolAnswer.__struct_fields__)
    assert f"`{ALPHABET}`" in WIRE


def test_the_proof_is_shown_so_that_another_client_can_check_its_own() -> None:
    (request,), (header,) = fences(WIRE, "json enrol-request"), fences(WIRE, "http challenge")
    (text,) = fences(WIRE, "json proof-text")
    name, _, challenge = header.strip().partition(": ")
    assert (name, len(base64.urlsafe_b64decode(challenge))) == (CHALLENGE_HEADER, CHALLENGE_BYTES)
    hello = messages.decode_from_kiosk(fences(WIRE, "jsonl kiosk")[0].splitlines()[0])
    assert isinstance(hello, messages.Hello)
    assert text.strip().encode() == proof_text(challenge, "kiosk_001", hello.boot_id, hello.journal)
    (seed,) = re.findall(r"32-byte seed is `([\w-]+)`", WIRE)
    key = SigningKey(base64.urlsafe_b64decode(f"{seed}="))
    public_key = msgspec.json.decode(request)["public_key"]
    assert bytes(key.verify_key) == base64.urlsafe_b64decode(f"{public_key}=")
    assert proves(public_key, hello, challenge, "kiosk_001")


def test_the_example_of_a_query_is_what_a_gateway_is_asked() -> None:
    (example,) = fences(WIRE, "json query")
    url = with_query("http://gateway/", query_pairs(example.encode()))
    assert f"`?{urlsplit(url).query}`" in WIRE


def test_wrapped_answers_are_shown_as_they_are_wrapped() -> None:
    for line in "".join(fences(WIRE, "jsonl wrapped")).splitlines():
        shown = msgspec.json.decode(line)
        content = shown["raw"].encode() if "raw" in shown else base64.b64decode(shown["raw_base64"])
        assert msgspec.json.decode(wrap(content, shown["content_type"])) == shown


def test_the_example_of_verifying_a_callback_takes_ours_and_refuses_forged_ones() -> None:
    (example,) = fences(WIRE, "python")
    namespace: dict[str, Any] = {}
    exec(compile(example, "docs/wire.md", "exec"), namespace)
    secret, body, now = (
        "whsec_" + base64.b64encode(b"k" * 24).decode(),
        '{"type": "operation.failed"}',
        datetime.now(UTC),
    )
    headers = {
        "webhook-id": "op_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("op_1", now, body),
    }
    assert namespace["read_callback"](secret, headers, body.encode()) == {"type": "operation.failed"}
    with pytest.raises(WebhookVerificationError):
        namespace["read_callback"](secret, headers, body.encode() + b" ")
