"""Lines of simulated devices, by themselves."""

import asyncio
import socket

from hardware.simulation.wires import TcpWire


async def test_who_comes_just_as_another_hung_up_is_let_in() -> None:
    """Both are heard of in one turn, in either order; and one that is there still keeps the other out."""
    wire = TcpWire()
    wire.plug()
    try:
        address = ("127.0.0.1", int(wire.url.rpartition(":")[2]))
        with socket.create_connection(address) as first:
            await _turns()
            with socket.create_connection(address) as second:
                await _turns()
                assert second.recv(1) == b"", "the first one is there"
            first.close()
            with socket.create_connection(address) as third:
                wire._accept()
                await _turns()
                wire.put(b"x")
                assert third.recv(1) == b"x"
    finally:
        wire.unplug()


async def _turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)
