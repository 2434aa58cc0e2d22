"""Words that go with numbers."""

import pytest

from cloud.plurals import plural


@pytest.mark.parametrize(
    ("count", "form"),
    [(0, "ов"), (1, ""), (2, "а"), (4, "а"), (5, "ов"), (11, "ов"), (12, "ов"), (21, ""), (22, "а"), (111, "ов"),
     (121, ""), (1.5, "а")],
)  # fmt: skip
def test_russian_counts(count: float, form: str) -> None:
    assert plural("ru", count, "киоск", "киоска", "киосков") == f"киоск{form}"
    assert plural("en", count, "kiosk", "kiosks") == ("kiosk" if count == 1 else "kiosks")
    assert plural("kk", count, "киоск") == "киоск"
