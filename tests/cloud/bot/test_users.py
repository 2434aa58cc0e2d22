"""How many strangers are answered."""

from cloud.bot.users import Refusals


def test_a_few_a_minute_each_and_in_all() -> None:
    refusals = Refusals(each=2, all_=5, seconds=60)
    assert [refusals.may(1, 0.0) for _ in range(4)] == [True, True, False, False]
    assert [refusals.may(user, 1.0) for user in range(2, 7)] == [True, True, True, False, False]
    assert not refusals.may(1, 59.0)
    assert refusals.may(1, 60.0)
    assert refusals.may(9, 62.0)
