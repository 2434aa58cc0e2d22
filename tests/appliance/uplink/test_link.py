"""The end of a connection."""

import asyncio

from appliance.uplink.link import cut
from tests.listening import listening


async def test_what_was_closed_with_something_left_to_send_may_be_cut_after_it_was_sent() -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            pass
        ended.set()

    async with listening(serve) as server:
        _reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(bytes(20_000_000))
        writer.close()
        await ended.wait()
        await writer.wait_closed()
        cut(writer.transport)
