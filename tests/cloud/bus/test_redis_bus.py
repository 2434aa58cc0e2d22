"""Hubs that meet in a real Redis: who is there, messages, questions, and a common clock."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from cloud.bus import condition, frames, members, redis_bus
from cloud.bus.bus import NoAnswerError, Peer
from cloud.bus.members import GONE_AFTER
from cloud.bus.redis_bus import RedisBus
from cloud.metrics import Metrics
from tests.cloud.hub import until
from tests.redis_server import MissingError, Server, running_redis

QUIET = 600.0  # seconds: longer than a machine stands still


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is given up for silent, gone or slow because this process had no turn."""
    monkeypatch.setattr(redis_bus, "_SILENT_AFTER", QUIET)
    monkeypatch.setattr(condition, "_SLOW", QUIET)
    monkeypatch.setattr(condition, "_LATELY", QUIET)
    monkeypatch.setattr(members, "GONE_AFTER", QUIET)


class Word(msgspec.Struct):
    text: str


class Question(msgspec.Struct):
    number: int


class Answer(msgspec.Struct):
    number: int


class Unknown(msgspec.Struct):
    x: int = 0


class Node:
    """A bus, and what came of it."""

    def __init__(self, url: str, name: str) -> None:
        self.metrics = Metrics()
        self.bus = RedisBus(url, uuid.uuid4().hex, name, "1.0.0", self.metrics)
        self.words: list[tuple[str, str]] = []
        self.came: list[Peer] = []
        self.gone: list[str] = []
        self.backs = 0
        self.bus.hear(Word, lambda life, word: self.words.append((life, word.text)))
        self.bus.when_came(self.came.append)
        self.bus.when_gone(self.gone.append)
        self.bus.when_back(self._back)
        self.bus.answer(Question, self._answer)

    def _back(self) -> None:
        self.backs += 1

    async def _answer(self, life: str, question: Question) -> Answer | None:
        if question.number < 0:
            raise RuntimeError("a question that breaks who is asked")
        if question.number == 0:
            return None
        if question.number > 100:
            await asyncio.sleep(question.number)
        return Answer(question.number + 1)

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def hubs(url: str, *names: str) -> AsyncIterator[list[Node]]:
    nodes = [Node(url, name) for name in names]
    try:
        for node in nodes:
            await node.bus.start()
        await acquainted(*nodes)
        yield nodes
    finally:
        for node in nodes:
            await node.bus.stop()


async def acquainted(*nodes: Node) -> None:
    await until(lambda: all(a.bus.is_up and a.bus.lives(b.bus.me) for a in nodes for b in nodes))


@contextlib.contextmanager
def a_redis(**options: str) -> Iterator[Server]:
    try:
        with running_redis(**options) as server:
            yield server
    except MissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def redis() -> Iterator[Server]:
    with a_redis() as server:
        yield server


async def test_hubs_know_each_other_at_once_and_say_goodbye(redis: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_bus, "_BEAT_EVERY", QUIET)  # no heartbeat of the other's has to be waited for
    async with hubs(redis.url, "one", "two") as (one, two):
        assert [(peer.name, peer.version, peer.life) for peer in one.bus.peers()] == [("two", "1.0.0", two.bus.me)]
        assert [peer.name for peer in two.came] == ["one"]
        assert one.bus.lives(one.bus.me)
        assert one.bus.trouble == ""
        assert one.bus.state == "connected"
        await two.bus.stop()
        await until(lambda: one.gone == [two.bus.me])
        assert one.bus.peers() == []
        assert one.bus.reasons() == []  # it left as it should
        assert not one.bus.send(two.bus.me, Word("anybody?"))
        await two.bus.stop()  # once is enough


async def test_what_heartbeats_show(redis: Server) -> None:
    async with hubs(redis.url, "one", "two") as (one, two):
        ails = {"database": "x" * 1000, **{str(number): "y" for number in range(50)}}
        two.bus.show(lambda: (7, 3), lambda: ails)
        await until(lambda: [(peer.kiosks, peer.running) for peer in one.bus.peers()] == [(7, 3)])
        (peer,) = one.bus.peers()
        assert peer.ails["database"] == "x" * 160
        assert len(peer.ails) == 4
        ails.clear()
        await until(lambda: one.bus.peers()[0].ails == {})


async def test_messages_arrive_once_and_in_order_be_they_for_one_or_for_all(redis: Server) -> None:
    async with hubs(redis.url, "one", "two", "three") as (one, two, three):
        for number in range(300):
            if number % 3:
                assert one.bus.send(two.bus.me, Word(str(number)))
            else:
                assert one.bus.tell_all(Word(str(number)))
            if number % 50 == 0:
                await asyncio.sleep(0)
        await until(lambda: len(two.words) == 300 and len(three.words) == 100)
        assert two.words == [(one.bus.me, str(number)) for number in range(300)]
        assert three.words == [(one.bus.me, str(number)) for number in range(0, 300, 3)]
        assert one.words == []  # nobody hears what it said itself


async def test_what_is_said_in_one_turn_goes_out_in_one_frame(redis: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_bus, "_BEAT_EVERY", QUIET)
    async with hubs(redis.url, "one", "two") as (one, two):
        with redis.client() as client:
            before = client.info("commandstats")["cmdstat_publish"]["calls"]
            for number in range(500):
                one.bus.send(two.bus.me, Word(str(number)))
            await until(lambda: len(two.words) == 500)
            assert client.info("commandstats")["cmdstat_publish"]["calls"] - before < 10


async def test_a_question_is_answered(redis: Server) -> None:
    async with hubs(redis.url, "one", "two") as (one, two):
        assert await one.bus.ask(two.bus.me, Question(5), Answer, 5) == Answer(6)
        answers = await asyncio.gather(*(one.bus.ask(two.bus.me, Question(n), Answer, 5) for n in range(1, 50)))
        assert [answer.number for answer in answers] == list(range(2, 51))


async def test_who_gets_no_answer_hears_so(redis: Server, caplog: pytest.LogCaptureFixture) -> None:
    async with hubs(redis.url, "one", "two") as (one, two):
        for question in (Question(0), Question(-1), Unknown()):  # none, an error, nobody knows such questions
            with pytest.raises(NoAnswerError, match="has no answer"):
                await one.bus.ask(two.bus.me, question, Answer, QUIET)
        with pytest.raises(NoAnswerError, match="has no answer"):  # another one than was expected
            await one.bus.ask(two.bus.me, Question(1), Word, QUIET)
        with pytest.raises(NoAnswerError, match="could not be sent"):
            await one.bus.ask("nobody", Question(1), Answer, QUIET)
        with pytest.raises(NoAnswerError, match=r"no answer within 0.1 s"):
            await one.bus.ask(two.bus.me, Question(101), Answer, 0.1)
        asked = asyncio.create_task(one.bus.ask(two.bus.me, Question(102), Answer, QUIET))
        await asyncio.sleep(0.05)
        await two.bus.stop()
        with pytest.raises(NoAnswerError):
            async with asyncio.timeout(20):
                await asked


async def test_a_hub_that_listens_no_more_has_questions_fail_before_it_is_missed(redis: Server) -> None:
    async with hubs(redis.url, "one", "two") as (one, two):
        die(two)
        with pytest.raises(NoAnswerError, match="does not listen"):  # rather than "gone"
            await one.bus.ask(two.bus.me, Question(1), Answer, QUIET)


async def test_a_hub_that_dies_is_missed_by_all_within_ten_seconds(
    redis: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As it is: one that dies just after its heartbeat is gone with our sixth after that.
    assert GONE_AFTER + 2 * redis_bus._BEAT_EVERY < 10
    monkeypatch.setattr(redis_bus, "_BEAT_EVERY", 0.1)
    monkeypatch.setattr(members, "GONE_AFTER", 0.5)
    async with hubs(redis.url, "one", "two", "three") as (one, two, three):
        die(two)
        await until(lambda: one.gone == three.gone == [two.bus.me])
        assert [peer.name for peer in one.bus.peers()] == ["three"]
        assert one.bus.reasons() == ["another hub is gone: two"]
        assert one.bus.trouble == ""


def die(node: Node) -> None:
    """As a process does by SIGKILL: its connections are closed, and nothing is said."""
    for task in node.bus._tasks:
        task.cancel()
    assert node.bus._line is not None
    node.bus._line.cut("dead")
    node.bus._tasks = []


async def test_fleets_with_other_database_numbers_do_not_hear_each_other(redis: Server) -> None:
    async with hubs(redis.url, "one", "two") as (one, two), hubs(redis.url[:-1] + "1", "other") as (other,):
        one.bus.tell_all(Word("for ours"))
        await until(lambda: two.words)
        heard_itself_at = other.bus._heard_at
        await until(lambda: other.bus._heard_at > heard_itself_at)  # and so whatever was said before
        assert other.words == []
        assert other.bus.peers() == []
        assert [peer.name for peer in one.bus.peers()] == ["two"]


async def test_a_clock_for_all(redis: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    async with hubs(redis.url, "one") as (one,):
        monkeypatch.setattr(time, "time", lambda: real() + 3600)  # this machine's is wrong
        async with hubs(redis.url, "two") as (two,):
            # Each is as right as the quickest answer of Redis was quick.
            await until(lambda: abs(one.bus.now() - real()) < 0.25)
            await until(lambda: abs(two.bus.now() - one.bus.now()) < 0.25)
            await until(lambda: two.bus.reasons() == ["this machine's clock is 3600 s ahead of Redis's"])


async def test_what_nobody_can_read_is_counted_and_what_nobody_knows_is_not_minded(redis: Server) -> None:
    async with hubs(redis.url, "one", "two") as (one, two):
        channel, sender = f"kioskwire.0.{two.bus.me}", one.bus.me
        stranger = msgspec.msgpack.encode((frames.PROTOCOL + 1, "f" * 32, {"quite": "different"}))
        longer = msgspec.msgpack.encode((frames.PROTOCOL, sender, [["Word", {"text": "!", "new": 1}, 0, 0, "more"]], 5))
        with redis.client() as client:
            for data in (b"", b"\xff\xff", b'{"json": 1}', msgspec.msgpack.encode((1, 2, 3))):
                client.publish(channel, data)
            client.publish(channel, stranger)
            client.publish(channel, longer)
            client.publish(channel, msgspec.msgpack.encode((frames.PROTOCOL, "a" * 32, [["Word", {"text": "who?"}]])))
        one.bus.send(two.bus.me, Unknown())
        one.bus.send(two.bus.me, Word("after all that"))
        await until(lambda: len(two.words) == 2)
        assert two.words == [(sender, "!"), (sender, "after all that")]
        assert two.metric("kioskwire_bus_malformed_messages_total") == 4
        assert two.bus.trouble.startswith("a hub of a release too far from this one's is there")


async def test_a_handler_that_fails_takes_nobody_with_it(redis: Server) -> None:
    async with hubs(redis.url, "one", "two") as (one, two):
        two.bus.hear(Unknown, lambda _life, _message: 1 / 0)  # type: ignore[arg-type, return-value]
        two.bus.when_gone(lambda _life: 1 / 0)  # type: ignore[arg-type, return-value]
        one.bus.send(two.bus.me, Unknown())
        one.bus.send(two.bus.me, Word("next"))
        await until(lambda: two.words == [(one.bus.me, "next")])
        await one.bus.stop()
        await until(lambda: two.gone == [one.bus.me])


async def test_too_much_is_refused_and_told(redis: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_bus, "_BEAT_EVERY", QUIET)  # which would take room
    async with hubs(redis.url, "one", "two") as (one, two):
        await until(lambda: one.bus._outbox.messages == 0)
        one.bus._outbox._most = 10
        sent = [one.bus.send(two.bus.me, Word(str(number))) for number in range(12)]
        assert sent == [True] * 10 + [False] * 2
        assert one.metric("kioskwire_bus_messages_lost_total", reason="full") == 2
        assert "refused" in one.bus.trouble
        await until(lambda: len(two.words) == 10)
        await until(lambda: one.bus.send(two.bus.me, Word("again")))  # once Redis has said that it took those
