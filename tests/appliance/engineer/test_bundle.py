"""The support bundle: what is in it, and that nothing secret is, wherever it was planted."""

import base64
import hashlib
import io
import json
import logging
import time
import zipfile
from pathlib import Path

import pytest
import yaml

from appliance.engineer import bundle
from appliance.engineer.bundle import Sources, build
from appliance.engineer.redact import Redactor, secrets_of_tree
from appliance.logs import Logs
from tests.appliance.engineer.door import door

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJraW9za18wNzcifQ.cAnArYsIgNaTuRe12345678"
SECRETS = {
    "jwt": JWT,
    "api key": "kw_live_Zx81CanaryKeyQw92LmTr55",
    "bot token": "5512349876:AAHcanaryBotTokenXyZ012345678901234",
    "webhook": "whsec_Q2FuYXJ5V2ViaG9va1NlY3JldA==",
    "basic": "dXNlcjpjYW5hcnktcGFzc3dvcmQ=",
    "bearer": "canarybearer0123456789abcdef",
    "proxy password": "pr0xy-c4nary",
    "route password": "r0ute-c4nary",
    "query": "qu3ry-c4nary",
    "code": "KXPD-7M4Q",
    "code without": "HQRT8W5N",
    "pan": "4111111111111111",
    "pan in groups": "5555 5555 5555 4444",
    "phone": "+77015550199",
    "phone bare": "87015550198",
    "email": "canary.person@example.kz",
    "pin": "604283",
    "private key": "MC4CAQAwBQYDK2VwBCIEIHcanaryPrivateKeyBytes0123456789abcdef",
}
LINES = [
    f"a token came: {JWT}",
    f"Authorization: Bearer {SECRETS['bearer']}",
    f"Authorization: Basic {SECRETS['basic']}",
    f"header Basic {SECRETS['basic']}",
    f"hook {SECRETS['webhook']} by {SECRETS['api key']} and {SECRETS['bot token']}",
    f"http://user:{SECRETS['route password']}@10.0.0.5/pay?token={SECRETS['query']}",
    f"code {SECRETS['code']}, then {SECRETS['code without']}",
    f"card {SECRETS['pan']} or {SECRETS['pan in groups']}",
    f"call {SECRETS['phone']} or {SECRETS['phone bare']} or write {SECRETS['email']}",
    f"PIN {SECRETS['pin']}; pin={SECRETS['pin']}; the PIN code: {SECRETS['pin']}",
    f"-----BEGIN PRIVATE KEY-----\n{SECRETS['private key']}\n-----END PRIVATE KEY-----",
    json.dumps({"card": SECRETS["pan"], "phone": SECRETS["phone"], "pin": SECRETS["pin"], "cvv": "737",
                "body": json.dumps({"email": SECRETS["email"], "token": SECRETS["query"]})}),
]  # fmt: skip


def opened(data: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def assert_clean(data: bytes) -> None:
    files = opened(data)
    for what, secret in SECRETS.items():
        for name, text in files.items():
            assert secret not in text, (what, name)
            assert secret.replace("-", "") not in text.replace("-", "") or len(secret) < 8, (what, name)
        assert secret.encode() not in data, what


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("form", ["text", "line", "json", "tree"])
def test_each_sieve_by_itself(line: str, form: str) -> None:
    redactor = Redactor()
    text = str({"text": redactor.text, "line": redactor.line, "json": lambda it: redactor.json({"words": it}),
                "tree": lambda it: redactor.tree({"words": it})}[form](line))  # fmt: skip
    for what, secret in SECRETS.items():
        assert secret not in text, what


def test_what_tells_something_stays() -> None:
    redactor = Redactor(["s3cret-word"])
    for text in (
        '{"time":"2026-11-22T02:31:00.123+00:00","level":"INFO","logger":"appliance.app","message":"listening","port":9091}',
        "an amount of 135000 KZT in 12 ms, request 6f1c0d3e-8a55-4c1e-9d0b-1f2a3b4c5d6e",
        "2026-11-22 02:31:00 bills: disabled → ready", "/dev/serial/by-id/usb-FTDI_A1", "192.168.10.25:8080",
    ):  # fmt: skip
        assert redactor.text(text) == text
    assert redactor.text("of s3cret-word here") == "of <hidden> here"
    assert redactor.text("of S3CRET%2DWORD s3cret-word").count("s3cret") == 0


def test_what_is_known_is_found_in_whatever_letters_it_is_written() -> None:
    user, path, password = "tokenAsUser99", "hookSecret7Zx81Qw92", 'qu"ote\\wörd'
    tree = {"routes": {
        "a": {"url": f"https://{user}@h.example/hook/{path}", "headers": {
            "Authorization": "Token hdrSecret777", "Cookie": "sid=sessCookie42; lang=ru", "X-Merchant": "m-1"}},
        "b": {"url": "http://10.0.0.5/v1/payments/status?fields=all", "password": password},
    }}  # fmt: skip
    redactor = Redactor(secrets_of_tree(tree))
    encoded = [base64.b64encode(text.encode()).decode() for text in (user, f"cashier:{password}", "x hdrSecret777")]
    for line in (
        password, repr(password), json.dumps({"words": password}), json.dumps({"words": password}, ensure_ascii=False),
        json.dumps({"body": json.dumps({"words": password})}), f"https://{user}@h.example/x", f"/hook/{path}",
        "hdrSecret777", "sessCookie42", path.encode().hex(), *encoded,
        base64.urlsafe_b64encode(f"{user}??>".encode()).decode().rstrip("="),
    ):  # fmt: skip
        shown = redactor.text(line) + redactor.line(line) + redactor.json({"words": line})
        plain = [line, json.dumps(line)[1:-1], password, json.dumps(password)[1:-1], user, path, "wörd", "w\\u00f6rd"]
        assert not [each for each in plain if each in shown], (line, shown)
    for text in ("GET /v1/payments/status by cashier", "X-Merchant: m-1", "connection refused, tried 3 times", "ru"):
        assert redactor.text(text) == text


def test_beginnings_of_keys_without_an_end_do_not_hold_the_program() -> None:
    began = time.process_time()
    shown = Redactor().lines(["-----BEGIN PRIVATE KEY-----" * 20_000, "-----BEGIN RSA PRIVATE KEY-----", "MC4CAQAw"])
    assert time.process_time() - began < 2.0
    assert "MC4CAQAw" not in "".join(shown)


async def test_canaries_planted_everywhere_are_nowhere_in_it(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    logs = Logs("INFO", str(tmp_path / "logs"))
    before = logging.getLogger().handlers[:]
    logs.start()
    try:
        routes = {"payment": {
            "url": f"http://user:{SECRETS['route password']}@127.0.0.1:1/pay?token={SECRETS['query']}",
            "status": {"url": f"http://127.0.0.1:1/s?key={SECRETS['query']}", "params": ["order_id"]},
        }, "atol": {"gateway": "atol-web", "url": "http://127.0.0.1:1", "user": "cashier",
                    "password": SECRETS["route password"]}}  # fmt: skip
        devices = {"register": {"driver": "shtrih", "port": "/dev/nowhere", "password": 4831}}
        proxy = f"http://proxyuser:{SECRETS['proxy password']}@127.0.0.1:3128"
        settings = {"PROXY_URL": proxy, "ENGINEER_PIN": SECRETS["pin"], "LOG_DIR": str(tmp_path / "logs"),
                    "ENROLL_CODE": SECRETS["code"], "WS_TOKEN": JWT}  # fmt: skip
        async with door(tmp_path, devices, routes, logs, **settings) as there:
            with (tmp_path / "routing.yaml").open("a") as file:
                file.write(f"# the supplier's password is {SECRETS['route password']}, card {SECRETS['pan']}\n")
            state = tmp_path / "state"
            (state / "enroll.env.refused").write_text(f"ENROLL_CODE={SECRETS['code']}\n")
            for name in ("one.trace", "two.trace"):
                protocol = "ccnet" if name == "one.trace" else "shtrih"
                (state / name).write_text(
                    f"# kioskwire trace 1\n# protocol: {protocol}\n# url: tcp://a:{SECRETS['route password']}@h:1\n"
                    "2026-11-21T13:20:11.124011Z   8123.457344 > 02 03 06 33 DA 81\n"
                )
            log = logging.getLogger("appliance.canary")
            for line in LINES:
                log.info("%s", line)
                log.error(line, extra={"reason": line, "request_id": line, "operation": line})
            with (tmp_path / "logs" / "appliance.log").open("a") as file:
                file.write("\n".join([*LINES, ""]))
            for line in LINES:
                await there.appliance.operations.note("canary", {"words": line})
            there.appliance.link.last_error = " ".join(LINES)
            there.appliance.link.last_error_at = time.time()
            await there.sign_in(SECRETS["pin"])
            answer = await there.get("/bundle")
            assert answer.status_code == 200
            assert answer.headers["Content-Disposition"].startswith(
                'attachment; filename="kioskwire-support-kiosk_077-'
            )
            assert_clean(answer.content)
            files = opened(answer.content)
            assert {"manifest.json", "health.json", "settings.txt", "routing.yaml", "system.json", "report.json",
                    "log.jsonl"} <= set(files)  # fmt: skip
            assert [name for name in files if name.startswith("traces/")] == [
                next(n for n in files if "one.trace" in n)
            ]
            manifest = json.loads(files["manifest.json"])
            for name, said in manifest["files"].items():
                data = files[name].encode()
                assert (said["bytes"], said["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
            assert "4831" not in files["routing.yaml"]
            assert yaml.safe_load(files["routing.yaml"])["devices"]["register"]["driver"] == "shtrih"
            assert "listening" in files["log.jsonl"]
            assert "HEALTH_CHECK_PORT" in files["settings.txt"]
            assert "ENGINEER_PIN_FILE=(not set)  (default)\n" in files["settings.txt"]
            assert "ENGINEER_PIN=<6 characters>" in files["settings.txt"]
            page = (await there.get("/logs?level=INFO")).text
            for what, secret in SECRETS.items():
                assert secret not in page, what
            assert (
                "<script>"
                not in (await there.get("/logs?text=%3Cscript%3E")).text.partition("<main>")[2].partition("</main>")[0]
            )
    finally:
        logs.stop()
        logging.getLogger().handlers[:] = before


def test_it_is_made_of_whatever_there_is_and_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "routing.yaml").write_text(f"a: [\npassword: {SECRETS['route password']}\n")

    def broken() -> object:
        raise OSError(f"no journal {SECRETS['phone']}")

    def sources(**more: object) -> Sources:
        return Sources(state_dir=tmp_path / "none", routing_file=tmp_path / "routing.yaml", report=broken, **more)  # type: ignore[arg-type]

    data = build(sources())
    assert_clean(data)
    manifest = json.loads(opened(data)["manifest.json"])
    assert {"health.json", "report.json", "log.jsonl", "network.json", "settings.txt"} == set(manifest["missing"])
    monkeypatch.setattr(bundle, "FILE_MAX", 2000)
    files = opened(build(sources(recent=[f"line {n}" for n in range(5000)], health={"x": "y" * 9000})))
    assert len(files["log.jsonl"]) <= 2000
    assert files["log.jsonl"].endswith("line 4999\n")
    assert len(files["health.json"]) == 2000
