"""The arithmetic of the fleet's measurements, and whom callers ask."""

from typing import Any

import pytest

from bench.fleet_figures import Idle, Sample, cross_adds, merge, ratio, rows, tables
from bench.fleet_systems import Fleet, with_keys
from bench.load import Script
from bench.stage import Target


def sample(**changes: Any) -> Sample:
    """A hundred operations a second at one process, 500 µs of CPU each."""
    given: dict[str, Any] = {
        "system": "kioskwire", "processes": 1, "where": "same", "is_keyed": False, "callers": 48, "requests": 200,
        "seconds": 2.0, "p50": 3.0, "p99": 9.0, "cpu_hubs": 0.1, "cpu_redis": 0.01, "cpu_database": 0.02,
        "foreign": 0.5,
    }  # fmt: skip
    return Sample(**{**given, **changes})


def test_a_cell_is_the_median_of_its_rounds() -> None:
    (row,) = rows([sample(requests=200), sample(requests=400), sample(requests=100)])
    assert (row.rate, row.hub_us, row.rounds) == (100.0, 500.0, 3)


def test_what_two_carry_goes_by_what_an_operation_costs() -> None:
    found = [sample(), sample(processes=2, cpu_hubs=0.11), sample(processes=2, where="cross", cpu_hubs=0.13)]
    assert ratio(found, 2) == (pytest.approx(2 / 1.1), pytest.approx(2 / 1.2))
    assert ratio(found, 4) is None


def test_what_another_process_adds_is_of_pairs_of_rounds() -> None:
    given = [(2.0, 3.0), (10.0, 11.5), (2.0, 2.5)]  # a slow round is slow for both
    found = [
        sample(processes=2, where=where, p50=p50, callers=callers)
        for here, there in given
        for where, p50 in (("same", here), ("cross", there))
        for callers in (1,)
    ]
    assert cross_adds([*found, sample(processes=2, p50=50.0), sample(processes=2, where="cross", p50=90.0)]) == {
        (2, False): 1.0
    }


def test_loads_at_one_time_are_one() -> None:
    loads = [
        {"requests": 300, "seconds": 2.0, "p50_ms": 1.0, "p99_ms": 4.0},
        {"requests": 100, "seconds": 2.1, "p50_ms": 5.0, "p99_ms": 8.0},
    ]
    assert merge(loads) == {"requests": 400, "seconds": 2.1, "p50": 2.0, "p99": 5.0}


def test_the_aims_are_told() -> None:
    idle = Idle(
        processes=2, kiosks=1000, bytes_hubs=19_000_000, bytes_kernel=9_000_000, came_s=4.0, connect_ms=1.0,
        reconnect_ms=1.5, idle_cores=0.01, bytes_redis=0,
    )  # fmt: skip
    told = "\n".join(
        tables([sample(), sample(processes=2), sample(processes=2, where="cross", p50=6.0, cpu_hubs=0.2)], [idle])
    )
    assert "19.0 KB each in the hubs (at most 18: NO)" in told
    assert "another process adds 3.00 ms at p50 (2, un-keyed); under 2.0: NO" in told
    assert "1.33 with kiosks anywhere; at least 1.7: NO" in told


def test_across_nobody_asks_for_a_kiosk_that_is_there() -> None:
    targets = [Target("x", f"http://127.0.0.1:{port}/send", 1, (f"k{port}",)) for port in (1, 2, 3)]
    fleet = Fleet(name="x", targets=targets, hubs=[1, 2, 3])
    assert [(each.url[-6], each.kiosks[0][-1]) for each in fleet.aimed("cross")] == [("1", "2"), ("2", "3"), ("3", "1")]
    assert [each.kiosks for each in fleet.aimed("same")] == [("k1",), ("k2",), ("k3",)]


def test_each_operation_has_a_key_of_its_own() -> None:
    (target,) = with_keys([Target("x", "http://127.0.0.1:1/send", 1, ("k1",), headers=("Header-Kiosk-Id: @KIOSK@",))])
    script = Script(url=target.url, headers=target.headers, body='{"order":"@ORDER@","é":1}', kiosks=target.kiosks)
    order, request = script.next()
    head, _, body = request.partition(b"\r\n\r\n")
    assert b"\r\nHeader-Kiosk-Id: k1\r\nIdempotency-Key: " + order in head
    assert body == b'{"order":"' + order + '","é":1}'.encode()
    assert f"\r\nContent-Length: {len(body)}\r\n".encode() in head
    assert script.next()[0] != order
