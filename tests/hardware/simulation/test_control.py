"""Hands on a simulator that runs elsewhere."""

import asyncio
import json
import os
import socket
from pathlib import Path

import pytest

from hardware.simulation.control import (
    Asked,
    ControlServer,
    NotThere,
    ask,
    find_running,
    read_words,
    runtime_directory,
)
from hardware.simulation.host import DeviceHost
from hardware.simulation.simulator import Control, ControlError
from hardware.simulation.store import Store
from tests.hardware.simulation.toy import Toy


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "kioskwire-sim"


async def test_another_process_finds_it_and_moves_it(place: Path) -> None:
    store = Store()
    host = DeviceHost(Toy(store.memory, store.note), store)
    await host.open()
    server = ControlServer(host, state="/some/where")
    await server.open()
    try:
        (found,) = await asyncio.to_thread(find_running)
        assert (found.family, found.url, found.pid, found.state) == ("toy", host.url, os.getpid(), "/some/where")
        assert found.controls["insert"] == {"value": "1000"}
        assert str(found) == f"toy at {host.url}"
        assert await asyncio.to_thread(ask, found.socket, "insert", {"value": "5"}) == {"inserted": 5}
        with pytest.raises(ControlError, match="it never jams"):
            await asyncio.to_thread(ask, found.socket, "jam")
        with pytest.raises(ControlError, match="failed"):
            await asyncio.to_thread(ask, found.socket, "fail")
    finally:
        await server.close()
        with pytest.raises(ZeroDivisionError):
            await host.close()
    assert os.listdir(place) == []


async def test_a_line_that_is_none_is_answered_and_the_next_is_heard() -> None:
    async with DeviceHost(Toy({}, Store().note)) as host:
        server = ControlServer(host)
        await server.open()
        reader, writer = await asyncio.open_unix_connection(server.path)
        for line in (b"hello\n", b'{"do": 5}\n', b'{"do": "describe", "arguments": {"x": "y"}}\n'):
            writer.write(line)
            assert json.loads(await reader.readline())["ok"] is False
        writer.write(b'{"do": "describe"}\n')
        assert json.loads(await reader.readline())["figures"]["family"] == "toy"
        writer.write(b"x" * 200_000)
        assert await reader.read() == b""
        writer.close()
        await server.close()


def test_what_dead_ones_left_is_cleared_away() -> None:
    directory = runtime_directory()
    for name in ("toy-4194304.sock", f"toy-{os.getpid()}.sock"):
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(directory / name))
    assert find_running() == []
    assert [path.name for path in directory.iterdir()] == [f"toy-{os.getpid()}.sock"]


def test_nobody_else_may_enter_the_directory(place: Path) -> None:
    assert runtime_directory() == place
    assert place.stat().st_mode & 0o777 == 0o700
    place.chmod(0o755)
    with pytest.raises(NotThere, match="nobody else may enter"):
        runtime_directory()
    place.rmdir()
    place.symlink_to("/tmp")
    with pytest.raises(NotThere, match="directory of your own"):
        runtime_directory()


def test_without_a_runtime_directory_of_the_session_it_lies_in_tmp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/nowhere")
    assert runtime_directory() == Path(f"/tmp/kioskwire-sim-{os.getuid()}")


CONTROLS = {
    "insert": Control("", {"value": "1000", "count": "1"}),
    "paper_out": Control(""),
    "coin": Control("", {"minor": "10000", "path": "1"}),
    "note": Control("", {"minor": "50000", "value": "500"}),
}


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("insert 1000", Asked("insert", {"value": "1000"})),
        ("insert value=1000", Asked("insert", {"value": "1000"})),
        ("insert 1000 3", Asked("insert", {"value": "1000", "count": "3"})),
        ("insert count=2 500", Asked("insert", {"count": "2", "value": "500"})),
        ("coin 100", Asked("coin", {"minor": "10000"})),
        ("coin value=0.5 path=2", Asked("coin", {"minor": "50", "path": "2"})),
        ("coin 100 2", Asked("coin", {"minor": "10000", "path": "2"})),
        ("coin minor=5000", Asked("coin", {"minor": "5000"})),
        ("note 500", Asked("note", {"value": "500"})),
        ("paper-out", Asked("paper_out")),
        ("paper_out", Asked("paper_out")),
    ],
)
def test_what_a_person_types(typed: str, asked: Asked) -> None:
    assert read_words(CONTROLS, typed.split()) == asked


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "say what to do: one of coin, insert, note, paper_out"),
        ("dance", "there is no dance; there are coin, insert, note, paper-out"),
        ("coin many", "value=many: right would be an amount such as 500"),
        ("coin 0.001", "value=0.001: right would be an amount such as 500"),
        ("coin 1 2 3", "coin takes value, path, not 3"),
        ("insert 1 2 3", "insert takes value, count, not 3"),
        ("insert colour=red", "insert takes value, count, not colour=red"),
        ("insert value=1 value=2", "insert: value is given twice"),
        ("paper-out now", "paper-out takes no arguments, not now"),
    ],
)
def test_what_a_person_mistypes(typed: str, words: str) -> None:
    with pytest.raises(ControlError) as caught:
        read_words(CONTROLS, typed.split())
    assert str(caught.value) == words
