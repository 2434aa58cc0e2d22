"""Which hubs that died are missed, and for how long."""

from cloud.db.hubs_seen import HubSeen, missed

NOW = 100_000.0


def hub(name: str, began: float, seen: float, ended: float | None = None) -> HubSeen:
    return HubSeen(life=name, name=name, version="1", began_at=NOW - began, seen_at=NOW - seen,
                   ended_at=None if ended is None else NOW - ended)  # fmt: skip


def names(*seen: HubSeen) -> list[str]:
    return [each.name for each in missed(seen, NOW)]


def test_one_that_died_is_missed_for_a_day_and_one_that_said_goodbye_is_not() -> None:
    lives = hub("lives", 5000, 1)
    assert names(lives, hub("dead", 4000, 112, 100), hub("stopped", 4000, 101, 100)) == ["dead"]
    assert names(lives, hub("dead", 4000, 3012, 3000)) == ["dead"]
    assert names(hub("lives", 99_000, 1), hub("dead", 99_000, 86_412, 86_400)) == []


def test_one_that_was_replaced_is_told_for_ten_minutes_and_each_newcomer_replaces_one() -> None:
    lives, newer = hub("lives", 5000, 1), hub("newer", 3000, 1)
    assert names(lives, newer, hub("dead", 4000, 3012, 3000)) == []
    assert names(lives, newer, hub("dead", 4000, 3012, 3000), hub("other", 4000, 3013, 3000)) == ["other"]
    assert names(lives, hub("newer", 90, 1), hub("dead", 4000, 112, 100)) == ["dead"]
    assert names(lives, newer, hub("dead", 4000, 112, 100)) == ["dead"]  # the newer one was there before it died
