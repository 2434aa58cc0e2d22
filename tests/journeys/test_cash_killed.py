"""kill -9 of the appliance at the worst writes of a cash session and of its receipt.

All the others are in `make chaos`, and those of a cash session in tests/appliance/cash/test_cutoff.py in virtual time.
"""

from collections.abc import Iterator

import pytest

from tests.chaos.desk_crashes import Case, run_case
from tests.journeys.desk_site import DeskKiosk
from tests.journeys.site import Site

CASES = (
    Case("cash", "appliance.device.record.before", 30),  # in the middle of notes, coins and payouts
    Case("cash", "appliance.desk.payment_paid.after", 1),  # paid, and the receipt not begun
    Case("cash", "appliance.fiscal.end.before", 1),  # registered, and nothing says so
)


@pytest.fixture(scope="module")
def desk(site: Site) -> Iterator[DeskKiosk]:
    """A kiosk with everything."""
    with DeskKiosk.standing(site, "deaths", cash={"idle_timeout": 5}) as kiosk:
        yield kiosk


@pytest.mark.parametrize("case", CASES, ids=str)
def test_killed_there_devices_journal_and_hub_agree(desk: DeskKiosk, case: Case) -> None:
    ended = run_case(desk, case)
    assert ended.breaches == ()
    assert ended.died
    assert ended.state == "succeeded"
