"""What a validator is told, from what it says and what is wished."""

from hardware.id003 import commands as c
from hardware.id003.configuration import Configuration
from hardware.id003.currency import Assignment, encode
from hardware.id003.exchange import Request
from wire.money import Money

KZT_500, KZT_1000 = Money(50_000, "KZT"), Money(100_000, "KZT")
TABLE = encode([Assignment(0x63, 0x51, 5, 2), Assignment(0x64, 0x51, 1, 3), Assignment(0x65, 0x99, 1, 1)])


def configuration(said: list[str]) -> Configuration:
    return Configuration(None, {}, b"\x00\x00", b"\x00", b"\x03\x00", said.append)


def test_nothing_is_taken_before_it_is_wished() -> None:
    settings = {request.command.code: request.data for request in configuration([]).set_up()}
    assert settings[0xC0] == b"\xff\xff"
    assert settings[0xC3] == b"\x01"
    assert settings[0xC2] == b"\x00"


def test_a_country_that_no_setting_names_is_said() -> None:
    said: list[str] = []
    settings = configuration(said)
    settings.answered(c.GET_CURRENCY, TABLE)
    assert settings.denominations == (KZT_500, KZT_1000)
    assert "country 99" in said[0]


def test_changes_lead_from_what_it_has_to_what_is_wished() -> None:
    settings = configuration([])
    settings.answered(c.GET_CURRENCY, TABLE)
    assert settings.changes() == []  # not set up
    for request in settings.set_up():
        settings.agreed(request)
    assert settings.changes() == []  # nothing is wished
    settings.wish = frozenset({KZT_1000})
    changes = settings.changes()
    assert changes == [Request(c.SET_DENOMINATIONS, b"\xf7\x7f"), Request(c.SET_INHIBIT, b"\x00")]
    for request in changes:
        settings.agreed(request)
    assert settings.changes() == []
    assert not settings.inhibited
    settings.wish = frozenset()
    assert settings.changes() == [Request(c.SET_INHIBIT, b"\x01")]


def test_what_it_does_not_know_is_named() -> None:
    settings = configuration([])
    settings.answered(c.GET_CURRENCY, TABLE)
    assert settings.unknown(None) == ""
    assert settings.unknown(frozenset({KZT_500, Money(1, "RUB")})) == "0.01 RUB"


def test_a_version_is_an_identity() -> None:
    settings = configuration([])
    settings.answered(c.GET_VERSION, b"i(RUS)100-SS-RS6 ID003-05V128-53 12OCT16\x00")
    assert (settings.identity.maker, settings.identity.model) == ("JCM", "i")
    assert settings.identity.firmware.startswith("i(RUS)100")
