"""What waits to be written."""

from appliance.uplink.outbox import BYTES_MAX, MESSAGES_MAX, Outbox, Ping, Text


async def test_first_in_is_first_out() -> None:
    outbox = Outbox()
    ping = Ping()
    items = [Text(b"a"), ping, Text(b"b")]
    for item in items:
        assert outbox.put(item)
    assert [await outbox.get(), await outbox.get(), await outbox.get()] == items
    assert len(outbox) == 0


async def test_what_does_not_fit_is_dropped_and_counted() -> None:
    outbox = Outbox()
    assert all(outbox.put(Text(b"x")) for _ in range(MESSAGES_MAX))
    assert not outbox.put(Text(b"x"))
    full = Outbox()
    assert full.put(Text(b"x" * (BYTES_MAX + 1)))
    assert not full.put(Text(b"x"))
    await full.get()
    assert full.put(Text(b"x"))
    assert (outbox.dropped, full.dropped) == (1, 1)
