"""What stands before a hub in the field: TLS, ended here, and bytes passed on. A thread of its own."""

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path

from tests.dialling import dialled, pass_on, served_aside


@contextlib.contextmanager
def tls_front(target_port: int, certificate: Path, key: Path) -> Iterator[int]:
    """Listens at 127.0.0.1 and passes on to `target_port`; yields the port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with dialled("127.0.0.1", target_port) as there:
                await pass_on((reader, writer), there)
        finally:
            writer.close()

    with served_aside(connected, name="tls-front", tls=context) as port:
        yield port
