"""The rules of the bus that need no Redis: who is gone, what the time is, what waits, what is said of it."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.bus.clock import SharedClock
from cloud.bus.condition import Condition
from cloud.bus.connection import refusal
from cloud.bus.dialling import wrong
from cloud.bus.frames import ALL, PROTOCOL, Frame, Outbox, Strange, item, read, start_of
from cloud.bus.members import Beat, Members
from cloud.redis_address import parse


class Word(msgspec.Struct):
    text: str


BEAT = Beat(name="two", version="1", since=1.0, kiosks=2, running=3)


def test_a_hub_is_gone_after_five_seconds_in_which_we_heard_ourselves() -> None:
    members = Members()
    assert members.beat("two", BEAT, 100.0) is not None
    assert members.beat("two", BEAT, 101.0) is None
    gone = [[peer.life for peer in members.own_beat(101.5 + number)] for number in range(7)]
    assert gone == [[], [], [], [], [], ["two"], []]
    assert members.peers() == []
    assert members.beat("two", BEAT, 110.0) is not None  # it lives after all


def test_whatever_a_hub_says_shows_that_it_lives() -> None:
    members = Members()
    members.beat("two", BEAT, 0.0)
    for second in range(30):
        assert members.heard("two", float(second))
        assert members.own_beat(second + 0.5) == []
    assert not members.heard("three", 30.0)


def test_nobody_is_judged_by_time_in_which_we_heard_nothing() -> None:
    members = Members()
    members.beat("two", BEAT, 0.0)
    assert members.own_beat(1000.0) == []  # we stood still: its heartbeats are yet to be read
    for second in range(4):
        members.own_beat(1001.0 + second)
    members.again(2000.0)  # and after Redis was away
    assert [members.own_beat(2000.5 + second) for second in range(5)] == [[]] * 5
    assert [peer.life for peer in members.own_beat(2005.5)] == ["two"]


def test_who_said_goodbye_is_not_back_by_an_old_heartbeat() -> None:
    members = Members()
    members.beat("two", BEAT, 0.0)
    assert members.goodbye("two")
    assert not members.goodbye("two")
    assert members.beat("two", BEAT, 0.1) is None
    assert not members.lives("two")


def test_hubs_without_end_are_not_believed() -> None:
    members = Members()
    for number in range(5000):
        members.beat(str(number), BEAT, 0.0)
        members.goodbye(f"-{number}")
    assert len(members.peers()) == 1000
    assert len(members._departed) <= 256


@given(st.lists(st.tuples(st.floats(0.0001, 2.0), st.floats(0.0, 1.0)), min_size=1, max_size=40), st.floats(-1e6, 1e6))
def test_the_clock_is_right_within_half_of_the_quickest_answer(answers: list[tuple[float, float]], off: float) -> None:
    clock, now = SharedClock(0.0), 1000.0
    for taken, share in answers:
        clock.sample(now, now + taken, now + taken * share + off)
        now += taken + 1
    assert abs(clock.now(now) - (now + off)) <= clock.error + 1e-6
    assert clock.error <= min(taken for taken, _ in answers[-8:]) / 2 + 1e-9


def test_a_clock_that_is_set_is_followed_at_once() -> None:
    clock = SharedClock(5.0)
    assert clock.now(1.0) == 6.0  # a guess
    clock.sample(10.0, 10.001, 1000.0)
    clock.sample(11.0, 11.2, 2001.1)
    assert clock.now(12.0) == pytest.approx(2002.0)
    clock.anew()
    clock.sample(12.0, 13.0, 502.5)
    assert clock.now(13.0) == pytest.approx(503.0)


def test_order_is_kept_between_what_is_for_one_and_what_is_for_all() -> None:
    dice = random.Random(7)
    outbox, said = Outbox("me"), []
    for number in range(2000):
        target = dice.choice(["a", "b", ALL])
        said.append((target, str(number)))
        assert outbox.add(target, item(Word(str(number))))
    frames = outbox.take()
    for life in ("a", "b"):
        heard = [
            msgspec.msgpack.decode(one.message, type=Word).text
            for target, data in frames
            if target in (life, ALL)
            for one in msgspec.msgpack.decode(data, type=Frame).items
        ]
        assert heard == [text for target, text in said if target in (life, ALL)]
    assert not outbox
    assert outbox.messages == 2000
    for _ in frames:
        outbox.acknowledge()
    assert (outbox.messages, outbox.size) == (0, 0)


def test_what_is_sent_and_not_acknowledged_counts_as_waiting() -> None:
    outbox = Outbox("me", messages=3)
    assert [outbox.add("a", item(Word(""))) for _ in range(4)] == [True, True, True, False]
    assert len(outbox.take()) == 1
    assert not outbox.add("a", item(Word("")))
    assert outbox.add("a", item(Word("")), always=True)  # what tells how the bus does goes out
    assert outbox.acknowledge() == ("a", 3, [])
    assert outbox.add("a", item(Word(""), question=9))
    assert outbox.clear() == 2
    big = Outbox("me", size=1000)
    assert [big.add("a", item(Word("x" * 400))) for _ in range(3)] == [True, True, False]


def test_a_frame_does_not_grow_without_end() -> None:
    outbox = Outbox("me")
    for _ in range(30):
        outbox.add("a", item(Word("x" * 50_000)))
    assert max(len(data) for _, data in outbox.take()) < 400_000


def test_a_frame_of_another_protocol_tells_only_who_sent_it() -> None:
    outbox = Outbox("me")
    outbox.add("a", item(Word("hello"), question=4))
    ((_, data),) = outbox.take()
    assert data.startswith(start_of("me"))
    assert not data.startswith(start_of("mo"))
    found = read(data)
    assert isinstance(found, Frame)
    assert (found.items[0].kind, found.items[0].question) == ("Word", 4)
    for later in ((PROTOCOL + 1, "you", "anything", 3), (PROTOCOL + 1, "you", [])):
        assert read(msgspec.msgpack.encode(later)) == Strange(PROTOCOL + 1, "you")
    with pytest.raises(msgspec.MsgspecError):
        read(msgspec.msgpack.encode((PROTOCOL, "you", "anything")))


def test_a_server_at_which_messages_get_lost_is_left() -> None:
    one, cluster = parse("redis://h"), parse("redis+cluster://h")
    assert wrong(one, [b"master", 5, []]) == wrong(one, b"strange") == ""
    assert wrong(one, [b"slave", b"h", 1, b"connected", 5]) == "it is not the master"
    assert wrong(cluster, b"cluster_state:ok\r\ncluster_slots_fail:0") == ""
    assert wrong(cluster, b"cluster_state:fail\r\n") == "this node has lost its cluster"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("WRONGPASS invalid username-password pair or user canary is disabled.", "it refuses the user or the password"),
        ("NOPERM User canary has no permissions", "this user may not do what the bus needs, see docs/scale.md"),
        ("ERR max number of clients reached", "it has too many clients"),
        ("ERR AUTH <password> called without any password configured", "a password is given, and it has none"),
        ("ERR DB index is out of range", "it has no database of that number"),
        ("LOADING Redis is loading the dataset in memory", "it is loading its data"),
        ("WEIRD canary", "it answers WEIRD"),
        ("canary", "it answers with an error"),
    ],
)
def test_what_redis_says_instead_is_told_in_words_of_our_own(said: str, words: str) -> None:
    assert refusal(said) == words


def test_what_is_said_of_it() -> None:
    it = Condition()
    assert it.trouble(0.0, is_up=False) == "Redis is not reached: not connected yet"
    it.heard_ourselves(9.0, 0.0)
    it.heard_ourselves(0.001, 1.0)
    it.heard_ourselves(0.001, 2.0)
    assert it.state(is_up=True) == "connected"  # one that came late is none
    it.heard_ourselves(1.24, 3.0)
    it.heard_ourselves(1.16, 4.0)
    assert (it.state(is_up=True), it.trouble(4.0, is_up=True)) == ("slow", "Redis takes 1.2 s")
    it.down("nobody listens there")
    assert it.state(is_up=False) == "unreachable"
    it.heard_ourselves(0.001, 5.0)
    it.refused(5.0)
    assert "refused" in it.trouble(6.0, is_up=True)
    it.strange(16.0)
    assert "release" in it.trouble(16.0, is_up=True)
    it.vanished("x", "host/1", 30.0)
    assert it.reasons(31.0, is_up=True, clock_ahead=-7.4) == [
        "another hub is gone: host/1",
        "this machine's clock is 7 s behind Redis's",
    ]
    assert it.reasons(91.0, is_up=True, clock_ahead=0.0) == []
    it.came("x")
    assert it.reasons(31.0, is_up=True, clock_ahead=0.0) == []
