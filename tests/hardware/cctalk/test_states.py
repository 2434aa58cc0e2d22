"""Words for every code."""

from hardware.cctalk import states


def test_every_code_has_words() -> None:
    for code in range(256):
        assert states.fault_words(code)
        assert states.coin_error_words(code)
        assert states.bill_event_words(code)
        assert states.usual_category(code)


def test_inhibited_coins_are_named_by_their_type() -> None:
    assert "type 4" in states.coin_error_words(131)
    assert states.fault_words(2, 3).endswith("(no. 3)")


def test_hopper_flags_are_told_together() -> None:
    words = states.hopper_words(0x010042, but=states.HARMLESS_FLAGS)
    assert words == "a payout took too long: the hopper is empty or jammed"
