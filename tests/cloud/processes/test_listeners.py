"""Sockets of one port, and nobody else's."""

import socket

import pytest

from cloud.processes.listeners import bind, close


def test_a_free_port_is_one_for_all() -> None:
    made = bind("127.0.0.1", 0, 3)
    try:
        names = {one.getsockname() for group in made for one in group}
        assert len(made) == 3
        assert len(names) == 1
        for group in made:
            group[0].listen(1)
    finally:
        close(made)


def test_a_port_on_which_another_listens_is_refused() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # it would even share it
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        with pytest.raises(OSError, match="in use"):
            bind("127.0.0.1", other.getsockname()[1], 2)


def test_both_families_have_the_port() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    made = bind("localhost", 0, 2)
    try:
        assert len({one.getsockname()[1] for group in made for one in group}) == 1
        assert len({len(group) for group in made}) == 1
    finally:
        close(made)


def test_a_host_that_is_not_here_is_said() -> None:
    with pytest.raises(OSError, match=r"assign|address"):
        bind("203.0.113.7", 0, 2)
