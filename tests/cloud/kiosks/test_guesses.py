"""Guessing is hopeless: by one address, and by any number of them together."""

from cloud.kiosks.guesses import Guesses
from wire.enrolment import ALPHABET, CODE_LENGTH

DAY = 86400


def looked_at(guesses: Guesses, addresses: list[str], seconds: int) -> int:
    """How many wrong codes are looked at when every address tries one each second."""
    return sum(guesses.take(address, float(second)) == 0 for second in range(seconds) for address in addresses)


def test_one_address_has_ten_guesses_and_then_one_a_minute() -> None:
    guesses = Guesses()
    assert [guesses.take("192.0.2.1", 0.0) for _ in range(10)] == [0.0] * 10
    assert 0 < guesses.take("192.0.2.1", 0.0) <= 60
    assert guesses.take("192.0.2.2", 0.0) == 0
    assert guesses.take("192.0.2.1", 61.0) == 0


def test_all_addresses_together_have_as_many_as_the_words_say() -> None:
    many = [f"198.51.100.{number}" for number in range(70)]
    assert looked_at(Guesses(), many, 400) <= 60 + 200
    day = 60 + DAY // 2
    assert day == 43_260
    assert len(ALPHABET) ** CODE_LENGTH / day > 15e6


def test_a_right_code_costs_nothing() -> None:
    guesses = Guesses()
    for _ in range(1000):
        assert guesses.take("192.0.2.1", 0.0) == 0
        guesses.give_back("192.0.2.1")


def test_whoever_is_refused_because_of_the_others_has_spent_nothing() -> None:
    guesses = Guesses()
    for number in range(60):
        assert guesses.take(f"198.51.100.{number}", 0.0) == 0
    assert [guesses.take("192.0.2.1", 0.0) > 0 for _ in range(50)] == [True] * 50
    assert [guesses.take("192.0.2.1", 100.0) for _ in range(10)] == [0.0] * 10


def test_a_customers_whole_ipv6_network_is_one() -> None:
    guesses = Guesses()
    assert [guesses.take(f"2001:db8:1:2::{number:x}", 0.0) for number in range(10)] == [0.0] * 10
    assert guesses.take("2001:db8:1:2:ffff::1", 0.0) > 0
    assert guesses.take("2001:db8:1:3::1", 0.0) == 0
    assert [guesses.take("::ffff:192.0.2.1", 0.0) for _ in range(10)] == [0.0] * 10
    assert guesses.take("192.0.2.1", 0.0) > 0
    assert guesses.take("no address", 0.0) == 0
    assert guesses.take("fe80::1%eth0", 0.0) == 0
