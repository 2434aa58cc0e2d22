"""What the spreader passes on: all that is said, an end in order, an end by force; and nothing is left of it."""

import gc
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest

from bench.program import free_port
from tests.spreader import Spreader


@contextmanager
def spread(*targets: socket.socket) -> Iterator[int]:
    with closing(Spreader(free_port(), [target.getsockname()[1] for target in targets], "seed")) as spreader:
        yield spreader.port
    assert not threads()
    gc.collect()


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("spreader")]


def listening() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(60)
    return listener


def calling(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def accepted(listener: socket.socket) -> socket.socket:
    connection, _ = listener.accept()
    connection.settimeout(60)
    return connection


def read(connection: socket.socket) -> bytes:
    said = b""
    while data := connection.recv(65536):
        said += data
    return said


def test_all_that_is_said_gets_there_and_an_end_of_one_side_is_no_end_of_the_other() -> None:
    with listening() as target, spread(target) as port, calling(port) as caller, accepted(target) as called:
        caller.sendall(b"a question")
        caller.shutdown(socket.SHUT_WR)
        assert read(called) == b"a question"
        answering = threading.Thread(target=lambda: (called.sendall(b"x" * 20_000_000), called.close()))
        answering.start()
        assert len(read(caller)) == 20_000_000
        answering.join()


def test_who_breaks_off_breaks_the_other_end_too() -> None:
    with listening() as target, spread(target) as port, calling(port) as caller, accepted(target) as called:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        caller.close()
        with pytest.raises(ConnectionResetError):
            called.recv(1)


def test_who_accepts_nobody_is_left_out() -> None:
    with listening() as target, socket.socket() as gone, ExitStack() as stack:
        gone.bind(("127.0.0.1", 0))
        port = stack.enter_context(spread(gone, target))
        for _ in range(10):
            with calling(port) as caller, accepted(target) as called:
                caller.sendall(b"x")
                assert called.recv(1) == b"x"


def test_where_nobody_accepts_a_caller_is_told_so() -> None:
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))
        with spread(gone) as port, pytest.raises(ConnectionResetError), calling(port) as caller:
            caller.recv(1)


def test_who_is_there_as_it_ends_is_cut_off() -> None:
    with ExitStack() as ends:
        target = ends.enter_context(listening())
        with spread(target) as port:
            caller = ends.enter_context(calling(port))
            called = ends.enter_context(accepted(target))
            caller.sendall(b"x")
            assert called.recv(1) == b"x"
        for end in (caller, called):
            with pytest.raises(ConnectionResetError):
                end.recv(1)


def test_a_port_that_is_taken_is_told_and_no_thread_is_left() -> None:
    with listening() as taken, pytest.raises(OSError, match="Address already in use"):
        Spreader(taken.getsockname()[1], [], "seed")
    assert not threads()
