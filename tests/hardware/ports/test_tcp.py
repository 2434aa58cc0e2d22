"""Lines over TCP."""

import asyncio
import os
import socket

import pytest

from hardware.errors import TransportError
from hardware.ports import LineSettings, open_port, stream, tcp


def listener(host: str = "127.0.0.1") -> socket.socket:
    there = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    there.setblocking(False)
    return there


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_bytes_go_both_ways_until_the_other_end_hangs_up(host: str) -> None:
    with listener(host) as there:
        url = f"tcp://{f'[{host}]' if ':' in host else host}:{there.getsockname()[1]}"
        port = await open_port(url, LineSettings())
        device, _ = await asyncio.get_running_loop().sock_accept(there)
        with device:
            device.setblocking(True)
            await port.write(b"ask")
            assert device.recv(10) == b"ask"
            device.sendall(b"answer")
            assert await port.read() == b"answer"
            port.set_baud(19200)
            device.sendall(b"last words")
        assert await port.read() == b"last words"
        with pytest.raises(TransportError, match="hung up"):
            await port.read()
        port.close()


async def test_a_dead_peer_is_noticed() -> None:
    with listener() as there:
        port = await open_port(f"tcp://127.0.0.1:{there.getsockname()[1]}", LineSettings())
        assert isinstance(port, stream.StreamPort)
        end = socket.socket(fileno=os.dup(port._fd))
        with end:
            for level, option, value in tcp._KEEP_ALIVE:
                assert end.getsockopt(level, option) == value
        port.close()


async def test_a_peer_that_takes_nothing_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream.StreamPort, "_write_limit_s", lambda _self, _size: 0.01)
    with listener() as there:
        port = await open_port(f"tcp://127.0.0.1:{there.getsockname()[1]}", LineSettings())
        with pytest.raises(TransportError, match="stuck"):
            await port.write(bytes(32 * 1024 * 1024))
        port.close()


async def test_a_flood_is_held_back_and_not_lost() -> None:
    with listener() as there:
        port = await open_port(f"tcp://127.0.0.1:{there.getsockname()[1]}", LineSettings())
        loop = asyncio.get_running_loop()
        device, _ = await loop.sock_accept(there)
        with device:
            device.setblocking(False)
            data = os.urandom(1_000_000)
            sending = asyncio.ensure_future(loop.sock_sendall(device, data))
            assert isinstance(port, stream.StreamPort)
            while port._watching:  # noqa: ASYNC110, it has no event
                await asyncio.sleep(0)
            assert len(port._came) < stream.BUFFER_MAX_BYTES + stream.CHUNK_BYTES
            came = b""
            while len(came) < len(data):
                came += await port.read()
            await sending
        assert data == came
        port.close()


@pytest.mark.parametrize(
    "rest", ["", "//", "//host", "//host:0", "//host:99999", "//host:1/x", "//a@host:1", "//h:1?x=1"]
)
async def test_what_is_no_address_is_refused(rest: str) -> None:
    with pytest.raises(ValueError, match=r"tcp://192\.168"):
        await open_port(f"tcp:{rest}", LineSettings())


async def test_a_closed_door_is_told_in_words() -> None:
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))  # nobody else's, and nobody listens
        with pytest.raises(TransportError, match="refused"):
            await open_port(f"tcp://127.0.0.1:{there.getsockname()[1]}", LineSettings())


async def test_an_unknown_name_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    with pytest.raises(TransportError, match="the name 'register' is not known"):
        await open_port("tcp://register:7778", LineSettings())


async def test_silence_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    async def swallow(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", swallow)
    monkeypatch.setattr(tcp, "CONNECT_S", 0.01)
    with pytest.raises(TransportError, match="no answer within"):
        await open_port("tcp://127.0.0.1:1", LineSettings())


async def test_an_address_that_swallows_does_not_hide_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    with listener() as there:
        number = there.getsockname()[1]
        good = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", number))
        bad = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", number))

        async def both(*_: object, **__: object) -> list[object]:
            return [bad, good]

        plain = loop.sock_connect

        async def connect(end: socket.socket, address: tuple[str, int]) -> None:
            if address[0] == "127.0.0.2":
                raise TimeoutError  # its share of the time is over
            await plain(end, address)

        monkeypatch.setattr(loop, "getaddrinfo", both)
        monkeypatch.setattr(loop, "sock_connect", connect)
        (await open_port("tcp://device:1", LineSettings())).close()


async def test_a_connect_that_is_cancelled_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[socket.socket] = []

    async def swallow(end: socket.socket, _: object) -> None:
        ends.append(end)
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", swallow)
    opening = asyncio.ensure_future(open_port("tcp://127.0.0.1:1", LineSettings()))
    async with asyncio.timeout(20):
        while not ends:  # noqa: ASYNC110, it has no event
            await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert [end.fileno() for end in ends] == [-1]
