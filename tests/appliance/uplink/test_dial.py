"""Opening connections, and what their failures mean."""

import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from appliance.uplink.dial import Address, DialError, dial, read_retry_after
from tests.appliance.worlds import TOKEN, gateway, hub, proxy, refusal, reply


async def test_the_token_goes_in_a_header_and_nowhere_else() -> None:
    async with hub() as there:
        connection = await dial(Address(there.url, TOKEN))
        await connection.close()
        upgrade = there.upgrades[0]
        assert upgrade.headers["Authorization"] == f"Bearer {TOKEN}"
        assert upgrade.path == "/ws"
        assert "permessage-deflate" not in upgrade.headers.get("Sec-WebSocket-Extensions", "")


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_token_is_told_apart(status: int) -> None:
    async with hub() as there:
        there.refuse = refusal(status)
        with pytest.raises(DialError) as caught:
            await dial(Address(there.url, TOKEN))
        assert caught.value.refused
        assert TOKEN not in str(caught.value)


async def test_a_busy_hub_says_when_to_return() -> None:
    async with hub() as there:
        there.refuse = refusal(503, Retry_After="17")
        with pytest.raises(DialError) as caught:
            await dial(Address(there.url, TOKEN))
        assert (caught.value.refused, caught.value.retry_after) == (False, 17.0)


async def test_of_two_retry_afters_the_first_counts() -> None:
    async with hub() as there:
        there.refuse = refusal(503, Retry_After="17")
        there.refuse.headers["Retry-After"] = "3"
        with pytest.raises(DialError) as caught:
            await dial(Address(there.url, TOKEN))
        assert caught.value.retry_after == 17.0


@pytest.mark.parametrize(
    ("url", "proxy_url"),
    [
        ("ws://hub..example/ws", ""),
        ("wss://ü..example/ws", ""),
        ("ws://hub/ws", "http://user@127.0.0.1:1"),
        ("ws://hub/ws", "http://u:canary@h/x"),
    ],
)
async def test_an_address_that_cannot_be_is_told_without_its_password(url: str, proxy_url: str) -> None:
    with pytest.raises(DialError) as caught:
        await dial(Address(url, TOKEN, proxy_url))
    assert "canary" not in str(caught.value)


async def test_a_redirect_is_not_followed() -> None:
    async with hub() as there, hub() as elsewhere:
        there.refuse = refusal(302, Location=elsewhere.url)
        with pytest.raises(DialError, match="302"):
            await dial(Address(there.url, TOKEN))
        assert elsewhere.upgrades == []


async def test_what_is_no_hub_is_told() -> None:
    async def answer(_call: object) -> bytes:
        return reply(200, b"hello")

    async with gateway(answer) as there:
        with pytest.raises(DialError, match="HTTP 200"):
            await dial(Address(f"ws://127.0.0.1:{there.port}/ws", TOKEN))
    with pytest.raises(DialError, match="cannot connect"):
        await dial(Address(f"ws://127.0.0.1:{there.port}/ws", TOKEN))


async def test_a_proxy_is_gone_through_with_its_password() -> None:
    async with hub() as there, proxy() as between:
        between.wants = "user:pass"
        address = Address(there.url, TOKEN, f"http://user:pass@127.0.0.1:{between.port}")
        connection = await dial(address)
        await connection.close()
        assert between.tunnels == [f"127.0.0.1:{there.port}"]


async def test_a_proxy_that_wants_a_password_says_so_without_telling_ours() -> None:
    async with hub() as there, proxy() as between:
        between.wants = "user:other"
        with pytest.raises(DialError, match=r"407.*PROXY_URL") as caught:
            await dial(Address(there.url, TOKEN, f"http://user:canary@127.0.0.1:{between.port}"))
        assert "canary" not in str(caught.value)
        assert there.upgrades == []


async def test_the_environments_proxy_counts_for_wss_only(monkeypatch: pytest.MonkeyPatch) -> None:
    async with hub() as there, proxy() as between:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{between.port}")
        monkeypatch.setenv("NO_PROXY", "")
        await (await dial(Address(there.url, TOKEN))).close()
        assert between.tunnels == []
        with pytest.raises(DialError):
            await dial(Address(there.url.replace("ws://", "wss://"), TOKEN))
        assert between.tunnels == [f"127.0.0.1:{there.port}"]
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with pytest.raises(DialError):
            await dial(Address(there.url.replace("ws://", "wss://"), TOKEN))
        assert len(between.tunnels) == 1


async def test_small_packets_are_not_held_back() -> None:
    async with hub() as there:
        connection = await dial(Address(there.url, TOKEN))
        held = connection.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        await connection.close()
        assert held != 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5", 5.0), ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0), ("soon", None), ("", None), ("-1", None)],
)
def test_retry_after_is_a_number_or_a_date(text: str, seconds: float | None) -> None:
    assert read_retry_after(text, 10.0) == seconds


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """The file of a certificate authority of our own, and a server that it vouches for as 127.0.0.1."""
    directory = tmp_path_factory.mktemp("ca")
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("certificates are made by the openssl command")
    (directory / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    key = ["-newkey", "rsa:2048", "-nodes"]
    for command in (
        ["req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Kiosk CA"],
        ["req", *key, "-keyout", "hub.key", "-out", "hub.csr", "-subj", "/CN=hub"],
        [
            "x509", "-req", "-in", "hub.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", "hub.pem",
        ],
    ):  # fmt: skip
        subprocess.run([openssl, *command], cwd=directory, check=True, capture_output=True, timeout=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "hub.pem", directory / "hub.key")
    return directory / "ca.pem", context


async def test_a_hub_of_an_authority_of_ones_own_is_reached_also_through_a_proxy(
    authority: tuple[Path, ssl.SSLContext],
) -> None:
    ca_file, context = authority
    async with hub(context) as there, proxy() as between:
        between.wants = "user:pass"
        for proxy_url in ("", f"http://user:pass@127.0.0.1:{between.port}"):
            connection = await dial(Address(there.url, TOKEN, proxy_url, str(ca_file)))
            await connection.close()
        assert between.tunnels == [f"127.0.0.1:{there.port}"]
        assert [upgrade.headers["Authorization"] for upgrade in there.upgrades] == [f"Bearer {TOKEN}"] * 2
        assert all("Proxy-Authorization" not in upgrade.headers for upgrade in there.upgrades)


async def test_a_hub_that_nobody_vouches_for_never_sees_the_token(authority: tuple[Path, ssl.SSLContext]) -> None:
    ca_file, context = authority
    async with hub(context) as there:
        with pytest.raises(DialError, match=r"not trusted.*CA_FILE"):
            await dial(Address(there.url, TOKEN))
        with pytest.raises(DialError, match="not trusted"):
            await dial(Address(there.url.replace("127.0.0.1", "localhost"), TOKEN, "", str(ca_file)))
        assert there.upgrades == []
