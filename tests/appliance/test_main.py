"""The command as it is started: words, exit statuses, signals."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from appliance.__main__ import main
from tests.appliance.worlds import PATIENCE_S, TOKEN, gateway, hub, request, until
from wire.version import VERSION


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("WS_SERVER_URL", "WS_TOKEN", "HEALTH_CHECK_PORT"):
        monkeypatch.delenv(name, raising=False)


def test_help_names_every_setting_and_no_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    words = capsys.readouterr().out
    for word in ("WS_SERVER_URL", "JOURNAL_KEEP_DAYS", "check-config", "examples:", "--routes"):
        assert word in words


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"kioskwire-appliance {VERSION}\n"


@pytest.mark.parametrize("command", ["run", "check-config"])
def test_mistakes_are_told_in_words_and_end_with_2(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WS_TOKEN", "two words")
    assert main([command]) == 2
    errors = capsys.readouterr().err
    for name in ("WS_SERVER_URL", "WS_TOKEN", "ROUTING_CONFIG"):
        assert f"  {name}=" in errors
    assert "Traceback" not in errors


def test_check_config_shows_what_is_in_force(capsys: pytest.CaptureFixture[str]) -> None:
    Path("my.env").write_text(f"WS_SERVER_URL=ws://hub/ws\nWS_TOKEN={TOKEN}\nWS_TOKN=x\n")
    Path("r.yaml").write_text("default: {url: 'http://h'}\n")
    for arguments in (["--env-file", "my.env", "check-config", "--routes", "r.yaml"],
                      ["check-config", "--env-file", "my.env", "--routes", "r.yaml"],
                      ["--env-file", "my.env", "--routes", "r.yaml", "check-config"]):  # fmt: skip
        assert main(arguments) == 0
        told = capsys.readouterr()
        assert "WS_SERVER_URL=ws://hub/ws  (my.env)" in told.out
        assert "did you mean WS_TOKEN?" in told.err
        assert TOKEN not in told.out + told.err


async def test_the_program_works_reloads_and_stops(tmp_path: Path) -> None:
    async with hub() as there, gateway() as terminal:
        routes = tmp_path / "routing_config.yaml"
        routes.write_text(f"routes:\n  payment: {{url: '{terminal.url}'}}\n")
        environ = {
            "PATH": os.environ["PATH"], "WS_SERVER_URL": there.url, "WS_TOKEN": TOKEN, "HEALTH_CHECK_PORT": "0",
            "PYTHONPATH": os.pathsep.join(sys.path), "DISK_MIN_FREE_MB": "0",
        }  # fmt: skip
        command = (sys.executable, "-m", "appliance", "run")
        process = await asyncio.create_subprocess_exec(
            *command, cwd=tmp_path, env=environ, stdout=asyncio.subprocess.PIPE
        )  # fmt: skip
        try:
            await until(lambda: there.session.hello)
            second = await asyncio.create_subprocess_exec(
                *command, cwd=tmp_path, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
            async with asyncio.timeout(PATIENCE_S):
                _, words = await second.communicate()
            assert (second.returncode, b"another process" in words, b"Traceback" in words) == (2, True, False)
            await there.ask(request())
            await until(lambda: there.responses("request-1"))
            routes.write_text("routes: {}\n")
            process.send_signal(signal.SIGHUP)
            await until(lambda: "routes-rejected" in [event.kind for event in there.events()])
            routes.write_text(f"routes:\n  cash: {{url: '{terminal.url}'}}\n")
            process.send_signal(signal.SIGHUP)
            await until(lambda: there.session.hello and there.session.hello.routes == ["cash"])
            # The event follows the hello; a stop in between would leave it in the journal for the next connection.
            await until(lambda: "routes-changed" in [event.kind for event in there.events()])
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE_S):
                out, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0
        lines = [json.loads(line) for line in out.splitlines()]
        assert any(line["message"] == "listening" and line["url"].endswith("/health") for line in lines)
        assert TOKEN not in out.decode()
        kinds = [event.kind for event in there.events()]
        assert kinds == ["started", "routes-rejected", "routes-changed"]


_HANGING = """
import atexit, time
from concurrent.futures import ThreadPoolExecutor

atexit.register(time.sleep, 600)
submit = ThreadPoolExecutor.submit


def beside(self, *arguments, **more):
    if self._thread_name_prefix in {"asyncio", "uvloop"}:
        ThreadPoolExecutor.submit = submit
        submit(self, time.sleep, 600)
    return submit(self, *arguments, **more)


ThreadPoolExecutor.submit = beside
"""


async def test_a_thread_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    """One that asks for a name which nobody answers: Python's, or libuv's own, which is waited for at the very end."""
    (tmp_path / "sitecustomize.py").write_text(_HANGING)
    (tmp_path / "routing_config.yaml").write_text("default: {url: 'http://127.0.0.1:9'}\n")
    async with hub() as there:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "appliance", "run", cwd=tmp_path, stdout=asyncio.subprocess.PIPE, env={
                "PATH": os.environ["PATH"], "WS_SERVER_URL": there.url, "WS_TOKEN": TOKEN, "HEALTH_CHECK_PORT": "0",
                "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]), "DISK_MIN_FREE_MB": "0",
            },
        )  # fmt: skip
        try:
            await until(lambda: there.session.hello)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(3 * PATIENCE_S):
                out, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0
        assert json.loads(out.splitlines()[-1])["message"] == "stopped"


async def test_an_operation_cut_off_by_kill_9_is_told_as_unknown_and_not_repeated(tmp_path: Path) -> None:
    async def never(_call: object) -> bytes:
        await asyncio.Event().wait()
        return b""

    async with hub() as there, gateway(never) as terminal:
        (tmp_path / "routing_config.yaml").write_text(f"routes:\n  payment: {{url: '{terminal.url}'}}\n")
        environ = {
            "PATH": os.environ["PATH"], "WS_SERVER_URL": there.url, "WS_TOKEN": TOKEN, "HEALTH_CHECK_PORT": "0",
            "PYTHONPATH": os.pathsep.join(sys.path), "DISK_MIN_FREE_MB": "0",
        }  # fmt: skip
        command = (sys.executable, "-m", "appliance", "run")
        first = await asyncio.create_subprocess_exec(
            *command, cwd=tmp_path, env=environ, stdout=asyncio.subprocess.DEVNULL
        )  # fmt: skip
        await there.ask(request())
        await until(lambda: terminal.calls)
        first.kill()
        await first.wait()
        second = await asyncio.create_subprocess_exec(
            *command, cwd=tmp_path, env=environ, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            await until(lambda: there.responses("request-1"))
            response = there.responses("request-1")[0]
            assert (response.executed, response.error and response.error.type) == ("unknown", "interrupted")
            assert len(terminal.calls) == 1
            await until(lambda: "operation-unknown" in [event.kind for event in there.events()])
        finally:
            second.terminate()
            async with asyncio.timeout(PATIENCE_S):
                await second.wait()
