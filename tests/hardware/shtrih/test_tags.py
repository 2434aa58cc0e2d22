"""TLV."""

from hypothesis import given
from hypothesis import strategies as st

from hardware.shtrih.tags import left_over, show, split, tlv, tlv_text


@given(tags=st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=20)), max_size=5))
def test_what_is_joined_is_split(tags: list[tuple[int, bytes]]) -> None:
    data = b"".join(tlv(tag, value) for tag, value in tags)
    assert list(split(data)) == tags
    assert left_over(data + b"\x01") == b"\x01"


@given(data=st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    show(data)


def test_values_by_their_kind() -> None:
    data = (
        tlv_text(1021, "Иванов")
        + tlv(1020, (18999).to_bytes(6, "little"))
        + tlv(1023, b"\x03\xdc\x05")
        + tlv(1077, bytes.fromhex("2104AABBCCDD"))
        + tlv(1059, tlv_text(1030, "Кофе"))
        + tlv(9999, b"\x01")
    )
    assert show(data) == [
        {"tag": 1021, "name": "cashier", "value": "Иванов"},
        {"tag": 1020, "name": "total", "value": 18999},
        {"tag": 1023, "name": "quantity", "value": {"units": 1500, "digits": 3}},
        {"tag": 1077, "name": "sign", "value": "2104AABBCCDD"},
        {"tag": 1059, "name": "item", "value": [{"tag": 1030, "name": "item_name", "value": "Кофе"}]},
        {"tag": 9999, "name": "", "value": "01"},
    ]
