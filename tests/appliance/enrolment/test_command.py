"""`kioskwire-appliance enroll` and its exit statuses, against a hub over HTTP."""

import asyncio
import builtins
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from appliance.__main__ import main
from appliance.engineer.pin import load
from appliance.enrolment import command as module
from appliance.enrolment.papers import Papers
from appliance.identity import FILE, Identity, new_key, read, save
from tests.appliance.worlds import Call, gateway, reply
from wire.enrolment import EnrolAnswer, EnrolRequest
from wire.environment import Secret

CODE = "ABCD2345"


async def grants(call: Call) -> bytes:
    request = msgspec.json.decode(call.body, type=EnrolRequest)
    if request.code != CODE:
        return reply(403, b'{"detail":"no such code"}', "application/problem+json")
    return reply(200, msgspec.json.encode(EnrolAnswer(kiosk_id="kiosk_001", token="t", name="Desk")))


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("WS_TOKEN", "WS_SERVER_URL", "ENROLL_CODE", "KIOSKWIRE_ENV_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(sys, "stdin", io.StringIO())


async def enroll(*arguments: str) -> int:
    return await asyncio.to_thread(main, ["enroll", *arguments])


async def test_it_enrols_without_a_routing_file_and_says_what_is_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with gateway(grants) as there:
        assert await enroll("--hub", f"http://127.0.0.1:{there.port}", "--code", "abcd-2345") == 0
    told = capsys.readouterr()
    assert "this kiosk is kiosk_001 (Desk) at ws://127.0.0.1" in told.out
    assert "start it" in told.out
    assert CODE not in told.out + told.err
    found = read(tmp_path / "state")
    assert found is not None
    assert found.kiosk_id == "kiosk_001"


async def test_a_person_at_a_terminal_is_asked_and_may_err(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    async with gateway(grants) as there:
        typed = iter(["ftp://x", f"http://127.0.0.1:{there.port}", "OIL", "ABCD 2345"])
        monkeypatch.setattr(sys, "stdin", Terminal())
        monkeypatch.setattr(builtins, "input", lambda _question: next(typed))
        assert await enroll() == 0
    assert capsys.readouterr().err.count("right would be") + 1 == 2


async def test_a_code_comes_by_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("ABCD-2345\n"))
    async with gateway(grants) as there:
        assert await enroll("--hub", f"http://127.0.0.1:{there.port}", "--code", "-") == 0


@pytest.mark.parametrize(("typed", "status"), [("482 913\n", 0), ("123456\n", 2), ("", 2)])
async def test_the_engineers_pin_is_set_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, status: int
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    async with gateway(grants) as there:
        given = ("--hub", f"http://127.0.0.1:{there.port}", "--code", CODE, "--pin")
        assert await enroll(*given) == status
        assert len(there.calls) == (status == 0)  # a wrong PIN costs no code
    kept = load(tmp_path / "state")
    assert (kept is not None and kept.matches("482913")) == (status == 0)
    said = capsys.readouterr()
    assert "482913" not in said.out + said.err


async def test_every_mistake_is_told_and_nothing_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await enroll("--hub", "ftp://u:canary@x", "--code", "OIL-CANARY") == 2
    told = capsys.readouterr().err
    assert "--hub: " in told
    assert "--code: " in told
    assert "canary" not in told.lower()
    assert not (tmp_path / "state").exists()


async def test_a_refusal_is_the_last_word_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with gateway(grants) as there:
        assert await enroll("--hub", f"http://127.0.0.1:{there.port}", "--code", "XXXX-2222") == 1
        assert len(there.calls) == 1
    assert "no such code" in capsys.readouterr().err
    assert {path.name for path in (tmp_path / "state").iterdir()} == {"identity.lock", "identity.refused.json"}


async def test_a_hub_that_is_away_leaves_the_code_to_the_appliance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "TRY_FOR_S", 1.5)
    async with gateway() as there:
        port = there.port
    assert await enroll("--hub", f"http://127.0.0.1:{port}", "--code", CODE) == 3
    assert "goes on trying" in capsys.readouterr().err
    pending = Papers(tmp_path / "state").read_pending()
    assert pending is not None
    assert pending.code == Secret(CODE)


async def test_who_is_enrolled_stays_so_unless_forced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "state").mkdir()
    old = Identity(hub="wss://old/ws", kiosk_id="kiosk_001", token=Secret("t"), private_key=Secret(new_key()))
    save(tmp_path / "state" / FILE, old)
    async with gateway(grants) as there:
        arguments = "--hub", f"http://127.0.0.1:{there.port}", "--code", CODE
        assert await enroll(*arguments) == 4
        assert there.calls == []
        assert "kiosk_001 at wss://old/ws" in capsys.readouterr().err
        assert await enroll(*arguments, "--force") == 0
        assert "taken for the same hub" in capsys.readouterr().err
    found = read(tmp_path / "state")
    assert found is not None
    assert (found.moved, found.private_key == old.private_key) == (True, False)


async def test_a_token_in_the_settings_would_beat_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WS_TOKEN", "canary")
    monkeypatch.setenv("WS_SERVER_URL", "wss://hub/ws")
    assert await enroll("--code", CODE) == 4
    assert "WS_TOKEN (environment)" in capsys.readouterr().err


async def test_two_at_a_time_do_not_get_into_each_others_way(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with Papers(tmp_path / "state").lock():
        assert await enroll("--hub", "hub.example.com", "--code", CODE) == 3


async def test_a_state_dir_that_cannot_be_written_to_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").write_text("a file")
    assert await enroll("--hub", "hub.example.com", "--code", CODE) == 2
    assert "STATE_DIR" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root")
async def test_run_by_root_its_files_belong_to_whom_the_directory_belongs_to(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    os.chown(tmp_path / "state", 1234, 1235)
    async with gateway(grants) as there:
        assert await enroll("--hub", f"http://127.0.0.1:{there.port}", "--code", CODE) == 0
    owners = {(path.stat().st_uid, path.stat().st_mode & 0o777) for path in (tmp_path / "state").iterdir()}
    assert owners == {(1234, 0o600)}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda _: None, "not enrolled; it waits"),
        (lambda state: (state / FILE).write_text("{") and (state / FILE).chmod(0o600), "identity.json is damaged"),
        (
            lambda state: save(state / FILE, Identity(
                hub="wss://h/ws", kiosk_id="kiosk_001", token=Secret("canary"), private_key=Secret(new_key())
            )),
            "this kiosk is kiosk_001 at wss://h/ws",
        ),
    ],
)  # fmt: skip
def test_check_config_says_who_the_kiosk_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], object], words: str
) -> None:
    (tmp_path / "routing_config.yaml").write_text("default: {url: 'http://127.0.0.1:8080'}\n")
    (tmp_path / "state").mkdir()
    make(tmp_path / "state")
    assert main(["check-config"]) == 0
    told = capsys.readouterr().out
    assert words in told.splitlines()[-1]
    assert "canary" not in told
