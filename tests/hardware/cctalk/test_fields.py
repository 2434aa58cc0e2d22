"""Fields of commands."""

from hardware.cctalk.fields import Field, Flags, Mask, Text, read, sizes


def test_too_few_and_too_many_bytes_do_not_fit() -> None:
    fields = (Field("a"), Field("b", 2), Field("c", optional=True))
    assert read(fields, b"\x01\x02\x00") == {"a": 1, "b": 2}
    assert read(fields, b"\x01\x02\x00\x07") == {"a": 1, "b": 2, "c": 7}
    assert read(fields, b"\x01\x02") is None
    assert read(fields, b"\x01\x02\x00\x07\x08") is None
    assert sizes(fields) == (3, 4)
    assert sizes((Text("text", 0),)) == (1, None)


def test_masks_and_flags_name_their_bits() -> None:
    assert Mask("mask", 2).read(b"\x05\x80") == {"mask": "0580", "accepted": [1, 3, 16]}
    assert Flags("flags", bits=("one", "two")).read(b"\x02") == {"flags": 2, "flags_words": ["two"]}
