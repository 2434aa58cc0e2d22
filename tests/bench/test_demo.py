"""`make demo` shows the main job, tells what it measured, and leaves nothing running."""

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from bench.demo import Demo, Options, Secrets
from bench.pages import Page
from bench.program import StackError, free_port, wait_for

ROOT = Path(__file__).parents[2]


def environment(**variables: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **variables}


def run(directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench.demo"],
        cwd=directory,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@contextmanager
def running(directory: Path, *, cash: bool = False) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The demo with what it printed until it said that it keeps running."""
    command = [sys.executable, "-m", "bench.demo"]
    variables = {} if cash else {"CASH": "0"}
    with subprocess.Popen(
        command, cwd=directory, env=environment(**variables), stdout=subprocess.PIPE, text=True
    ) as demo:
        try:
            assert demo.stdout is not None
            printed = ""
            for line in demo.stdout:
                printed += line
                if line.startswith("Ctrl-C"):
                    break
            yield demo, printed
        finally:
            demo.kill()


def processes(directory: Path) -> list[int]:
    """Every process that works below a directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                cwd = (entry / "cwd").readlink()
            except OSError:
                continue
            if cwd.is_relative_to(directory / ".state"):
                found.append(int(entry.name))
    return found


def test_once_shows_and_records_the_main_job(tmp_path: Path) -> None:
    ports = {"HUB_PORT": str(free_port()), "HEALTH_PORT": str(free_port())}
    answer = run(tmp_path, ONCE="1", JSON="demo.json", **ports)
    assert (answer.returncode, answer.stderr) == (0, "")
    record = json.loads((tmp_path / "demo.json").read_text())
    assert record["ok"] is True
    assert record["addresses"]["hub"] == f"http://127.0.0.1:{ports['HUB_PORT']}"
    assert record["addresses"]["kiosk health"] == f"http://127.0.0.1:{ports['HEALTH_PORT']}/health"
    paid, checked, again, cash = record["steps"]
    assert [step["answer"]["status"] for step in record["steps"]] == [200] * 4
    assert checked["answer"]["body"]["query"] == checked["request"]["body"]
    assert again["answer"]["body"] == paid["answer"]["body"]
    assert "Idempotent-Replayed" not in paid["answer"]["headers"]
    assert again["answer"]["headers"]["Idempotent-Replayed"] == "true"
    assert record["charges_in_ledger"] == 1
    assert record["first_answer_ms"] == paid["ms"] > 0
    assert record["startup_s"]["all"] > 0
    told = cash["answer"]["body"]
    assert (told["status"], told["collected"], told["change_paid"], told["change_owed"]) == ("paid", 150000, 15000, 0)
    assert told["receipt"]["status"] == "registered"
    assert [line for line in record["paper"] if "1350.00" in line]
    taken = [line["collected"] for line in record["progress"] if line.get("last", {}).get("what") == "note_stacked"]
    assert sorted(set(taken)) == [100000, 150000]
    assert "$ kioskwire-sim insert 1000" in answer.stdout
    order = paid["request"]["body"]["order_id"]
    assert record["telegram"]["answer"].splitlines()[0] == "🟢 kiosk_001 The demo's kiosk"
    assert [word for word in ("POST", order, "200") if word not in record["telegram"]["log"]] == []
    assert processes(tmp_path) == []

    second = run(tmp_path, ONCE="1", JSON="demo.json")  # with what lies in the devices and in the journal
    assert second.returncode == 0, second.stdout
    levels = [each["levels"]["bills"] for each in (record, json.loads((tmp_path / "demo.json").read_text()))]
    assert [each.partition(" KZT")[0] for each in levels] == ["1 500.00", "3 000.00"]
    assert record["differences"] == json.loads((tmp_path / "demo.json").read_text())["differences"] == []


def test_secrets_are_made_once_and_kept_to_oneself(tmp_path: Path) -> None:
    first = run(tmp_path, ONCE="1", CASH="0", JSON="demo.json")
    kept = (tmp_path / ".state/demo/secrets.json").read_text()
    assert (tmp_path / ".state/demo/secrets.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / ".state/demo").stat().st_mode & 0o777 == 0o700
    second = run(tmp_path, ONCE="1", CASH="0")
    assert (first.returncode, second.returncode) == (0, 0)
    assert (tmp_path / ".state/demo/secrets.json").read_text() == kept
    shown = first.stdout + second.stdout + (tmp_path / "demo.json").read_text()
    shown += "".join(log.read_text() for log in (tmp_path / ".state/demo").rglob("*.log"))
    assert [name for name, secret in json.loads(kept).items() if secret in shown] == []


def test_it_keeps_running_until_told_to_end(tmp_path: Path) -> None:
    with running(tmp_path) as (demo, printed):
        curl = re.search(r"^curl -isS (\S+) .*'Authorization: (Bearer \S+)'.*-d '(.*)'$", printed, re.MULTILINE)
        assert curl is not None
        headers = dict(re.findall(r"-H '([\w-]+): ([^']+)'", curl[0]))
        answer = httpx.post(curl[1], headers=headers, content=curl[3], trust_env=False, timeout=60)
        assert (answer.status_code, answer.json()["status"]) == (200, "success")
        for page in re.findall(r"http://\S+/(?:docs|health|ledger)", printed):
            assert httpx.get(page, trust_env=False, timeout=60).status_code == 200
        assert re.search(r"^  kiosk's page +(\S+)$", printed, re.MULTILINE)
        dashboard = re.search(r"^  dashboard +(\S+)$", printed, re.MULTILINE)
        person = re.search(r"^  sign in as +(\S+), (\S+)$", printed, re.MULTILINE)
        assert dashboard is not None
        assert person is not None
        fields = {"name": person[1], "password": person[2]}
        signed_in = httpx.post(f"{dashboard[1]}/sign-in", data=fields, trust_env=False, timeout=60)
        assert (signed_in.status_code, signed_in.headers["Location"]) == (303, "/dashboard")
        assert len(processes(tmp_path)) == 4 + 4
        second = run(tmp_path, ONCE="1")
        assert second.returncode == 1
        assert "another demo is running in this tree" in second.stdout
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 0
        assert processes(tmp_path) == []


def test_several_hubs_serve_one_kiosk(tmp_path: Path) -> None:
    answer = run(tmp_path, ONCE="1", CASH="0", HUBS="2", JSON="demo.json")
    if "apt-get install" in answer.stdout:
        pytest.skip(answer.stdout.splitlines()[-1])
    assert (answer.returncode, answer.stderr) == (0, ""), answer.stdout
    record = json.loads((tmp_path / "demo.json").read_text())
    asked, holder = record["afar"]["asked"], record["afar"]["holder"]
    assert f"A payment asked of {asked}, while {holder} holds the kiosk" in answer.stdout
    assert {each["name"]: (each["kiosks"], each["is_this"]) for each in record["hubs"]} == {
        asked: (0, True),
        holder: (1, False),
    }
    assert record["afar"]["charges"] == 1
    assert processes(tmp_path) == []


@pytest.mark.parametrize(("text", "hubs", "mistakes"), [("", 1, 0), ("1", 1, 0), ("2", 2, 0), ("0", 1, 1), ("x", 1, 1)])
def test_the_number_of_hubs_is_of_the_environment(text: str, hubs: int, mistakes: int) -> None:
    options = Options({"HUBS": text})
    assert (options.hubs, len(options.mistakes)) == (hubs, mistakes)


def find_process(directory: Path, name: bytes) -> int:
    return next(pid for pid in processes(directory) if name in Path(f"/proc/{pid}/cmdline").read_bytes())


@pytest.mark.parametrize(
    ("program", "number", "words"),
    [
        (b"kioskwire-hub", signal.SIGKILL, "hub ended with signal SIGKILL"),
        (b"kioskwire-appliance", signal.SIGTERM, "appliance ended with exit status 0"),
        (b"kioskwire-sim\0gateway", signal.SIGTERM, "gateway ended with exit status 0"),
    ],
)
def test_a_child_that_ends_ends_the_demo_with_the_reason(
    tmp_path: Path, program: bytes, number: signal.Signals, words: str
) -> None:
    with running(tmp_path) as (demo, _):
        os.kill(find_process(tmp_path, program), number)
        assert demo.stdout is not None
        rest = demo.stdout.read()
        assert demo.wait(60) == 1
    assert words in rest
    assert "the last lines of" in rest
    assert processes(tmp_path) == []


def test_a_device_that_was_ended_is_started_again(tmp_path: Path) -> None:
    with running(tmp_path) as (demo, _):
        before = find_process(tmp_path, b"device\0escpos")
        os.kill(before, signal.SIGTERM)
        assert demo.stdout is not None
        assert [demo.stdout.readline() for _ in range(2)] == [
            "\n", "printer was ended; it is started again, with its memory.\n",
        ]  # fmt: skip
        assert find_process(tmp_path, b"device\0escpos") != before
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 0
    assert processes(tmp_path) == []


def test_a_kiosk_that_lost_its_power_is_told_and_does_not_end_the_demo(tmp_path: Path) -> None:
    with running(tmp_path) as (demo, _):
        os.kill(find_process(tmp_path, b"kioskwire-appliance"), signal.SIGKILL)
        assert demo.stdout is not None
        assert [demo.stdout.readline() for _ in range(2)] == [
            "\n",
            "kiosk_001 lost its power; it comes back in 12 s.\n",
        ]
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(60) == 0
    assert processes(tmp_path) == []


def test_a_killed_demo_leaves_nothing_running(tmp_path: Path) -> None:
    with running(tmp_path) as (demo, _):
        demo.kill()
        demo.wait(10)
        wait_for("the children's end", lambda: not processes(tmp_path))


def test_a_taken_port_is_told_in_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        answer = run(tmp_path, HUB_PORT=port, HEALTH_PORT="http")
    assert answer.returncode == 2
    assert f"HUB_PORT={port}: another program listens there" in answer.stdout
    assert "HEALTH_PORT=http: right would be a port" in answer.stdout


@pytest.mark.parametrize(
    ("environ", "once"), [({}, False), ({"ONCE": ""}, False), ({"ONCE": "0"}, False), ({"ONCE": "1"}, True)]
)
def test_once_is_asked_for_by_the_environment(environ: dict[str, str], once: bool) -> None:
    assert Options(environ).once is once


def test_the_time_zone_of_the_environment_is_the_hubs(tmp_path: Path) -> None:
    for environ, zone in (({"TIMEZONE": "Asia/Almaty"}, "Asia/Almaty"), ({"TIMEZONE": ""}, None)):
        directory = tmp_path / str(zone).replace("/", "-")
        directory.mkdir()
        assert Demo(Options(environ), directory, Page(sys.stdout, {})).hub.settings.get("TIMEZONE") == zone


def test_a_real_bot_is_used_where_its_token_is_set() -> None:
    environ = {"TELEGRAM_BOT_TOKEN": "1:x", "TELEGRAM_ADMIN_IDS": "7", "TELEGRAM_LOG_CHAT_ID": "", "HOME": "/"}
    assert Options(environ).real_bot == {"TELEGRAM_BOT_TOKEN": "1:x", "TELEGRAM_ADMIN_IDS": "7"}
    assert Options({"TELEGRAM_ADMIN_IDS": "7"}).real_bot == {}


def test_all_wrong_settings_are_told_at_once() -> None:
    options = Options({"HUB_PORT": "0", "GATEWAY_PORT": "70000", "JSON": "/nowhere/demo.json"})
    assert [mistake.partition("=")[0] for mistake in options.mistakes] == ["HUB_PORT", "GATEWAY_PORT", "JSON"]
    port = str(free_port())
    assert Options({"HUB_PORT": port, "HEALTH_PORT": port}).mistakes == [
        "HUB_PORT, HEALTH_PORT, GATEWAY_PORT, TELEGRAM_PORT: the same port twice"
    ]


def test_damaged_secrets_are_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text("{")
    with pytest.raises(StackError, match=r"secrets\.json is damaged .*; make clean removes it"):
        Secrets(tmp_path / "secrets.json")


def test_a_locked_directory_is_told_without_touching_it(tmp_path: Path) -> None:
    (tmp_path / ".state/demo").mkdir(parents=True)
    with (tmp_path / ".state/demo/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = run(tmp_path, ONCE="1")
    assert answer.returncode == 1
    assert sorted(path.name for path in (tmp_path / ".state/demo").iterdir()) == ["lock"]
