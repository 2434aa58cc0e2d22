"""What hubs are called."""

from cloud.bus.names import told_apart


def test_names_that_several_have_are_told_apart() -> None:
    names = {"a1b2c3": "host/1", "b1b2c3": "host/1", "c1": "host/2"}
    assert told_apart(names) == {"a1b2c3": "host/1·a1b2", "b1b2c3": "host/1·b1b2", "c1": "host/2"}
