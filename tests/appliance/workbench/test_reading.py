"""What is a frame, what is to be refused, and hex as people write it."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.workbench import reading
from appliance.workbench.reading import NotHex, Reading, as_data, parse_hex, read, shown
from hardware.explain import Explained, Explainer, Sender

POLL = b"\x02\x03\x06\x33\xda\x81"


@pytest.mark.parametrize(
    "text",
    ["02030633DA81", "02 03 06 33 da 81", "02:03:06:33:DA:81", "0x02 0x03 0x06 0x33 0xDA 0x81", "0x02030633DA81",
     "02-03-06-33-DA-81", "02,03,06,33,DA,81", r"\x02\x03\x06\x33\xda\x81", "0203\n0633\tDA81\n",
     " 0X0203:06;33 DA81 "],
)  # fmt: skip
def test_hex_is_taken_as_people_and_programs_write_it(text: str) -> None:
    assert parse_hex(text) == POLL


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "no bytes"), ("0x", "no bytes"), ("02 0", "'0' has 1 hex digit,"), ("020", "'020' has 3 hex digits"),
     ("02 0G", "'G' in '0G' is no hex digit"), ("привет", "is no hex digit"), ("0" * 99, "has 99 hex digits"),
     ("02 0306ü", "'ü'")],
)  # fmt: skip
def test_what_is_no_hex_is_refused_naming_the_place(text: str, words: str) -> None:
    with pytest.raises(NotHex, match=words):
        parse_hex(text)


@given(st.binary(min_size=1), st.sampled_from(["", " ", ":", "-", ", ", " 0x"]), st.booleans())
def test_all_bytes_are_read_back(data: bytes, between: str, upper: bool) -> None:
    text = between.join(f"{byte:02x}" for byte in data)
    assert parse_hex(text.upper().replace("0X", "0x") if upper else text) == data


def good(data: bytes = b"frame", **figures: object) -> Explained:
    return Explained(data=data, words="a frame", sender="host", command="X", frame={"len": len(data)}, **figures)  # type: ignore[arg-type]


def noise(data: bytes = b"\xff") -> Explained:
    return Explained(data=data, words="noise", sender="host")


def broken(data: bytes = b"br", *, damaged: bool = False) -> Explained:
    checksum = {"good": False} if damaged else None
    return Explained(data=data, words="broken", sender="host", fault=f"bad {data!r}", checksum=checksum)


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([good()], None),
        ([good(), good()], None),
        ([noise(), good()], None),
        ([good(), noise()], None),
        ([broken(), good()], None),
        ([noise(), good(b"\x06")], None),
        ([], "no frame was found"),
        ([noise()], "no frame was found"),
        ([good(), broken(b"rest")], "bad b'rest'"),
        ([broken(b"a"), broken(b"b")], "bad b'a'"),
        ([broken(b"a"), good(b"\x06")], "bad b'a'"),
        ([broken(b"a"), good(b"\x06"), good()], None),
    ],
)
def test_which_readings_are_refused_and_why(items: Sequence[Explained], reason: str | None) -> None:
    assert Reading("ccnet", "host", items).reason == reason


@pytest.mark.parametrize(("protocol", "refused"), [("cctalk", True), ("cctalk-crc16", True), ("ccnet", False)])
def test_a_frame_found_inside_one_that_is_whole_and_broken_is_an_accident(protocol: str, refused: bool) -> None:
    """ccTalk has no start byte: behind a wrong first byte anything may look like a frame."""
    items = [broken(b"\x01"), good(b"\x03\x02\x01\x95\x30\x10\x25")]
    assert (Reading(protocol, "device", items).reason is not None) is refused
    assert Reading(protocol, "device", [broken(b"\xff"), good(b"\x02\x00\x01\xf5\x08")]).reason is None


def test_the_first_good_frame_is_shown_or_what_comes_nearest() -> None:
    sum_is_wrong = broken(damaged=True)
    for items, first in (
        ([broken(), good(b"one"), good(b"two")], good(b"one")),
        ([broken(), sum_is_wrong], sum_is_wrong),
        ([noise()], noise()),
        ([], None),
    ):
        assert Reading("ccnet", "host", items).first == first
    assert Reading("ccnet", "host", [noise(), good(), broken()]).skipped == [noise(), broken()]


class Babel(Explainer):
    """Every first byte is read as the test says, by sender."""

    dictionary: dict[tuple[Sender, bytes], Sequence[Explained]]

    def feed(self, sender: Sender, data: bytes) -> Sequence[Explained]:
        return self.dictionary[sender, data]

    def finish(self, sender: Sender) -> Sequence[Explained]:
        return ()

    def guess_sender(self, data: bytes) -> Sender:
        return "device" if data[:1] == b"d" else "host"


def told(words: str, command: str | None = "C") -> list[Explained]:
    return [Explained(data=b"xy", words=words, sender="host", command=command, frame={"x": 1})]


@pytest.mark.parametrize(
    ("data", "host", "device", "expected"),
    [
        (b"h1", told("ask"), told("answer"), [("host", "ask"), ("device", "answer")]),
        (b"d1", told("ask"), told("answer"), [("device", "answer"), ("host", "ask")]),
        (b"h2", told("same"), told("same"), [("host", "same")]),
        (b"h3", told("ask"), told("some bytes", None), [("host", "ask")]),
        (b"h4", [broken()], told("answer"), [("device", "answer")]),
        (b"h5", [broken(b"1")], [broken(b"2")], [("host", "broken")]),
    ],
)
def test_without_a_sender_both_senses_are_told_the_likelier_first(
    data: bytes,
    host: Sequence[Explained],
    device: Sequence[Explained],
    expected: list[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Babel.dictionary = {("host", data): host, ("device", data): device}
    monkeypatch.setattr(reading, "explainer", lambda _: Babel())
    monkeypatch.setattr(reading, "bare", lambda _protocol, _data: None)
    found = read("any", data)
    assert [(one.sender, one.items[0].words) for one in found] == expected
    assert [one.items[0].words for one in read("any", data, "device")] == [device[0].words]


def test_bytes_without_their_frame_are_read_where_the_family_can_but_never_a_damaged_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "explainer", lambda _: Babel())
    monkeypatch.setattr(reading, "bare", lambda _protocol, _data: good(b"bare"))
    for items, taken in (([noise()], True), ([broken()], True), ([broken(damaged=True)], False)):
        Babel.dictionary = {("host", b"x"): items, ("device", b"x"): items}
        assert (read("any", b"x")[0].reason is None) is taken
        assert read("any", b"x", "host")[0].reason is not None


def test_an_item_is_told_as_data_and_in_words() -> None:
    assert as_data(broken(b"\xab")) == {
        "hex": "AB", "ok": False, "frame": {}, "command": None, "decoded": {}, "checksum": None, "words": "broken",
        "reason": "bad b'\\xab'",
    }  # fmt: skip
    assert shown({"a": 1, "b": True, "c": None, "d": [1, {"e": "x"}], "f": {"g": False}}) == (
        "a 1, b yes, c -, d [1, (e x)], f (g no)"
    )


def test_control_bytes_out_of_a_broken_frame_are_not_what_it_is_about() -> None:
    broken, whole = bytes.fromhex("0205111E00000000"), bytes.fromhex("0205111E0000000A")
    [told, *_] = read("shtrih-v1", broken + whole, "host")
    assert told.reason is None
    assert told.first is not None
    assert told.first.data == whole
    [told, *_] = read("shtrih-v1", bytes.fromhex("05") + whole, "host")
    assert told.first is not None
    assert told.first.command == "ENQ"


@pytest.mark.parametrize(
    ("protocol", "data", "sender"),
    [
        ("shtrih-v1", "0205111E0000000A", "host"),
        ("itl-ssp", "7F8001071202", "host"),
        ("itl-ssp", "7F8009F07F8001071202", "host"),
        ("id003", "FC0512BC64", "device"),
        ("ccnet", "02030633DA81", "host"),
    ],
)
def test_what_only_one_side_can_mean_is_told_once(protocol: str, data: str, sender: Sender) -> None:
    [told] = read(protocol, bytes.fromhex(data))
    assert (told.sender, told.reason) == (sender, None)
