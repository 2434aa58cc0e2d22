"""Time zones by name."""

import zoneinfo
from datetime import UTC

import pytest

from cloud.zones import NoZone, zone


def test_zones_by_name() -> None:
    assert zone("UTC") is UTC
    assert str(zone("Asia/Almaty")) == "Asia/Almaty"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Asia/Almata", "is no time zone; did you mean Asia/"),
        ("+05", "is no time zone; right would be a name such as Asia/Almaty"),
        ("../etc/passwd", "is no time zone"),
        ("Asia", "is no time zone"),
        ("\0", "is no time zone"),
        ("", "right would be a name such as"),
    ],
)
def test_what_is_none(name: str, words: str) -> None:
    with pytest.raises(NoZone, match=words):
        zone(name)


def test_without_a_database_of_zones_utc_works_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoneinfo, "available_timezones", set)

    def none(_: str) -> None:
        raise zoneinfo.ZoneInfoNotFoundError

    monkeypatch.setattr(zoneinfo, "ZoneInfo", none)
    assert zone("UTC") is UTC
    with pytest.raises(NoZone, match="to install them first: the package tzdata, of the system or by pip"):
        zone("Asia/Almaty")
