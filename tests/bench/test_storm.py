"""The storm's arithmetic, and its kiosks at a real hub."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bench.crowd import Crowd
from bench.program import StackError
from bench.storm import allow_files
from bench.storm_figures import Seen, evenness, figures, is_met, longest_pegged, percentile, table
from tests.cloud.hub import running, until


def seen(**changes: Any) -> Seen:
    """Ten kiosks of twenty lost at 100 s, and back one a second."""
    names = [f"k{number}" for number in range(10)]
    given: dict[str, Any] = {
        "kiosks": 20, "hubs": 2, "calm_at": 90.0, "killed_at": 100.0, "over_at": 115.0,
        "up": {name: 101.0 + at for at, name in enumerate(names)},
        "downs": [(name, 100.1) for name in names], "ups": [(name, 101.0 + at) for at, name in enumerate(names)],
        "turned_away": [100.5], "failed": 3, "bytes_held": 400_000,
        "probes": [(95.0, 0.002, 200), (105.0, 0.004, 200), (106.0, 0.5, 503)],
        "hub_cpu": {"hub-1": [(100.5, 0.5), (101.0, 0.6)]}, "core_cpu": {"cpu0": [(100.5, 1.0), (101.0, 0.99)]},
    }  # fmt: skip
    return Seen(**{**given, **changes})


def test_the_figures_are_of_those_that_were_lost() -> None:
    found = figures(seen())
    assert (found["lost"], found["back"], found["back_s"]) == (10, 10, 10.0)
    assert (found["peak_per_s"], found["mean_per_s"], found["peak_to_mean"]) == (1.0, 1.0, 1.0)
    assert (found["p99_ms"], found["statuses"]) == (4.0, {"200": 1, "503": 1})
    assert (found["kb_per_idle_kiosk"], found["pegged_s"]) == (20.0, 1.0)
    assert all(is_met(found, aim) for aim in ("back_s", "peak_to_mean", "p99_ms", "pegged_s"))
    assert "under 30: yes" in "\n".join(table(found))


def test_one_that_never_comes_back_misses_the_aim() -> None:
    found = figures(seen(up={}))
    assert not is_met(found, "back_s")
    assert "under 30: NO" in "\n".join(table(found))


def test_a_peak_is_of_any_second_and_not_of_the_clocks() -> None:
    assert evenness([0.9, 0.95, 1.0, 1.1, 9.0], 0.0) == (4.0, 5 / 9)
    assert evenness([], 0.0) == (0.0, 0.0)


def test_a_core_is_pegged_without_a_break() -> None:
    shares = [(0.5 * at, 0.2 if at == 10 else 1.0) for at in range(1, 21)]
    assert longest_pegged(shares, 0.0, 20.0) == 5.0
    assert longest_pegged(shares, 7.0, 8.0) == 2.0


def test_a_percentile_of_nothing_is_nothing() -> None:
    assert percentile([], 0.99) == 0.0
    assert percentile([1.0, 2.0, 3.0], 0.99) == 3.0


def test_files_that_the_kernel_does_not_allow_are_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr("resource.setrlimit", refuse)
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 4096))
    allow_files(1000)
    with pytest.raises(StackError, match=r"ulimit -n 11000.*--kiosks 3096"):
        allow_files(11_000)


async def test_its_kiosks_come_answer_and_come_back(tmp_path: Path) -> None:
    names = ("kiosk_001", "kiosk_002", "kiosk_003")
    async with running(tmp_path, kiosks=names) as hub:
        crowd = Crowd([(name, hub.token(name)) for name in names], addresses=2)
        crowd.ports = [hub.hub.port]
        for kiosk in crowd.kiosks:
            kiosk.dial()
        await until(lambda: len(crowd.told.up) == 3)
        assert {link.socket.address for link in hub.services.links.all() if link.socket} == {"127.0.1.1", "127.0.1.2"}
        answer = await hub.send({}, kiosk="kiosk_002")
        assert (answer.status_code, answer.json()) == (200, {"status": "success"})
        links = {link.kiosk_id: link for link in hub.services.links.all()}
        links["kiosk_003"].socket.close(0, "")
        await until(lambda: len(crowd.told.up) == 4)
        assert [name for name, _ in crowd.told.down] == ["kiosk_003"]
        for kiosk in crowd.kiosks:
            kiosk.leave()
        await asyncio.sleep(0)
