"""Looking along the way to the hub, over real sockets: what refuses, is silent, answers in the hub's place."""

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path

import pytest

from appliance.network import machine, probe
from appliance.network.probe import Aim, Machine, look
from appliance.network.steps import Look, State, judge, verdict
from tests.appliance.supervisor.yard import virtual
from tests.appliance.worlds import proxy
from tests.listening import listening

HERE = Machine(interfaces=machine.interfaces, has_default_route=lambda: True, name_servers=lambda: ("192.0.2.53",))
REPORT = b'{"status":"healthy","version":"1.0.0"}'


def told(status: int = 200, body: bytes = REPORT, *, at: float | None = None, **fields: str) -> bytes:
    """An HTTP answer, dated as asked."""
    fields = {"Date": formatdate(time.time() if at is None else at, usegmt=True), **fields}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} X\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


@asynccontextmanager
async def answering(
    text: bytes | None, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that says this to whatever is asked (None: nothing); its port, and what it was asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        if text is not None:
            writer.write(text)
            await writer.drain()
            writer.close()

    async with listening(serve, host=host, tls=tls) as there:
        yield there.port, asked


@contextlib.contextmanager
def refusing() -> Iterator[int]:
    """A port on which nobody listens, nor will meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


async def walk(url: str, proxy_url: str = "", ca_file: str = "") -> Look | None:
    """The verdict on one walk."""
    return verdict(judge(await look(Aim(url=url, proxy_url=proxy_url, ca_file=ca_file), HERE)))


def found(look: Look | None) -> str:
    return look.finding if look is not None else "well"


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates: ca.pem; hub (127.0.0.1), other (another name), old (expired), young (not yet valid)."""
    directory = tmp_path_factory.mktemp("papers")
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("certificates are made by the openssl command")

    def run(*words: str) -> None:
        subprocess.run([openssl, *words], cwd=directory, check=True, capture_output=True, timeout=30)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    run("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/O=Meddler Ltd/CN=The Box")
    (directory / "index").touch()
    (directory / "ca.cnf").write_text(
        "[ca]\ndefault_ca=here\n[here]\ndatabase=index\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\n"
        "policy=any\nunique_subject=no\ncopy_extensions=copy\n[any]\ncommonName=supplied\n"
    )
    for name, where, dates in (
        ("hub", "IP:127.0.0.1", ("20200101000000Z", "20400101000000Z")),
        ("other", "DNS:other.example", ("20200101000000Z", "20400101000000Z")),
        ("old", "IP:127.0.0.1", ("20200101000000Z", "20210101000000Z")),
        ("young", "IP:127.0.0.1", ("20390101000000Z", "20400101000000Z")),
    ):
        subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName={where}"]
        run("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", *subject)
        run(
            "ca", "-batch", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-in", f"{name}.csr",
            "-out", f"{name}.pem", "-notext", "-startdate", dates[0], "-enddate", dates[1],
        )  # fmt: skip
    return directory


def server(papers: Path, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(papers / f"{name}.pem", papers / f"{name}.key")
    return context


@virtual
async def test_a_hub_that_answers_is_well_with_and_without_tls(papers: Path) -> None:
    async with answering(told()) as (port, asked):
        assert await walk(f"ws://127.0.0.1:{port}/base/ws") is None
        assert asked[0].startswith(b"GET /base/health HTTP/1.1\r\nHost: 127.0.0.1:")
        assert b"uthorization" not in asked[0]
    async with answering(told(), server(papers, "hub")) as (port, _):
        assert await walk(f"wss://127.0.0.1:{port}/ws", ca_file=str(papers / "ca.pem")) is None


@virtual
async def test_a_port_that_refuses() -> None:
    with refusing() as port:
        assert found(await walk(f"ws://127.0.0.1:{port}/ws")) == "reach.refused"


@virtual
async def test_a_hub_that_is_silent() -> None:
    async with answering(None) as (port, _):
        assert found(await walk(f"ws://127.0.0.1:{port}/ws")) == "hub.silent"
        assert found(await walk(f"wss://127.0.0.1:{port}/ws")) == "tls.silent"


@virtual
async def test_a_port_that_takes_no_connection() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        others = [socket.socket() for _ in range(4)]  # fill what waits to be accepted: then nobody is answered
        try:
            for other in others:
                other.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    other.connect(("127.0.0.1", port))
            began = time.monotonic()
            assert found(await walk(f"ws://127.0.0.1:{port}/ws")) == "reach.silent"
            assert time.monotonic() - began == pytest.approx(probe.CONNECT_S)
        finally:
            for other in others:
                other.close()


@virtual
async def test_a_certificate_of_a_box_in_between_is_named(papers: Path) -> None:
    async with answering(told(), server(papers, "hub")) as (port, asked):
        seen = await walk(f"wss://127.0.0.1:{port}/ws")
    assert seen is not None
    assert (seen.finding, seen.fields["issuer"]) == ("tls.untrusted", "The Box, Meddler Ltd")
    assert all(b"uthorization" not in each for each in asked)


@virtual
async def test_a_certificate_of_another_name(papers: Path) -> None:
    async with answering(told(), server(papers, "other")) as (port, _):
        seen = await walk(f"wss://127.0.0.1:{port}/ws", ca_file=str(papers / "ca.pem"))
    assert seen is not None
    assert (seen.finding, seen.fields["subject"]) == ("tls.name", "other")


@pytest.mark.parametrize(
    ("name", "there_s", "expected"),
    [
        ("old", 0.0, "tls.expired"),  # its own clock agrees with ours: it really is too old
        ("old", -5 * 365 * 86400.0, "clock.ahead"),  # by its clock the certificate is good
        ("young", 0.0, "tls.not-yet"),
        ("young", 13 * 365 * 86400.0, "clock.behind"),
    ],
)
@virtual
async def test_dates_of_a_certificate_are_held_against_the_hubs_clock(
    papers: Path, name: str, there_s: float, expected: str
) -> None:
    async with answering(told(at=time.time() + there_s), server(papers, name)) as (port, _):
        assert found(await walk(f"wss://127.0.0.1:{port}/ws", ca_file=str(papers / "ca.pem"))) == expected


@virtual
async def test_a_hub_with_another_clock() -> None:
    async with answering(told(at=time.time() + 3 * 3600)) as (port, _):
        seen = await walk(f"ws://127.0.0.1:{port}/ws")
    assert seen is not None
    assert (seen.finding, seen.state) == ("clock.behind", State.DOUBTFUL)
    assert abs(float(seen.fields["offset"]) - 3 * 3600) < 5


@virtual
async def test_what_does_not_encrypt() -> None:
    async def complain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with listening(complain) as plain:
        assert found(await walk(f"wss://127.0.0.1:{plain.port}/ws")) == "tls.none"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (told(302, b"", Location="http://login.hotel.example/?back=1"), "portal.found"),
        (told(200, b"<html><body>Welcome, sign in</body></html>", Content_Type="text/html"), "portal.found"),
        (told(511, b"sign in"), "portal.found"),
        (told(301, b"", Location="https://127.0.0.1/health"), "hub.none"),
        (told(404, b"{}"), "hub.none"),
        (told(200, b"hello"), "hub.none"),
        (told(502, b"<html>Bad gateway</html>", Content_Type="text/html"), "hub.down"),
        (told(503, REPORT), "hub.unwell"),
        (told(429, b""), "hub.busy"),
        (b"SSH-2.0-something\r\n\r\n", "hub.silent"),
    ],
)
@virtual
async def test_what_answers_in_the_hubs_place(answer: bytes, expected: str) -> None:
    async with answering(answer) as (port, _):
        assert found(await walk(f"ws://127.0.0.1:{port}/ws")) == expected


@virtual
async def test_a_portal_on_port_80_is_found_where_tls_does_not_stand(
    monkeypatch: pytest.MonkeyPatch, papers: Path
) -> None:
    address = next((each for one in machine.interfaces() for each in one.addresses if "." in each), "")
    if not address:
        pytest.skip("this machine has no other address than loopback")
    page = told(302, b"", Location="http://login.hotel.example/")
    async with (
        answering(page, host=address) as (plain, asked),
        answering(told(), server(papers, "other"), host=address) as (port, _),
    ):
        monkeypatch.setattr(probe, "HTTP_PORT", plain)
        seen = await walk(f"wss://{address}:{port}/ws")
        assert seen is not None
        assert (seen.finding, seen.fields["host"]) == ("portal.found", "login.hotel.example")
        assert len(asked) == 1


@virtual
async def test_a_proxy_on_the_way() -> None:
    async with answering(told()) as (port, _), proxy() as between:
        hub, way = f"ws://127.0.0.1:{port}/ws", f"http://user:canary@127.0.0.1:{between.port}"
        between.wants = "user:canary"
        assert await walk(hub, way) is None
        assert between.tunnels == [f"127.0.0.1:{port}"]
        between.wants = "user:another"
        seen = await walk(hub, way)
        assert seen is not None
        assert seen.finding == "proxy.password"
        assert "canary" not in repr(seen)
    with refusing() as nobody:
        assert found(await walk(hub, f"http://127.0.0.1:{nobody}")) == "proxy.refused"
    for answer, expected in (
        (told(403, b""), "proxy.denied"), (told(502, b""), "proxy.no-hub"), (b"nonsense\r\n\r\n", "proxy.no-answer"),
    ):  # fmt: skip
        async with answering(answer) as (way_port, _):
            assert found(await walk(hub, f"http://127.0.0.1:{way_port}")) == expected


@virtual
async def test_tls_through_a_proxy(papers: Path) -> None:
    async with answering(told(), server(papers, "hub")) as (port, _), proxy() as between:
        way = f"http://127.0.0.1:{between.port}"
        assert await walk(f"wss://127.0.0.1:{port}/ws", way, str(papers / "ca.pem")) is None
        assert found(await walk(f"wss://127.0.0.1:{port}/ws", way)) == "tls.untrusted"


@pytest.mark.parametrize(
    ("error", "servers", "expected"),
    [
        (socket.gaierror(socket.EAI_NONAME, "not known"), ("192.0.2.53",), "dns.no-name"),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), ("192.0.2.53",), "dns.silent"),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), (), "dns.no-server"),
    ],
)
@virtual
async def test_names_that_are_not_found(
    monkeypatch: pytest.MonkeyPatch, error: OSError, servers: tuple[str, ...], expected: str
) -> None:
    def resolve(*_args: object, **_more: object) -> None:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    up = machine.Interface(name="eth0", up=True, addresses=("192.0.2.7",))
    here = Machine(interfaces=lambda: (up,), has_default_route=lambda: True, name_servers=lambda: servers)
    seen = await look(Aim(url="wss://hub.example.com/ws"), here)
    assert found(verdict(judge(seen))) == expected


@pytest.mark.parametrize("body", [
    b"{" + b'"a":{' * 12_000, b'{"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}", b'{"a":' * 12_000 + b"1" + b"}" * 12_000,
])  # fmt: skip
def test_what_somebody_in_the_hubs_place_answers_is_no_report_however_deep(body: bytes) -> None:
    assert not probe.is_report(body)
