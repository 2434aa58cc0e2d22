"""What is shown of a body in a chat holds nothing that must not be read there, and all that must."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.masking import masked_json, masked_text

CARD = "4111111111111111"
LONG_HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJraW9za18wMDEifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"


def shown(value: Any) -> str:
    return masked_json(json.dumps(value, ensure_ascii=False).encode(), pretty=False)


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        ({"pan": "4111 1111 1111 1112"}, '"…1112"'),  # named, so it need not have the check digit
        ({"cardNumber": CARD}, '"…1111"'),
        ({"card": {"number": 4111111111111111}}, '{"number":"…1111"}'),
        ({"order": 4111111111111111}, '"…1111"'),
        ({"note": f"paid by {CARD} 12/25"}, '"paid by …1111 12/25"'),
        ({"note": "2 4111-1111-1111-1111 123"}, '"2 …1111 123"'),
        ({"note": "378282246310005"}, '"…0005"'),
        ({"note": "2200000000000004"}, '"…0004"'),
        ({"phone": 77011234567}, '"…67"'),
        ({"phone": "701 123 45 67"}, '"…67"'),
        ({"телефон": "9161234567"}, '"…67"'),
        ({"phones": ["+7 701 123-45-67", "87011234567"]}, '["…67","…67"]'),
        ({"login": "87011234567"}, '"…67"'),
        ({"account": "8 (701) 123-45-67"}, '"…67"'),
        ({"note": "call +998901234567"}, '"call …67"'),
        ({"order_id": "8 (701) 123-45-67"}, '"…67"'),
        ({"token": "abc"}, '"…"'),
        ({"accessToken": "abc"}, '"…"'),
        ({"X-Api-Key": "abc"}, '"…"'),
        ({"Authorization": "Basic dXNlcjpwYXNz"}, '"…"'),
        ({"merchant_key": "abc"}, '"…"'),
        ({"пароль": "abc"}, '"…"'),
        ({"cvv": 123}, '"…"'),
        ({"CVV2": "123"}, '"…"'),
        ({"pin": 1234}, '"…"'),
        ({"sign": "abc"}, '"…"'),
        ({"X-Signature": "abc"}, '"…"'),
        ({"CardCryptogramPacket": "abc"}, '"…"'),
        ({"secret": {"a": ["b", 1, None, True]}}, '{"a":["…","…",null,true]}'),
        ({"headers": [{"name": "Authorization", "value": "Bearer x"}]}, '[{"name":"Authorization","value":"…"}]'),
        ({"a": JWT}, '"eyJ…"'),
        ({"a": "Bearer abcdefgh12345678"}, '"Bearer …"'),
        ({"a": "Basic dXNlcjpwYXNzMQ=="}, '"Basic …"'),
        ({"a": LONG_HEX}, '"…"'),
        ({"a": "s3cr3tVALUE+withB4se64/andMore0fItX9Yz="}, '"…"'),
        ({"a": "kw_0a1b2c3d_AbCdEfGhIjKlMnOpQrStUvWx"}, '"kw_0a1b2c3d_…"'),
        ({"a": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, '"whsec_…"'),
        ({"a": "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"}, '"110201543:…"'),
        ({"a": "https://x.example/?token=abc&id=7"}, '"https://x.example/?token=…&id=7"'),
        ({"a": "order_id=7&password=hunter2&phone=%2B77011234567"}, '"order_id=7&password=…&phone=…67"'),
        ({"a": "<Pay><Token>abc</Token><Sum>10</Sum></Pay>"}, '"<Pay><Token>…</Token><Sum>10</Sum></Pay>"'),
        ({"a": '{"token": "abc", "sum": 10}'}, r'"{\"token\":\"…\",\"sum\":10}"'),
        ({"email": "someone@example.com"}, '"s…@example.com"'),
        ({"a": "write to a@example.com"}, '"write to …@example.com"'),
        ({"iin": "870101300123"}, '"…23"'),
        ({"inn": "500100732259"}, '"…59"'),
    ],
)
def test_what_must_not_be_read(member: dict[str, Any], expected: str) -> None:
    assert shown(member).partition(":")[2][:-1] == expected


@pytest.mark.parametrize(
    "member",
    [
        {"order_id": 12345, "sum": 1000},
        {"order_id": "1763708400123", "transaction_id": "TXN123"},
        {"id": "2419a771-000f-5000-9000-1edaf29243f2"},
        {"order_id": "0af7651916cd43dd8448eb211c80319c"},
        {"order_id": "78123456789", "rrn": "600000000001", "auth_code": "A1B2C3"},
        {"at": 1763708400123, "fn": "9999000000000001", "ean": "4607001771234"},
        {"amount": 15000000000000.25, "bin": "000000000011", "inn": "7710140679"},
        {"fiscal_sign": "3141592653", "AgentSign": "paying_agent", "TerminalKey": "1700000000000DEMO"},
        {"n": 1000000000000008, "m": "9999000000000004", "o": "1763708400124"},  # with a card's check digit
        {"pinpad": "busy", "token_type": "qr", "idempotency_key": "order-17", "phone_code": "7"},
        {"url": "https://ofd.example/consumer?i=1700000000017&f=600000000017&s=1250.00&t=20260203T131702"},
        {"cardMask": "440043******0001", "CardLastFour": "4242", "hostResponseCode": "000"},
        {"description": "Оплата: капучино, 2 × 650,00 ₸", "status": "success", "error": None},
        {"path": "/usr/local/share/kiosk/receipts/2026-11-21/kiosk_001.json"},
        {"at": "2026-11-21T07:06:00.000+00:00", "ip": "192.168.100.100", "level": "5000000000000000"},
    ],
)
def test_what_must_stay(member: dict[str, Any]) -> None:
    assert json.loads(shown(member)) == member


def test_numbers_stay_digit_for_digit_and_members_twice() -> None:
    raw = b'{"sum": 1.10, "sum": 1e400, "n": 123456789012345678901234567890, "m": -0.0}'
    assert masked_json(raw, pretty=False) == raw.decode().replace(" ", "")


def test_a_number_is_a_card_however_it_is_written() -> None:
    assert masked_json(b"[4111111111111111.0,4.111111111111111E15,-4111111111111111]", pretty=False) == (
        '["…1111","…1111","…1111"]'
    )


def test_layout() -> None:
    raw = b'{"a":{"b":[1,2, 3],"c":[]},"d":[{"e":"\\u041a\\u043e\\u0444\\u0435 \\"x\\"\\n"},{}],"f":null}'
    assert masked_json(raw).splitlines() == [
        "{",
        '  "a": {',
        '    "b": [1, 2, 3],',
        '    "c": []',
        "  },",
        '  "d": [',
        "    {",
        '      "e": "Кофе \\"x\\"\\n"',
        "    },",
        "    {}",
        "  ],",
        '  "f": null',
        "}",
    ]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", ""),
        (b"not JSON", "not JSON"),
        (b'{"token": "abc def', '{"token": "…"'),
        (b'{"password": "a\\"b c", oops', '{"password": "…", oops'),
        (b"token=abc&x=1", "token=…&x=1"),
        (b'<p password="x y"/>', '<p password="…"/>'),
        (b"Cookie: a=b; c=d", "Cookie: …"),
        (b'\xef\xbb\xbf{"a":1}', '{"a":1}'),
        (b'{"a":"\xff"}', '{"a":"\ufffd"}'),
        (b'"\\ud800\\u202e"', '"\\ud800\\u202e"'),
    ],
)
def test_what_is_no_json_is_masked_as_a_text(raw: bytes, expected: str) -> None:
    assert masked_json(raw, pretty=False) == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 10_000 + b'"x"' + b"}" * 10_000,
        b"[" * 900 + b"1," * 100_000 + b"1" + b"]" * 900,
        b'{"a":"' + b"4 " * 500_000 + b'"}',
        b'{"a":"' + b"a@a." * 250_000 + b'"}',
        b'{"a":"' + b"<a>b</" * 150_000 + b'"}',
        b'"' * 200_000,
    ],
    ids=["deep", "deep objects", "wide and deep", "digits", "addresses", "elements", "quotes"],
)
def test_nothing_takes_long_or_much_room(raw: bytes) -> None:
    began = time.process_time()
    assert len(masked_json(raw)) < 8 * len(raw)
    assert time.process_time() - began < 10  # a second on any machine; what grows with the square takes minutes


@given(st.binary())
def test_bytes_of_any_kind(raw: bytes) -> None:
    masked_json(raw)
    masked_json(b'{"a":"' + raw + b'"}')


_NAMES = st.sampled_from(["note", "order_id", "a", "sum", "Описание", "x-y", "data", ""]) | st.text(max_size=12)
_PLAIN = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=30)
)
_BODIES = st.recursive(_PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=4))


@given(_BODIES, st.booleans())
def test_any_json_stays_json_and_masking_twice_changes_no_more(body: Any, ascii_only: bool) -> None:
    raw = json.dumps(body, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    once = masked_json(raw)
    json.loads(once)
    assert masked_json(once.encode("utf-8", "surrogatepass")) == once


def card_numbers() -> st.SearchStrategy[str]:
    def complete(stem: str) -> str:
        doubled = [int(d) if i % 2 else sum(divmod(2 * int(d), 10)) for i, d in enumerate(reversed(stem))]
        return f"{stem}{-sum(doubled) % 10}"

    digits = st.text("0123456789", min_size=15, max_size=15)
    starts = st.sampled_from(["4", "51", "55", "2221", "2720", "2200", "2204", "62", "6011", "8600", "9860"])
    return st.builds(lambda start, rest: complete((start + rest)[:15]), starts, digits)


_SPACINGS = st.sampled_from(["", " ", "-", "\u00a0", "."])
_AROUND = st.sampled_from(["", " ", "card ", "№", "x", ":", "=", '"', "\n", "карта ", "(", "\\"])


@given(card_numbers(), _SPACINGS, st.tuples(_AROUND, _AROUND), _NAMES, st.booleans())
def test_no_planted_card_survives(card: str, space: str, around: tuple[str, str], name: str, ascii_only: bool) -> None:
    before, after = around
    written = space.join(card[i : i + 4] for i in range(0, 16, 4))
    body = {name: f"{before}{written}{after}", "list": [written, {"deep": {f"{written}": 1}}], "n": int(card)}
    text = masked_json(json.dumps(body, ensure_ascii=ascii_only).encode())
    assert written not in text
    assert card not in text
    assert written not in masked_text(f"{before}{written}{after}")


@given(
    st.integers(0, 10**9 - 1), st.sampled_from(["+7 (7{}) {}-{}-{}", "+77{}{}{}{}", "8 (7{}) {}-{}-{}", "87{}{}{}{}"])
)
def test_no_planted_phone_survives(number: int, form: str) -> None:
    digits = f"{number:09d}"
    phone = form.format(digits[:2], digits[2:5], digits[5:7], digits[7:])
    for body in ({"phone": phone}, {"note": f"тел. {phone}, звонить"}, {"a": [{"b": phone}]}, {"phone": int(digits)}):
        assert phone not in shown(body)
        assert digits not in shown({"phone": digits})


@given(
    st.text("ABCDEFabcdef0123456789_-+/", min_size=8, max_size=80),
    st.sampled_from(
        ["token", "api_key", "apiKey", "API-KEY", "secret", "client_secret", "password", "Authorization", "x-signature",
         "cvc", "refresh_token", "private_key", "пароль", "Токен", "Password1"]
    ),
)  # fmt: skip
def test_no_planted_secret_survives(secret: str, name: str) -> None:
    bodies = [{name: secret}, {"a": [{name: {"x": [secret]}}]}, {"a": json.dumps({name: secret}, ensure_ascii=False)}]
    assert not [body for body in bodies if secret in shown(body)]
    assert secret not in masked_text(f"{name}={secret}")
    assert secret not in masked_text(f'<a {name}="{secret}">')


@given(st.binary(min_size=20, max_size=64))
def test_no_long_random_hex_survives(secret: bytes) -> None:
    assert secret.hex().strip("0123456789") == "" or secret.hex() not in shown({"a": secret.hex()})


@pytest.mark.parametrize("row", ['\\"', "-eyJ", "a[", '"a":"', "</", "4 ", "a@"])
def test_no_row_of_beginnings_holds_the_hub_up(row: str) -> None:
    body = json.dumps({"note": ": = @ <a " + row * (100_000 // len(row))}).encode()
    before = time.process_time()
    masked_json(body)
    assert time.process_time() - before < 3.0  # of a tenth of a body; in this time nobody else has a turn


@pytest.mark.parametrize(
    "text",
    [
        "error: password=hunter2hunter2",
        "https://pay.example.com/back?access_token=hunter2hunter2&sid=1",
        "redirect=https://pay.example.com/?return=%2Fback%3Fpassword%3Dhunter2hunter2%26card%3D4111111111111111",
        "%7B%22password%22%3A%20%22hunter2hunter2%22%7D",
        "password%253Dhunter2hunter2",
        'got \\"password\\": \\"hunter2hunter2\\"',
        "<password><![CDATA[hunter2hunter2]]></password>",
        "cGFzc3dvcmQ9aHVudGVyMmh1bnRlcjI=",
        "NDExMTExMTExMTExMTExMQ==",
        "4111%201111%201111%201111",
        "4111\u200b1111\u200b1111\u200b1111",
        "4111–1111–1111–1111",
        "4111  1111  1111  1111",
    ],
)
def test_no_wrapping_keeps_a_secret_in_sight(text: str) -> None:
    for seen in (masked_text(text), shown({"note": text}), shown({"note": json.dumps({"a": text})})):
        assert not [part for part in ("hunter2", "aHVudGVy", "NDExMTEx", CARD, "1111%20") if part in seen], seen
        assert seen.count("1111") <= 1, seen


@pytest.mark.parametrize("text", ["100%25 sure", "/back?order=12&page=2%2F3", "QUJDREVGR0hJSktMTU5P", "a: b=c: d"])
def test_what_is_wrapped_and_no_secret_stays_as_it_is(text: str) -> None:
    assert masked_text(text) == text
