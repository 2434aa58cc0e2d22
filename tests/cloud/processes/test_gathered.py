"""Figures of several processes make one page, whichever is asked."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.parser import text_string_to_metric_families

from cloud.metrics import Metrics
from cloud.processes.gathered import pack, page


def figures(operations: int) -> bytes:
    registry = CollectorRegistry()
    counter = Counter("ended", "Ended", ["outcome"], registry=registry)
    counter.labels("executed").inc(operations)
    Gauge("running", "Running", registry=registry).set(operations)
    Histogram("seconds", "Seconds", buckets=(1, 2), registry=registry).observe(1.5)
    return pack(registry)


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_every_series_names_its_process() -> None:
    found = samples(page({"1": figures(3), "2": figures(5)}))
    assert found["ended_total", (("outcome", "executed"), ("process", "1"))] == 3
    assert found["ended_total", (("outcome", "executed"), ("process", "2"))] == 5
    assert found["seconds_bucket", (("le", "2.0"), ("process", "2"))] == 1
    assert found["kioskwire_process_up", (("process", "1"),)] == 1


def test_each_family_is_told_once() -> None:
    text = page({"1": figures(3), "2": figures(5)}).decode()
    assert text.count("# TYPE running gauge") == 1


def test_who_does_not_answer_or_cannot_be_read_is_named() -> None:
    found = samples(page({"1": figures(1), "2": None, "3": b"of another version"}))
    assert [found["kioskwire_process_up", (("process", str(n)),)] for n in (1, 2, 3)] == [1, 0, 0]
    assert found["running", (("process", "1"),)] == 1


def test_a_hubs_own_figures_can_be_gathered() -> None:
    metrics = Metrics()
    metrics.operations.labels("payment", "executed").inc()
    found = samples(page({"1": pack(metrics.registry)}))
    own = samples(metrics.text())
    assert {(name, tuple(pair for pair in labels if pair[0] != "process")) for name, labels in found} == {
        *own,
        ("kioskwire_process_up", ()),
    }
