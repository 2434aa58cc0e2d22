"""How fast kiosks may come in."""

from cloud.web.gate import Gate


async def test_as_many_as_the_rate_come_in_and_the_next_waits_a_spread_while() -> None:
    gate = Gate(100.0)
    assert [gate.wait() for _ in range(100)] == [0] * 100
    waits = [gate.wait() for _ in range(200)]
    refused = [wait for wait in waits if wait]
    assert len(refused) > 150
    assert len(set(refused)) > 3  # not all at once
    assert all(1 <= wait <= 12 for wait in refused)


async def test_a_rate_of_zero_lets_everybody_in() -> None:
    gate = Gate(0.0)
    assert {0} == {gate.wait() for _ in range(1000)}


async def test_bad_tokens_are_counted_for_each_address() -> None:
    gate = Gate(0.0)
    assert [gate.too_many_bad_tokens("192.0.2.1") for _ in range(20)] == [False] * 20
    assert gate.too_many_bad_tokens("192.0.2.1")
    assert not gate.too_many_bad_tokens("192.0.2.2")
