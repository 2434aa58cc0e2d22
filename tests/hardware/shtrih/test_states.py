"""Words for the operator."""

from hardware.errors import DeviceFault, Refused
from hardware.shtrih.states import ERRORS, MODE_WORDS, Mode, error_code, error_words, mode_words, storage_warnings
from hardware.shtrih.steps import failure

NOTED = [
    0x33, 0x34, 0x35, 0x36, 0x37, 0x3C, 0x3D, 0x45, 0x46, 0x49, 0x4A, 0x4E, 0x16, 0x4F, 0x50, 0x55, 0x58, 0x6B, 0x6C,
    0x71, 0x72, 0x73, 0x7C, 0xC0, 0xCF, 0x8E, 0x8F, 0x94, 0x96, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x10,
    0x11, 0x12, 0x14, 0x15, 0x17, 0x20, 0xE0, 0xE4,
]  # fmt: skip


def test_every_noted_error_has_words() -> None:
    assert set(NOTED) <= set(ERRORS)
    assert all(words for words, _, _ in ERRORS.values())
    assert error_words(0) == "done"
    assert "no words" in error_words(0xAA)
    assert error_code(0x4E) == "4E"


def test_every_mode_has_words() -> None:
    assert set(MODE_WORDS) == set(Mode)
    assert mode_words(0x28, 3) == "document open (return of a sale), paper is back, waits to go on printing"
    assert mode_words(0x00, 9) == "mode 0, submode 9"


def test_an_error_is_the_owners_or_an_engineers() -> None:
    assert isinstance(failure(0x4E), Refused)
    assert isinstance(failure(0x6B), DeviceFault)
    assert isinstance(failure(0x03), DeviceFault)
    assert isinstance(failure(0xAA), Refused)


def test_warnings_of_the_storage() -> None:
    assert storage_warnings(8) == ["the data operator has not answered for too long"]
    assert len(storage_warnings(15)) == 4
