"""Programs end when told to, and never outlive who started them."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bench.program import StackError, free_port, is_free, wait_for
from bench.stack import Gateway


def gone(pid: int) -> bool:
    """Whether a process has ended (one that nobody has waited for yet counts as ended)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except FileNotFoundError:
        return True


def test_a_free_port_can_be_listened_on() -> None:
    port = free_port()
    assert is_free(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)


def test_waiting_has_a_limit() -> None:
    with pytest.raises(StackError, match=r"the moon did not come about within 0\.05 s"):
        wait_for("the moon", lambda: False, timeout=0.05)


def test_a_program_comes_back_on_its_port_with_its_memory(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        port = gateway.port
        gateway.http.post("/api/v1/payment", json={"order_id": "A1", "sum": 1})
        assert gateway.kill() == -signal.SIGKILL
        assert not gateway.alive
        assert gateway.effects("A1") == 1
        gateway.start()
        assert gateway.port == port
        assert gateway.http.get("/api/v1/payment/status?order_id=A1").json()["status"] == "success"
        assert gateway.stop() == 0
        assert gateway.start().alive


def test_a_program_that_ends_before_it_is_ready_is_told_with_its_words(tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_text("no ledger\n")
    gateway = Gateway(tmp_path)
    with pytest.raises(StackError, match=r"gateway ended with exit status 2\n(.|\n)*is no ledger"):
        gateway.start()


def test_a_taken_port_is_told_before_the_program_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=f"gateway cannot have port {port}: another program listens there"):
            Gateway(tmp_path, port=port).start()


def test_a_frozen_program_is_not_dead(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        gateway.freeze()
        wait_for("freezing", lambda: Path(f"/proc/{gateway.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        gateway.check()
        gateway.thaw()
        assert gateway.http.get("/sim/faults").status_code == 200


def test_children_of_a_killed_parent_end(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from bench.stack import Gateway\n"
        "print(Gateway(Path(sys.argv[1])).start().pid, flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait(60)
    wait_for("the child's end", lambda: gone(child), 60)


def test_nothing_of_the_callers_settings_gets_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    monkeypatch.setenv("JWT_SECRET", "caller's")
    with Gateway(tmp_path) as gateway:
        environment = Path(f"/proc/{gateway.pid}/environ").read_bytes().split(b"\0")
    assert [entry for entry in environment if entry.startswith((b"LOG_LEVEL=", b"JWT_SECRET="))] == []


def test_a_port_is_given_to_one_process_at_a_time() -> None:
    """A program that is killed and started again finds its own port free."""
    mine = [free_port() for _ in range(3)]
    asked = (
        "import bench.program as program; "
        f"program.random.sample = lambda *_: [*{mine}, *range(31000, 31200)]; print(program.free_port())"
    )
    told = subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True)
    assert int(told.stdout) not in mine
