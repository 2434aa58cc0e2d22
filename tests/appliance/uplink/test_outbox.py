"""What waits to be written."""

from appliance.uplink.outbox import BYTES_MAX, MESSAGES_MAX, Outbox, Ping


async def test_first_in_is_first_out() -> None:
    outbox = Outbox()
    ping = Ping()
    for item in (b"a", ping, b"b"):
        assert outbox.put(item)
    assert [await outbox.get(), await outbox.get(), await outbox.get()] == [b"a", ping, b"b"]
    assert len(outbox) == 0


async def test_what_does_not_fit_is_dropped_and_counted() -> None:
    outbox = Outbox()
    assert all(outbox.put(b"x") for _ in range(MESSAGES_MAX))
    assert not outbox.put(b"x")
    full = Outbox()
    assert full.put(b"x" * (BYTES_MAX + 1))
    assert not full.put(b"x")
    await full.get()
    assert full.put(b"x")
    assert (outbox.dropped, full.dropped) == (1, 1)
