"""A company's proxy that lets nobody through until it is told to. Threads of its own."""

import contextlib
import select
import socket
import threading
from collections.abc import Iterator

_CHUNK = 64 * 1024
_IDLE_S = 0.2


class RefusingProxy:
    """CONNECT is answered with 403 as long as `allows` is False. `url` is where it listens."""

    def __init__(self, listener: socket.socket) -> None:
        self.allows = False
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._listener = listener
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._listen, name="refusing-proxy", daemon=True)]
        self._threads[0].start()

    def stop(self) -> None:
        """Hang up."""
        self._over.set()
        for thread in self._threads:
            thread.join(10)

    def _listen(self) -> None:
        self._listener.settimeout(_IDLE_S)
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                near, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(near,), daemon=True))
                self._threads[-1].start()

    def _serve(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError):
            near.settimeout(5)
            head = b""
            while b"\r\n\r\n" not in head:
                more = near.recv(_CHUNK)
                if not more:
                    return
                head += more
            host, _, port = head.split()[1].decode().rpartition(":")
            if not self.allows:
                near.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                return
            with socket.create_connection((host, int(port)), 5) as far:
                near.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                self._pass_on(near, far)

    def _pass_on(self, near: socket.socket, far: socket.socket) -> None:
        while not self._over.is_set():
            for one in select.select([near, far], [], [], _IDLE_S)[0]:
                data = one.recv(_CHUNK)
                if not data:
                    return
                (far if one is near else near).sendall(data)


@contextlib.contextmanager
def refusing_proxy() -> Iterator[RefusingProxy]:
    """It listens on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = RefusingProxy(listener)
        try:
            yield proxy
        finally:
            proxy.stop()
