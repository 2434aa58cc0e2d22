"""The slip about money that is owed fits the narrowest paper and says amount and code."""

from datetime import UTC, datetime
from typing import Any

import pytest

from appliance.desk.slips import owed_slip

OWED = {"change_owed": 15000, "currency": "KZT", "claim": "AB12-CD34"}
AT = datetime(2026, 11, 21, 17, 5, tzinfo=UTC)


def test_it_says_how_much_and_by_which_code() -> None:
    lines = owed_slip(OWED, request_id="0" * 36, at=AT)
    assert "  150.00 KZT" in lines
    assert "  AB12-CD34" in lines
    assert "21.11.2026 17:05" in lines
    assert max(map(len, lines)) <= 32
    assert "".join(lines).endswith("0" * 36)


@pytest.mark.parametrize(
    "change", [{"change_owed": 0}, {"claim": ""}, {"change_owed": "much"}, {"currency": "tenge"}, {"currency": None}]
)
def test_where_nothing_is_owed_there_is_none(change: dict[str, Any]) -> None:
    assert owed_slip({**OWED, **change}, request_id="r", at=AT) == []
