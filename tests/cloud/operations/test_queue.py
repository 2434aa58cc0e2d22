"""The queue's book."""

from cloud.operations.queue import Queue


def test_each_kiosks_are_kept_in_order_and_counted() -> None:
    queue = Queue()
    for request_id, kiosk in (("a", "one"), ("b", "two"), ("c", "one")):
        queue.add(kiosk, request_id, 5.0 if request_id == "c" else 9.0)
    assert queue.of("one") == [("a", 9.0), ("c", 5.0)]
    assert (len(queue), queue.count_of("one"), queue.count_of("none")) == (3, 2, 0)
    assert queue.overdue(5.0) == [("one", "c")]
    assert [queue.remove("one", "a"), queue.remove("one", "a"), queue.remove("none", "x")] == [True, False, False]
    assert len(queue) == 2
    assert queue.of("none") == []
