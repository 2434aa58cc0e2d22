"""How much a bot may say. Time is given by hand."""

from cloud.emulator.limits import Limits


def test_a_chat_takes_a_burst_and_then_one_a_second() -> None:
    limits = Limits()
    assert [limits.count(7, 0.0) for _ in range(6)] == [0, 0, 0, 0, 0, 1]
    assert limits.count(7, 0.5) == 1, "it does not get shorter by asking"
    assert limits.count(7, 1.0) == 0


def test_a_group_takes_twenty_a_minute() -> None:
    limits = Limits()
    assert [limits.count(-1, 2.0 * number) for number in range(20)] == [0] * 20
    assert limits.count(-1, 40.0) == 20
    assert limits.count(-1, 60.0) == 0


def test_all_chats_together_take_thirty_a_second() -> None:
    limits = Limits()
    assert [limits.count(chat, 0.0) for chat in range(1, 31)] == [0] * 30
    assert limits.count(99, 0.5) == 1
    assert limits.count(99, 1.0) == 0
