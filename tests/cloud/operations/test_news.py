"""News: watchers get it in order; a slow one loses progress, never the end."""

import msgspec

from cloud.operations.news import Item, News


async def test_every_watcher_gets_the_news_of_its_operation_in_order() -> None:
    news = News()
    with news.subscribe("a") as one, news.subscribe("a") as two, news.subscribe("b") as other:
        for n in range(3):
            news.tell("a", Item("progress", n))
        for watcher in (one, two):
            assert [Item("progress", n) for n in range(3)] == [await watcher.next(1) for _ in range(3)]
        assert await other.next(0.01) is None


async def test_a_slow_watcher_loses_the_oldest_and_not_the_last() -> None:
    news = News()
    with news.subscribe("a") as watcher:
        for n in range(500):
            news.tell("a", Item("progress", n))
        news.tell("a", Item("succeeded", None, last=True))
        kept = []
        while (item := await watcher.next(0.01)) is not None:
            kept.append(item)
    assert (100, Item("succeeded", None, last=True)) == (len(kept), kept[-1])


async def test_what_is_kept_for_a_slow_watcher_is_bounded_in_bytes_too() -> None:
    news = News()
    with news.subscribe("a") as watcher:
        for n in range(50):
            data = msgspec.Raw(msgspec.json.encode({"n": n, "pad": "x" * 300_000}))
            news.tell("a", Item("progress", data))
        news.tell("a", Item("succeeded", None, last=True))
        kept = []
        while (item := await watcher.next(0.01)) is not None:
            kept.append(item)
        numbers = [msgspec.json.decode(item.data)["n"] for item in kept if isinstance(item.data, msgspec.Raw)]
        assert ([47, 48, 49], Item("succeeded", None, last=True)) == (numbers, kept[-1])
        news.tell("a", Item("progress", msgspec.Raw(b'"%b"' % (b"x" * 2_000_000))))
        assert await watcher.next(0.01) is not None


async def test_waiting_for_an_outcome_ends_with_it_or_with_the_time() -> None:
    news = News()
    with news.subscribe("a") as watcher:
        await watcher.wait_outcome(0.01)
        news.tell("a", Item("progress", 1))
        news.tell("a", Item("succeeded", 2, last=True))
        await watcher.wait_outcome(10)
        assert await watcher.next(0.01) is None
        news.tell("a", Item("unknown", 3))
        await watcher.wait_outcome(10)  # the kiosk cannot know: there is nothing to wait for


async def test_nothing_is_kept_for_who_left() -> None:
    news = News()
    with news.subscribe("a"):
        assert news.is_wanted("a")
    assert not news.is_wanted("a")
    news.tell("a", Item("progress", 1))
