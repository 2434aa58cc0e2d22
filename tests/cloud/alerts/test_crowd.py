"""What one kiosk may have standing, and that the others have theirs whatever it does."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from cloud.alerts.alert import Condition
from cloud.alerts.crowd import OF_A_KIND, OF_A_KIOSK, bounded


def wrong(kiosk: str, kind: str, subject: str, since: float = 1.0) -> Condition:
    return Condition(kind=kind, kiosk_id=kiosk, subject=subject, since=since)


def test_what_is_usual_is_left_as_it_is() -> None:
    usual = [wrong("a", "device-fault", "bills"), wrong("a", "kiosk-clock", ""), wrong("b", "device-fault", "bills")]
    assert bounded(usual) == usual
    assert bounded([]) == []


def test_the_newest_of_too_many_are_counted_and_others_have_theirs() -> None:
    many = [wrong("a", "device-fault", f"d{number:03}", float(number)) for number in range(200)]
    other = wrong("b", "device-fault", "bills", 999.0)
    found = bounded([*reversed(many), wrong("a", "paper-out", "printer"), other])
    assert other in found
    assert wrong("a", "paper-out", "printer") in found
    assert [one for one in found if one.kind == "device-fault" and one.kiosk_id == "a" and one.subject] == many[:20]
    assert [one for one in found if "more" in one.data] == [
        Condition(kind="device-fault", kiosk_id="a", since=20.0, data={"more": 180})
    ]
    # One more that comes moves none of those that stand.
    again = bounded([*many, wrong("a", "device-fault", "d000a", 1000.0)])
    assert {one.key for one in again} <= {one.key for one in found}


@given(
    st.lists(
        st.builds(
            wrong,
            st.sampled_from(["a", "b"]),
            st.sampled_from(["device-fault", "paper-out", "kiosk-clock", "cash-owed"]),
            st.integers(0, 90).map(lambda number: f"{number}" if number else ""),
            st.floats(0, 100),
        ),
        max_size=400,
        unique_by=lambda one: one.key,
    )
)
def test_none_is_uncounted_none_is_twice_and_none_too_many(found: list[Condition]) -> None:
    kept = bounded(found)
    assert len({one.key for one in kept}) == len(kept)
    for kiosk in ("a", "b"):
        mine = [one for one in kept if one.kiosk_id == kiosk]
        stand_for = Counter[str]()
        for one in mine:
            stand_for[one.kind] += int(one.data.get("more") or 1)
        assert stand_for == Counter(one.kind for one in found if one.kiosk_id == kiosk)
        assert max(Counter(one.kind for one in mine).values(), default=0) <= OF_A_KIND + 1
        assert len(mine) <= OF_A_KIOSK + 4
