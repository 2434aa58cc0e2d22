"""One question to the hub, over a real connection, and what its failures mean."""

import asyncio
import base64
import gzip
import shutil
import ssl
import subprocess
import time
import tracemalloc
from pathlib import Path

import msgspec
import pytest

from appliance.enrolment.papers import Pending
from appliance.enrolment.trade import TradeError, Trouble, Way, trade
from appliance.identity import new_key, public_key
from appliance.outward import distrust, is_about_clock
from tests.appliance.supervisor.yard import virtual
from tests.appliance.worlds import Call, gateway, proxy, reply
from tests.listening import listening
from wire.enrolment import EnrolRequest
from wire.environment import Secret

ANSWER = b'{"kiosk_id":"kiosk_001","token":"eyJ.canary.token","name":"Canteen"}'


OF_ANOTHER = b"e." + base64.urlsafe_b64encode(b'{"sub":"kiosk_002"}').rstrip(b"=") + b".e"


def pending(port: int, scheme: str = "ws", host: str = "127.0.0.1") -> Pending:
    return Pending(
        hub=f"{scheme}://{host}:{port}/prefix/ws", code=Secret("ABCD2345"), private_key=Secret(new_key()), source="page"
    )


async def refused(answer: bytes | None, way: Way | None = None) -> TradeError:
    async def say(_call: Call) -> bytes | None:
        return answer

    async with gateway(say) as there:
        with pytest.raises(TradeError) as caught:
            await trade(pending(there.port), way or Way())
        assert len(there.calls) == 1
        assert "ABCD" not in str(caught.value)
        return caught.value


async def test_code_and_public_key_go_there_and_the_answer_comes_back() -> None:
    async def say(_call: Call) -> bytes:
        return reply(200, ANSWER)

    async with gateway(say) as there:
        asked = pending(there.port)
        answer = await trade(asked, Way())
        assert (answer.kiosk_id, answer.token, answer.name) == ("kiosk_001", "eyJ.canary.token", "Canteen")
        (call,) = there.calls
        assert (call.method, call.target) == ("POST", "/prefix/enroll")
        request = msgspec.json.decode(call.body, type=EnrolRequest)
        assert (request.code, request.public_key) == ("ABCD2345", public_key(asked.private_key.reveal()))
        assert asked.private_key.reveal() not in call.body.decode()


@pytest.mark.parametrize("status", [400, 401, 403, 410, 422])
async def test_a_hub_that_refuses_has_the_last_word(status: int) -> None:
    problem = b'{"type":"code-refused","detail":"the code is too old"}'
    error = await refused(reply(status, problem, "application/problem+json"))
    assert (error.kind, error.retry_after) == (Trouble.REFUSED, None)
    assert "the code is too old" in str(error)


@pytest.mark.parametrize(
    "answer",
    [
        reply(403, b"<html>Forbidden</html>", "text/html"),
        reply(404), reply(405), reply(502), reply(302), reply(500, b"", ""), reply(200, b"hello"), reply(204, b""),
        reply(200, b'{"kiosk_id":"","token":"x"}'), reply(200, b'{"kiosk_id":"k","token":""}'),
        reply(200, b'{"kiosk_id":"k","token":"a b"}'), reply(200, b'{"kiosk_id":"k","token":"\\u0000"}'),
        reply(200, b" " * 100_000),
        reply(200, b'{"kiosk_id":"k","token":"' + b"x" * 5000 + b'"}'),
        reply(200, b'{"kiosk_id":"k","token":"' + OF_ANOTHER + b'"}'),
        reply(200, gzip.compress(ANSWER)).replace(b"\r\n", b"\r\nContent-Encoding: gzip\r\n", 1),
    ],
)  # fmt: skip
async def test_what_is_no_hub_is_told_apart_and_not_taken_at_its_word(answer: bytes) -> None:
    assert (await refused(answer)).kind is Trouble.NO_HUB


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_hub_says_when_to_return(status: int) -> None:
    answer = reply(status).replace(b"\r\n", b"\r\nRetry-After: 17\r\n", 1)
    error = await refused(answer)
    assert (error.kind, error.retry_after) == (Trouble.BUSY, 17.0)
    assert (await refused(reply(status))).retry_after is None


@virtual
async def test_an_answer_that_breaks_off_and_a_hub_that_is_not_there() -> None:
    assert (await refused(None)).kind is Trouble.UNREACHABLE
    assert (await refused(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")).kind is Trouble.UNREACHABLE
    async with gateway() as there:
        port = there.port
    for gone in (pending(port), pending(port, host="nowhere.invalid"), pending(port, "wss")):
        with pytest.raises(TradeError) as caught:
            await trade(gone, Way())
        assert caught.value.kind is Trouble.UNREACHABLE


async def test_a_hub_without_encryption_is_said_to_be_one() -> None:
    async def complain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)  # what nobody has read when the connection closes breaks it
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")  # as any of them answers a hello of TLS
        writer.close()

    async with listening(complain) as server:
        with pytest.raises(TradeError, match=r"no TLS.*ws://") as caught:
            await trade(pending(server.port, "wss"), Way())
    assert caught.value.kind is Trouble.UNREACHABLE


@virtual
async def test_a_hub_that_never_answers_is_given_up() -> None:
    async def never(_call: Call) -> bytes:
        await asyncio.Event().wait()
        return reply()

    async with gateway(never) as there:
        with pytest.raises(TradeError, match="no answer") as caught:
            await trade(pending(there.port), Way())
        assert caught.value.kind is Trouble.UNREACHABLE


async def test_a_few_bytes_that_unpack_to_gigabytes_are_not_unpacked() -> None:
    answer = reply(200, gzip.compress(bytes(50_000_000))).replace(b"\r\n", b"\r\nContent-Encoding: gzip\r\n", 1)
    tracemalloc.start()
    try:
        assert (await refused(answer)).kind is Trouble.NO_HUB
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


async def test_a_name_does_nothing_to_the_terminal_it_is_shown_on() -> None:
    async def say(_call: Call) -> bytes:
        return reply(200, b'{"kiosk_id":"k","token":"t","name":"\\u001b[2JTill \\u202e2"}')

    async with gateway(say) as there:
        assert (await trade(pending(there.port), Way())).name == "[2JTill 2"


async def test_a_redirect_takes_the_code_nowhere() -> None:
    async with gateway() as elsewhere:
        answer = reply(307).replace(b"\r\n", f"\r\nLocation: {elsewhere.url}\r\n".encode(), 1)
        assert (await refused(answer)).kind is Trouble.NO_HUB
        assert elsewhere.calls == []


async def test_it_goes_through_the_proxy_whose_password_is_not_told() -> None:
    async with proxy() as between:
        between.wants = "user:other"
        way = Way(f"http://user:canary@127.0.0.1:{between.port}")
        with pytest.raises(TradeError) as caught:
            await trade(pending(1, "wss", "hub.invalid"), way)
        assert caught.value.kind is Trouble.UNREACHABLE
        assert "proxy" in str(caught.value)
        assert "canary" not in str(caught.value)


def certificate(directory: Path, begin: str, end: str) -> Path:
    """A certificate with these dates, its key beside it."""
    names = {name: str(directory / name) for name in ("key", "csr", "crt", "conf", "index", "serial")}
    Path(names["index"]).touch()
    Path(names["serial"]).write_text("01\n")
    Path(names["conf"]).write_text(
        f"[ca]\ndefault_ca=a\n[a]\ndatabase={names['index']}\nserial={names['serial']}\nnew_certs_dir={directory}\n"
        "default_md=sha256\npolicy=p\nx509_extensions=e\n[p]\ncommonName=supplied\n[e]\nsubjectAltName=IP:127.0.0.1\n"
        "[req]\ndistinguished_name=d\n[d]\n"
    )
    for command in (
        f"req -config {names['conf']} -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=hub "
        f"-keyout {names['key']} -out {names['csr']}",
        f"ca -config {names['conf']} -batch -selfsign -keyfile {names['key']} -in {names['csr']} -out {names['crt']} "
        f"-notext -startdate {begin} -enddate {end}",
    ):
        subprocess.run(["openssl", *command.split()], check=True, capture_output=True, timeout=30)
    return Path(names["crt"])


@pytest.mark.skipif(shutil.which("openssl") is None, reason="takes openssl")
@pytest.mark.parametrize(
    ("begin", "end", "kind", "words"),
    [
        ("20980101000000Z", "20990101000000Z", Trouble.CLOCK, "not yet valid: set the clock right"),
        ("20010101000000Z", "20020101000000Z", Trouble.CLOCK, "set the clock right"),
        ("20010101000000Z", "20990101000000Z", Trouble.CERTIFICATE, "CA_FILE"),
    ],
)
async def test_a_wrong_clock_is_told_apart_from_a_wrong_certificate(
    tmp_path: Path, begin: str, end: str, kind: Trouble, words: str
) -> None:
    crt = certificate(tmp_path, begin, end)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(crt, tmp_path / "key")
    trusted = Way("", str(crt)) if kind is Trouble.CLOCK else Way()
    async with listening(lambda _r, w: w.close(), tls=context) as server:
        with pytest.raises(TradeError) as caught:
            await trade(pending(server.port, "wss"), trusted)
    assert caught.value.kind is kind
    assert words in str(caught.value)
    if kind is Trouble.CLOCK:
        assert time.strftime("%Y-%m-%d", time.gmtime()) in str(caught.value)


def test_the_year_1970_is_named() -> None:
    error = ssl.SSLCertVerificationError("x")
    error.verify_code, error.verify_message = 9, "certificate is not yet valid"
    assert is_about_clock(error)
    assert "1970-01-01 00:00 UTC" in distrust(error, 5.0)
