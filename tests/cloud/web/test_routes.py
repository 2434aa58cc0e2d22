"""Every address of the hub, in one place."""

import re

from cloud.web.routes import ROUTES


def test_no_address_hides_another() -> None:
    for index, (path, _) in enumerate(ROUTES):
        example = path.replace("([^/]+)", "some-id")
        assert [path] == [other for other, _ in ROUTES if re.fullmatch(other, example)], path
        assert path not in [other for other, _ in ROUTES[:index]]


def test_every_handler_says_what_it_is_for() -> None:
    for path, handler in ROUTES:
        assert handler.__doc__, path
