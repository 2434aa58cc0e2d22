"""`kioskwire-hub` as people and service managers run it: a process, its output, its exit status."""

import asyncio
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from cloud import __main__ as command
from cloud.db import changes
from tests.cloud.hub import ADMIN_KEY, JWT_SECRET, PATIENCE, Kiosk, broken, rows, running, until
from tests.cloud.web.test_socket import refusal
from wire.environment import describe
from wire.version import VERSION

_TREE = Path(command.__file__).parent.parent


def environment(state_dir: Path, **more: str) -> dict[str, str]:
    """A hub's environment, and nothing of ours."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    given = {"JWT_SECRET": JWT_SECRET, "ADMIN_KEY": ADMIN_KEY, "PORT": "0", "STATE_DIR": str(state_dir)}
    return {**kept, "PYTHONPATH": str(_TREE), **given, **more}


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], state_dir: Path, *arguments: str, **more: str
) -> tuple[int, str, str]:
    """The command in this process: exit status, output, errors."""
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in environment(state_dir, **more).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["kioskwire-hub", *arguments])
    monkeypatch.chdir(state_dir)
    with pytest.raises(SystemExit) as ended:
        command.main()
    output = capsys.readouterr()
    code = ended.value.code
    return (code if isinstance(code, int) else 0), output.out, output.err


@pytest.fixture
def hub_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """`hub_command("kiosk", "list")` gives exit status, output, errors."""

    def call(*arguments: str, **more: str) -> tuple[int, str, str]:
        return run(monkeypatch, capsys, tmp_path, *arguments, **more)

    return call


async def alone(state_dir: Path, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """The command in a process of its own, to its end; it shares nothing with this one but the database."""
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "cloud", *arguments],
        env=environment(state_dir, **more),
        cwd=state_dir,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


# The command line.


def test_a_name_does_nothing_to_the_terminal(hub_command: Any) -> None:
    assert hub_command("kiosk", "add", "kiosk_001", "--name", "a\x1b[2J\nkiosk_002 чай")[0] == 0
    assert hub_command("kiosk", "list")[1].splitlines() == [f"{'kiosk_001':24} enabled  a\ufffd[2J\ufffdkiosk_002 чай"]
    assert json.loads(hub_command("kiosk", "list", "--json")[1])[0]["name"] == "a\x1b[2J\nkiosk_002 чай"


def test_what_cannot_be_served_is_said_in_words(hub_command: Any) -> None:
    wrong = "kioskwire-hub: the settings are wrong"
    for more, status, words in (
        ({"HOST": "h" * 300}, 1, "kioskwire-hub: cannot serve on"),
        ({"HOST": "no.such.invalid"}, 1, "kioskwire-hub: cannot serve on"),
        ({"REDIS_URL": "redis://h?db=canary"}, 2, wrong),
    ):
        code, out, err = hub_command("serve", **more)
        assert (code, words in err) == (status, True), err
        assert "Traceback" not in out + err
        assert "canary" not in out + err


def test_version_and_help_need_no_settings(tmp_path: Path) -> None:
    for arguments, expected in ((["--version"], VERSION), (["version"], VERSION), (["--help"], "kiosk add kiosk_001")):
        done = subprocess.run(
            [sys.executable, "-m", "cloud", *arguments],
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(_TREE)},
            cwd=tmp_path,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert expected in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_wrong_use_is_status_2(hub_command: Any) -> None:
    for arguments in ((), ("kiosk",), ("kiosk", "add"), ("fly",), ("apikey", "revoke")):
        assert hub_command(*arguments)[0] == 2


def test_all_mistakes_of_the_settings_are_told_at_once_with_status_2(hub_command: Any) -> None:
    wrong = {
        "JWT_SECRET": "canary-short-secret",
        "ADMIN_KEY": "canary-short-key",
        "PORT": "70000",
        "KIOSK_RESPONSE_TIMEOUT": "soon",
        "LOG_LEVEL": "LOUD",
        "DATABASE_URL": "mysql://user:canary-password@host/db",
        "REDIS_URL": "http://:canary-password@host",
        "OPERATIONS_KEEP_DAYS": "3",
    }
    for verb in ("check-config", "serve"):
        status, output, errors = hub_command(verb, **wrong)
        assert (status, output) == (2, "")
        assert [name for name in wrong if f"  {name}=" not in errors] == []
        assert len(wrong) == errors.count("\n  ")
        assert "right would be" in errors
        assert "canary" not in errors
        assert "Traceback" not in errors


def test_without_a_secret_the_hub_does_not_start_but_in_demo_mode(hub_command: Any) -> None:
    status, _, errors = hub_command("check-config", JWT_SECRET="")
    assert (status, "JWT_SECRET" in errors) == (2, True)
    assert hub_command("check-config", JWT_SECRET="", DEMO="true")[0] == 0
    status, _, errors = hub_command("check-config", JWT_SECRET="", DEMO="true", HOST="0.0.0.0")
    assert (status, "DEMO" in errors) == (2, True)


def test_check_config_shows_all_settings_and_no_secret(hub_command: Any) -> None:
    status, output, _ = hub_command("check-config", LOG_LEVEL="debug")
    from cloud.settings import Settings

    assert status == 0
    assert {setting.variable for setting in describe(Settings)} == {line.split("=")[0] for line in output.splitlines()}
    assert JWT_SECRET not in output
    assert ADMIN_KEY not in output


def test_check_config_says_what_is_wrong_in_the_rules_for_alerts(hub_command: Any, tmp_path: Path) -> None:
    rules = tmp_path / "alerts.yaml"
    rules.write_text("kinds: {paper-out: {after: 5x}, nothing: {}}")
    status, _, errors = hub_command("check-config", ALERTS_CONFIG=str(rules))
    assert status == 2
    assert "kinds.paper-out.after=5x: right would be a time such as 30s" in errors
    assert "kinds.nothing: is no kind of alerts" in errors
    wrong = {"PORT": "70000", "TIMEZONE": "Nowhere", "ADMIN_KEY": "short"}
    status, output, errors = hub_command("check-config", ALERTS_CONFIG=str(rules), **wrong)
    assert (status, output) == (2, "")
    for each in (*wrong, "kinds.paper-out.after", "kinds.nothing"):
        assert f"\n  {each}" in errors, "all at once"
    rules.write_text("kinds: {paper-out: {after: 5m}}")
    assert hub_command("check-config", ALERTS_CONFIG=str(rules))[0] == 0


def test_settings_lists_every_setting_with_words(hub_command: Any) -> None:
    from cloud.settings import Settings

    status, output, _ = hub_command("settings")
    assert status == 0
    for setting in describe(Settings):
        assert setting.description, setting.variable
        assert setting.variable in output
        assert setting.description in output


def test_a_named_env_file_must_be_there_and_its_unknown_names_are_told(hub_command: Any, tmp_path: Path) -> None:
    assert hub_command("--env-file", "nowhere.env", "check-config")[0] == 2
    (tmp_path / "hub.env").write_text("PROT=9000\nPORT=9001\n")
    status, output, errors = hub_command("--env-file", "hub.env", "check-config", PORT="")
    assert (status, "PORT=9001" in output, "did you mean PORT?" in errors) == (0, True, True)


def audited(state_dir: Path) -> list[tuple[str, str]]:
    """Acts and their subjects; all of them by whoever types."""
    found = rows(state_dir, "SELECT act, subject, door, who FROM audit ORDER BY number")
    assert {(door, who != "") for _, _, door, who in found} == {("cli", True)}
    return [(act, subject) for act, subject, _, _ in found]


def test_a_kiosks_life_at_the_command_line(hub_command: Any, tmp_path: Path) -> None:
    status, output, _ = hub_command("kiosk", "add", "kiosk_001", "--name", "Entrance", "--json")
    added = json.loads(output)
    claims = jwt.decode(added["token"], JWT_SECRET, algorithms=["HS256"], audience="kiosk")
    assert (status, claims["sub"], claims["gen"]) == (0, "kiosk_001", 0)
    assert (len(added["code"]), added["code_good_until"][-1]) == (9, "Z")
    assert hub_command("kiosk", "add", "kiosk_001")[0] == 1
    assert hub_command("kiosk", "add", "a b")[0] == 1
    assert "WS_TOKEN=" in hub_command("kiosk", "token", "kiosk_001")[1]
    shown = json.loads(hub_command("kiosk", "show", "kiosk_001", "--json")[1])
    assert [line["result"] for line in shown.pop("enrolments")] == ["withdrawn", "made"]
    assert shown == {
        "id": "kiosk_001",
        "name": "Entrance",
        "enabled": True,
        "generation": 1,
        "enrolment": None,
        "code_good_until": None,
    }
    status, output, _ = hub_command("kiosk", "code", "kiosk_001")
    assert (status, output.splitlines()[0]) == (0, "kiosk kiosk_001")
    code = re.search(r"^code (\S{4}-\S{4}), for one box, once, good until \S+Z$", output, re.MULTILINE)
    assert code is not None
    assert f"kioskwire-appliance enroll --hub wss://THIS-HUB/ws --code {code[1]}" in output
    assert json.loads(hub_command("kiosk", "code", "kiosk_001", "--json")[1])["code"] != code[1]
    public = {"PUBLIC_URL": "https://hub.example.com"}
    output = (
        hub_command("kiosk", "add", "kiosk_002", **public)[1] + hub_command("kiosk", "code", "kiosk_001", **public)[1]
    )
    assert output.count("kioskwire-appliance enroll --hub wss://hub.example.com/ws --code ") == 2
    assert "\nWS_SERVER_URL=wss://hub.example.com/ws\nWS_TOKEN=" in output
    assert "WS_SERVER_URL=wss://hub.example.com/ws" in hub_command("kiosk", "token", "kiosk_002", **public)[1]
    assert hub_command("kiosk", "remove", "kiosk_002")[0] == 0
    output = hub_command("kiosk", "show", "kiosk_001")[1]
    assert "enrolled: no, its token alone lets it in\ncode: good until " in output
    assert "made by cli, 4 times" in output
    assert hub_command("kiosk", "disable", "kiosk_001")[0] == 0
    assert [kiosk["enabled"] for kiosk in json.loads(hub_command("kiosk", "list", "--json")[1])] == [False]
    assert hub_command("kiosk", "enable", "kiosk_001")[0] == 0
    assert hub_command("kiosk", "remove", "kiosk_001")[0] == 0
    for verb in ("show", "code", "token", "enable", "disable", "remove"):
        status, output, errors = hub_command("kiosk", verb, "kiosk_001")
        assert (status, output, "there is no kiosk kiosk_001" in errors) == (1, "", True), verb
    assert audited(tmp_path) == [
        (f"kiosk.{act}", f"kiosk_00{number}")
        for act, number in (
            ("add", 1), ("token", 1), ("code", 1), ("code", 1), ("add", 2), ("code", 1), ("token", 2), ("remove", 2),
            ("disable", 1), ("enable", 1), ("remove", 1),
        )
    ]  # fmt: skip
    assert added["token"] not in str(rows(tmp_path, "SELECT * FROM audit"))


def test_an_api_keys_life_at_the_command_line(hub_command: Any, tmp_path: Path) -> None:
    added = json.loads(hub_command("apikey", "add", "shop", "--json")[1])
    assert added["key"].encode() not in (tmp_path / "hub.db").read_bytes()
    assert "shop" in hub_command("apikey", "list")[1]
    assert added["key"] not in hub_command("apikey", "list")[1]
    called = json.loads(hub_command("apikey", "callback", added["id"], "http://shop.example/", "--json")[1])
    assert called["callback_secret"].startswith("whsec_")
    assert hub_command("apikey", "callback", added["id"], "shop.example")[0] == 1
    assert json.loads(hub_command("apikey", "callback", added["id"], "--json")[1])["callback_url"] is None
    assert hub_command("apikey", "revoke", added["id"])[0] == 0
    assert hub_command("apikey", "revoke", added["id"])[0] == 1
    assert json.loads(hub_command("apikey", "list", "--json")[1]) == []
    assert audited(tmp_path) == [(f"key.{act}", added["id"]) for act in ("add", "callback", "callback", "revoke")]
    noted = str(rows(tmp_path, "SELECT * FROM audit"))
    assert "shop.example" in noted
    assert not [secret for secret in (added["key"], called["callback_secret"]) if secret in noted]


def test_a_database_that_is_none_is_told_in_words(hub_command: Any, tmp_path: Path) -> None:
    (tmp_path / "hub.db").write_bytes(b"this is not a database" * 100)
    status, _, errors = hub_command("kiosk", "list")
    assert (status, "Traceback" in errors) == (1, False)
    assert "database" in errors


@pytest.mark.parametrize("arguments", [("serve",), ("kiosk", "list")])
def test_a_database_of_a_later_version_is_told_in_words(
    hub_command: Any, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    hub_command("migrate")
    with closing(sqlite3.connect(tmp_path / "hub.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9001'")
    done = subprocess.run(
        [sys.executable, "-m", "cloud", *arguments],
        cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "a later version has been here" in done.stderr


def test_migrate_makes_the_database(hub_command: Any, tmp_path: Path) -> None:
    assert hub_command("migrate")[0] == 0
    assert (tmp_path / "hub.db").exists()
    assert hub_command("migrate")[0] == 0


# A running hub.


def test_a_running_hub_looks_often_enough_to_obey_within_two_seconds() -> None:
    assert 2 * changes._EVERY < 2


@pytest.mark.parametrize(("verb", "code"), [("disable", 4403), ("remove", 4403), ("token", 4401)])
async def test_a_running_hub_obeys_the_command_line(tmp_path: Path, verb: str, code: int) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        done = await alone(tmp_path, "kiosk", verb, "kiosk_001")
        assert done.returncode == 0, done.stderr
        assert await kiosk.close_code() == code
        assert await refusal(hub, jwt.encode({"sub": "kiosk_001", "aud": "kiosk", "gen": 0}, JWT_SECRET)) == code
        if verb == "token":
            assert await refusal(hub, done.stdout.split("WS_TOKEN=")[1].strip()) is None


async def test_health_tells_of_a_hub_from_beside_it(tmp_path: Path) -> None:
    async def ask(port: int) -> tuple[int, str]:
        done = await alone(tmp_path, "health", HOST="0.0.0.0", PORT=str(port))
        return done.returncode, done.stdout

    async with running(tmp_path) as hub:
        status, output = await ask(hub.hub.port)
        assert (status, '"status":"healthy"' in output) == (0, True), output
        async with broken(tmp_path, "kiosks"):
            await until(lambda: hub.services.health.report()[0] == 503)
            assert (await ask(hub.hub.port))[0] == 1
    assert (await ask(hub.hub.port))[0] == 1


async def test_a_running_hub_obeys_new_and_revoked_api_keys(tmp_path: Path) -> None:
    from cloud.backends.keys import ApiKeys
    from cloud.db.engine import open_engine

    async with running(tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving(), AsyncExitStack() as stack:
        engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'hub.db'}")
        stack.push_async_callback(engine.dispose)
        elsewhere = ApiKeys(engine)
        key, text = await elsewhere.add("new")

        async def status() -> int:
            return (await hub.send(api_key=text)).status_code

        async def is_status(expected: int) -> bool:
            return await status() == expected

        await until(lambda: is_status(200))
        await elsewhere.revoke(key.id)
        await until(lambda: is_status(401))


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


class Process:
    """A hub in a process of its own, and what it logs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.text = ""
        self.url = ""
        self._reading = asyncio.create_task(self._read())

    async def end(self) -> int:
        """Its exit status, once all that it has said is in `text`."""
        await self.process.wait()
        await asyncio.wait({self._reading})  # not by itself: who gives up waiting would end it
        self._reading.result()
        assert self.process.returncode is not None
        return self.process.returncode

    async def _read(self) -> None:
        """Collect its output until it ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.text += line.decode()
            if '"listening"' in self.text and not self.url:
                found = re.search(r'"url":\s*"(http://[\d.:]+)"', self.text)
                self.url = found[1] if found else ""


@asynccontextmanager
async def serving(state_dir: Path, **more: str) -> AsyncIterator[Process]:
    """`kioskwire-hub serve`, once it listens."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cloud", "serve"),
        env=environment(state_dir, **more),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=state_dir,
        limit=1024 * 1024,
    )
    hub = Process(process)
    try:
        await until(lambda: hub.url or process.returncode is not None, timeout=60)
        assert hub.url, hub.text
        yield hub
    finally:
        if process.returncode is None:
            process.kill()
        await hub.end()


@asynccontextmanager
async def kiosk_of(hub: Process, token: str, *, in_query: bool = False) -> AsyncIterator[Kiosk]:
    """A kiosk that has said hello to a hub in its own process."""
    from websockets.asyncio.client import connect

    url = hub.url.replace("http", "ws", 1) + "/ws" + (f"?token={token}" if in_query else "")
    headers = {} if in_query else {"Authorization": f"Bearer {token}"}
    more: Any = {"subprotocols": ["kiosk.v2"], "proxy": None, "open_timeout": PATIENCE}
    async with connect(url, additional_headers=headers, **more) as connection:
        client = Kiosk(connection)
        await client.hello()
        yield client


async def is_closed(hub: Process) -> bool:
    """Whether nobody is let in any more."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as other:
        try:
            await other.get(f"{hub.url}/health")
        except httpx.TransportError:
            return True
    return False


async def test_a_stopped_hub_finishes_what_runs_closes_with_1012_and_exits_with_0(tmp_path: Path) -> None:
    async with serving(tmp_path) as hub, httpx.AsyncClient(base_url=hub.url, trust_env=False, timeout=60) as http:
        admin = {"Authorization": f"Bearer {ADMIN_KEY}"}
        token = (await http.post("/admin/kiosks", json={"id": "kiosk_001"}, headers=admin)).json()["token"]
        key = (await http.post("/admin/api-keys", json={"name": "shop"}, headers=admin)).json()["key"]
        headers = {"Authorization": f"Bearer {key}", "Header-Kiosk-Id": "kiosk_001", "Header-Operation-Type": "pay"}
        async with kiosk_of(hub, token) as kiosk:
            asked = [asyncio.create_task(http.post("/send", headers=headers)) for _ in range(2)]
            answered, left = await kiosk.request(), await kiosk.request()
            hub.process.send_signal(signal.SIGTERM)
            await until(lambda: '"stopping"' in hub.text)
            await until(lambda: is_closed(hub))
            await kiosk.answer(answered, {"paid": True})
            async with asyncio.timeout(60):
                answers = {a.headers["x-request-id"]: a for a in await asyncio.gather(*asked)}
                assert answers[answered["request_id"]].json() == {"paid": True}
                given_up = answers[left["request_id"]].json()
                assert (given_up["type"], given_up["outcome"]) == ("timeout", "unknown")
                assert await kiosk.close_code() == 1012
                assert await hub.end() == 0
        assert '"stopped"' in hub.text
        assert '"ERROR"' not in hub.text
    async with running(tmp_path, kiosks=()) as again:
        assert (await again.operation(answered["request_id"]))["state"] == "succeeded"
        assert (await again.operation(left["request_id"]))["state"] == "unknown"


async def test_a_stopped_hub_does_not_wait_for_a_thread_that_hangs(tmp_path: Path) -> None:
    """One that asks for a name which nobody answers: Python's, or libuv's own, which is waited for at the very end."""
    (tmp_path / "sitecustomize.py").write_text(_HANGING)
    async with serving(tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{_TREE}") as hub:
        hub.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await hub.end() == 0
        assert '"stopped"' in hub.text


async def test_no_secret_and_no_card_number_is_ever_logged(tmp_path: Path) -> None:
    card, phone = "4111111111111111", "+77011234567"
    async with (
        serving(tmp_path, LOG_LEVEL="DEBUG") as hub,
        httpx.AsyncClient(base_url=hub.url, trust_env=False, timeout=60) as http,
    ):
        admin = {"Authorization": f"Bearer {ADMIN_KEY}"}
        token = (await http.post("/admin/kiosks", json={"id": "kiosk_001"}, headers=admin)).json()["token"]
        made = (
            await http.post("/admin/api-keys", json={"name": "s", "callback_url": "http://127.0.0.1:9/"}, headers=admin)
        ).json()
        headers = {
            "Authorization": f"Bearer {made['key']}",
            "Header-Kiosk-Id": "kiosk_001",
            "Header-Operation-Type": "pay",
            "Idempotency-Key": f"card {card}",
        }
        async with kiosk_of(hub, token, in_query=True) as kiosk:
            asked = asyncio.create_task(http.post("/send", json={"card": card, "phone": phone}, headers=headers))
            request = await kiosk.request()
            await kiosk.refuse(request, "gateway-unreachable", detail=f"card {card} of {phone}")
            await asked
            await kiosk.say_raw(f'{{"type":"response","request_id":"{card}"}}')
            await kiosk.say_raw(card)
            await kiosk.say("event", seq=1, at=1.0, kind="card", device="terminal", data={"card": card})
            await kiosk.hear("settled")
        for bad in (f"{token}x", f"kw_{card}"):
            await http.get("/ws", params={"token": bad}, headers={"Connection": "Upgrade", "Upgrade": "websocket"})
            await http.get(f"/operations?token={token}", headers={"Authorization": f"Bearer {made['key']}x"})
        await http.get(f"/nowhere?token={token}&key={made['key']}")
        hub.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await hub.end() == 0
    lines = [json.loads(line) for line in hub.text.splitlines()]
    assert "operation" in {line["message"] for line in lines}
    assert {"time", "level", "logger", "message"} <= set(lines[0])
    secrets = {
        "the admin key": ADMIN_KEY,
        "the signing secret": JWT_SECRET,
        "a token": token,
        "a token's signature": token.rpartition(".")[2],
        "an API key": made["key"],
        "its secret part": made["key"].split("_", 2)[2],
        "a callback secret": made["callback_secret"],
        "a card": card,
        "a phone": phone,
        "a query": "token=",
    }
    assert [name for name, secret in secrets.items() if secret in hub.text] == []


async def test_an_operations_line_names_request_kiosk_and_outcome(tmp_path: Path) -> None:
    async with serving(tmp_path) as hub, httpx.AsyncClient(base_url=hub.url, trust_env=False, timeout=60) as http:
        admin = {"Authorization": f"Bearer {ADMIN_KEY}"}
        token = (await http.post("/admin/kiosks", json={"id": "kiosk_001"}, headers=admin)).json()["token"]
        key = (await http.post("/admin/api-keys", json={"name": "shop"}, headers=admin)).json()["key"]
        headers = {"Authorization": f"Bearer {key}", "Header-Kiosk-Id": "kiosk_001", "Header-Operation-Type": "pay"}
        async with kiosk_of(hub, token) as kiosk, kiosk.serving():
            answer = await http.post("/send", headers=headers)
        hub.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(60):
            assert await hub.end() == 0
    (line,) = [line for line in map(json.loads, hub.text.splitlines()) if line["message"] == "operation"]
    assert ("INFO", answer.headers["x-request-id"], "kiosk_001", "pay", "succeeded", "yes", 200) == tuple(
        line[name] for name in ("level", "request_id", "kiosk", "operation", "state", "executed", "status")
    )


async def test_a_port_that_is_taken_is_told_in_words_with_status_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = await alone(tmp_path, "serve", PORT=port)
    assert done.returncode == 1
    assert f"cannot serve on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
