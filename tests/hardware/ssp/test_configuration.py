"""What a validator is told, from what it says and what is wished."""

from hardware.ssp.configuration import Configuration
from hardware.ssp.replies import Channel, Setup, write_setup
from wire.money import Money

EUR_5, EUR_10 = Money(500, "EUR"), Money(1000, "EUR")
SETUP = b"\xf0" + write_setup(Setup(0, "0333", "EUR", 1, (5, 10), (2, 2), 100, 7, ("EUR",) * 2, (5, 10)))


def configuration() -> Configuration:
    learned: list[tuple[Channel, ...]] = []
    settings = Configuration(learned.append)
    assert settings.setup_answered(SETUP) == ""
    assert len(learned) == 1
    return settings


def test_protocols_are_tried_downwards_and_then_left() -> None:
    settings = Configuration(lambda channels: None)
    assert [data.hex() for data in settings.begin()] == ["08", "09", "0608"]
    assert settings.protocol_answered(8, 0xF8) == b"\x06\x07"
    assert settings.protocol_answered(7, 0xF8) == b"\x06\x06"
    assert settings.protocol_answered(6, 0xF8) == b"\x05"
    assert settings.protocol == 0
    assert settings.setup_answered(SETUP) == ""
    assert settings.protocol == 7  # as the setup says
    settings.begin()
    assert settings.protocol_answered(8, 0xF2) == b"\x05"  # knows no such command
    settings.begin()
    assert settings.protocol_answered(8, 0xF0) == b"\x05"
    assert settings.protocol == 8


def test_changes_lead_from_what_it_has_to_what_is_wished() -> None:
    settings = configuration()
    assert settings.change() is None  # nothing is known
    settings.told = (b"", False)
    assert settings.change() is None  # nothing is wished
    settings.wish = frozenset({EUR_10})
    said = []
    while (data := settings.change()) is not None:
        said.append(data.hex().upper())
        settings.agreed(data)
    assert said == ["020200", "0A"]
    assert settings.enabled
    settings.disabled_itself()
    assert settings.change() == b"\x0a"
    settings.agreed(b"\x0a")
    settings.wish = frozenset()
    assert settings.change() == b"\x09"


def test_more_channels_need_more_bytes() -> None:
    settings = configuration()
    settings.channels = 20
    assert settings.inhibits(frozenset({1, 20})) == b"\x02\x01\x00\x08"


def test_what_it_does_not_know_is_named() -> None:
    settings = configuration()
    assert settings.unknown(None) == ""
    assert settings.unknown(frozenset({EUR_5, Money(1, "KZT")})) == "0.01 KZT"


def test_a_serial_number_is_added_to_who_it_is() -> None:
    settings = configuration()
    settings.serial_answered(bytes.fromhex("001C962C"))
    assert (settings.identity.serial, settings.identity.firmware) == ("1873452", "0333")
    settings.serial_answered(b"")
    assert settings.identity.serial == "1873452"


def test_what_is_no_validator_is_said() -> None:
    settings = Configuration(lambda channels: None)
    assert "Smart Hopper" in settings.setup_answered(b"\xf0\x03" + bytes(20))
    assert "cannot be read" in settings.setup_answered(b"\xf5")
