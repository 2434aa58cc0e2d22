"""Counting: names from callers do not become series without end."""

from cloud.metrics import Metrics
from cloud.operations.counting import Counting
from cloud.operations.feed import Feed
from cloud.operations.operation import Operation, State


def test_more_names_than_a_hundred_are_counted_together() -> None:
    metrics = Metrics()
    counting = Counting(metrics, Feed())
    for n in range(300):
        counting.ended(
            Operation(
                request_id=f"request-{n}",
                kiosk_id="k",
                operation=f"name-{n}",
                method="POST",
                created_at=0.0,
                state=State.FAILED,
            )
        )
    value = metrics.registry.get_sample_value
    assert value("kioskwire_operations_total", {"operation": "name-0", "outcome": "failed"}) == 1
    assert value("kioskwire_operations_total", {"operation": "other", "outcome": "failed"}) == 200
