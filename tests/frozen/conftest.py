"""Tries what was frozen, as a stranger would: `make test-frozen`. Not part of `make test`, which freezes nothing."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.frozen.programs import DIST, Bare, Root

# What was frozen lies where KIOSKWIRE_FROZEN says.
collect_ignore_glob = [] if os.environ.get("KIOSKWIRE_FROZEN") else ["test_*.py"]


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bare]:
    """A machine that has nothing but a C library; where we are not root, this one, with nothing said of it."""
    with Root(tmp_path_factory.mktemp("bare")) if os.geteuid() == 0 else Bare(tmp_path_factory.mktemp("bare")) as made:
        yield made


@pytest.fixture(params=["one-file", "in-folder"])
def program(request: pytest.FixtureRequest) -> Path:
    """The appliance in either form."""
    return appliance(request.param)


def appliance(form: str) -> Path:
    """The program to start."""
    name = "kioskwire-appliance"
    return DIST / name if form == "one-file" else DIST / "appliance" / name / name
