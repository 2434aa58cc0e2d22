"""What the log says when, in virtual time: never more than its rate, whatever is told and whatever Telegram does."""

import itertools
from collections import Counter

import pytest

from cloud.bot.oplog.line import File
from cloud.bot.oplog.plan import SETTLE, Announce, Attach, Call, Digest, Edit, Plan, Send
from cloud.operations.feed import Told
from tests.cloud.bot.oplog.telling import done, refused, told


class Chat:
    """A plan and its clock. `said` is what was called when; Telegram takes a call `lasting` seconds."""

    def __init__(self, rate: float = 20, lasting: float = 0.05) -> None:
        self.now = 1000.0
        self.plan = Plan(rate, self.now)
        self.said: list[tuple[float, Call]] = []
        self.lasting = lasting
        self.files: tuple[File, ...] = ()
        self._ids = itertools.count(1)
        self._under_way: tuple[Call, float] | None = None

    def told(self, *what: Told) -> None:
        for each in what:
            self.plan.told(each, self.now)

    def run(self, seconds: float) -> list[Call]:
        """Let time pass; returns what was called meanwhile."""
        until, before = self.now + seconds, len(self.said)
        while self.now < until:
            self.step()
            self.now = round(self.now + 0.05, 6)
        return [call for _, call in self.said[before:]]

    def step(self) -> None:
        if self._under_way is not None:
            call, at = self._under_way
            if at > self.now:
                return
            self._under_way = None
            self.plan.done(call, self.now, next(self._ids) if isinstance(call, Send) else 0, self.files)
        if (found := self.plan.next(self.now)) is not None:
            self.said.append((self.now, found))
            self._under_way = found, self.now + self.lasting

    def next(self) -> Call:
        """The next call, to be ended by hand."""
        for _ in range(100_000):
            if (call := self.plan.next(self.now)) is not None:
                return call
            assert self.plan.wake_at is not None, "nothing will ever be said"
            assert self.plan.wake_at > self.now
            self.now = self.plan.wake_at
        raise AssertionError("it never says anything")

    def busiest_minute(self) -> int:
        times = [at for at, _ in self.said]
        return max(sum(start <= at < start + 60 for at in times) for start in times)


def kinds(calls: list[Call]) -> list[str]:
    return [type(call).__name__ for call in calls]


def outcomes(calls: list[Call]) -> Counter[str]:
    found: Counter[str] = Counter()
    for call in calls:
        if isinstance(call, Digest):
            found.update(call.tally.outcomes)
    return found


def test_a_request_is_sent_and_edited() -> None:
    chat = Chat()
    chat.told(told())
    assert chat.run(SETTLE - 0.1) == []
    assert chat.run(1) == [Send("0195d3c1-5c00-7abc-8def-0123456789ab", told())]
    chat.told(done())
    [edit] = chat.run(2)
    assert isinstance(edit, Edit)
    assert (edit.message_id, edit.told, edit.was_unknown, edit.bodies) == (1, done(), False, True)
    assert chat.run(600) == []
    assert chat.plan.wake_at is None


def test_a_quick_one_is_one_message() -> None:
    chat = Chat()
    chat.told(told())
    chat.run(0.1)
    chat.told(done())
    [send] = chat.run(60)
    assert isinstance(send, Send)
    assert send.told == done()


def test_an_answer_that_comes_while_the_request_is_being_sent_is_edited_in() -> None:
    chat = Chat(lasting=3)
    chat.told(told())
    chat.run(1)
    chat.told(done())
    assert kinds(chat.run(10)) == ["Edit"]


def test_an_unknown_one_that_is_settled_days_later_is_edited_again() -> None:
    chat = Chat()
    chat.told(done(state="unknown", problem="timeout", status=None))
    chat.run(2)
    chat.now += 3 * 86400
    chat.told(done(seconds=None))
    [edit] = chat.run(2)
    assert isinstance(edit, Edit)
    assert edit.was_unknown


def test_a_queued_one_goes_through_its_states_in_one_message() -> None:
    chat = Chat()
    chat.told(told(state="queued"))
    assert kinds(chat.run(3)) == ["Send"]
    chat.told(told())
    assert kinds(chat.run(3)) == ["Edit"]
    chat.told(done())
    assert kinds(chat.run(3)) == ["Edit"]


def test_what_ended_but_began_before_the_hub_did_is_a_new_message() -> None:
    chat = Chat()
    chat.told(done())
    assert kinds(chat.run(3)) == ["Send"]


def test_a_refusal_that_repeats_what_was_told_is_not_said() -> None:
    chat = Chat()
    chat.told(told(), done(state="expired", problem="kiosk-offline", status=None), refused())
    assert kinds(chat.run(10)) == ["Send"]


def test_a_refusal_about_another_operation_is_a_message_of_its_own() -> None:
    chat = Chat()
    chat.told(told())
    chat.run(3)
    chat.told(refused(problem="idempotency-conflict"), refused(problem="timeout"))
    assert kinds(chat.run(5)) == ["Send", "Send"]
    chat.told(done())
    assert kinds(chat.run(5)) == ["Edit"]


def test_files_follow_their_message_once() -> None:
    chat = Chat()
    request, answer = File("request", "r", b"r", ""), File("answer", "a", b"a", "")
    chat.files = (request,)
    chat.told(told())
    assert chat.run(5)[1:] == [Attach(1, request)]
    chat.files = (request, answer)
    chat.told(done())
    assert chat.run(5)[1:] == [Attach(1, answer)]


def test_as_many_as_the_rate_can_show_stay_lines() -> None:
    chat = Chat(20)
    for number in range(40):  # eight a minute, each a message and an edit
        chat.told(told(request_id=f"{number}"))
        chat.run(5)
        chat.told(done(request_id=f"{number}"))
        chat.run(2.5)
    chat.run(120)
    assert Counter(kinds([call for _, call in chat.said])) == {"Send": 40, "Edit": 40}
    assert chat.busiest_minute() <= 20


def test_two_hundred_a_second_for_five_minutes() -> None:
    chat = Chat(20)
    began = chat.now
    number = 0
    for _ in range(5 * 60 * 20):  # 50 ms each
        for _ in range(10):
            number += 1
            name = f"{number}"
            bad = {"state": "failed", "status": 500} if number % 100 == 0 else {}
            chat.told(
                told(request_id=name, kiosk_id=f"kiosk_{number % 50}"),
                done(name, kiosk_id=f"kiosk_{number % 50}", **bad),
            )
        chat.run(0.05)
    chat.run(130)
    calls = [call for _, call in chat.said]
    assert number == 60_000
    assert chat.busiest_minute() <= 20
    assert Counter(kinds(calls)) == {"Send": 1, "Announce": 1, "Digest": 6}  # one before the rate was seen
    assert kinds(calls)[1] == "Announce"
    digests = [(at - began, call) for at, call in chat.said if isinstance(call, Digest)]
    assert [round(at / 60) for at, _ in digests] == [1, 2, 3, 4, 5, 6]
    assert [call.calm for _, call in digests] == [False] * 5 + [True]
    assert outcomes(calls) == {"succeeded": 59_399, "failed": 600}
    assert sum(call.tally.began for _, call in digests) == 59_999
    assert chat.plan.wake_at is None
    chat.told(told(request_id="after"))
    assert kinds(chat.run(2)) == ["Send"]


def test_a_burst_is_told_completely_though_partly_counted() -> None:
    chat = Chat(20)
    chat.told(told(request_id="shown"))
    chat.run(2)
    for number in range(100):
        chat.told(told(request_id=f"{number}"))
    chat.run(2)
    chat.told(*(done(f"{number}") for number in range(100)), done("shown"))
    calls = chat.run(70)
    assert kinds(calls) == ["Edit", "Digest"]  # the one that began as a line is still edited
    assert outcomes(calls) == {"succeeded": 100}
    assert kinds([call for _, call in chat.said][:2]) == ["Send", "Announce"]


def test_it_is_calm_only_well_below_the_rate() -> None:
    chat = Chat(20)
    for number in range(40):
        chat.told(told(request_id=f"first {number}"))
    chat.run(61)
    for minute in range(3):
        for number in range(8):  # sixteen calls a minute: as lines they would do, and lines would soon be too many
            chat.told(told(request_id=f"{minute} {number}"), done(f"{minute} {number}"))
            chat.run(60 / 8)
    digests = [call for _, call in chat.said if isinstance(call, Digest)]
    assert [call.calm for call in digests] == [False] * len(digests)
    chat.run(61)
    assert not chat.plan.is_digest


@pytest.mark.parametrize("rate", [1, 2, 3, 7.5, 30, 600, 1200])
def test_no_rate_is_exceeded(rate: float) -> None:
    chat = Chat(rate, lasting=0.0)
    for number in range(1500):
        chat.told(told(request_id=f"{number}"))
        chat.run(0.1)
        chat.told(done(f"{number}"))
    chat.run(300)
    assert chat.busiest_minute() <= rate
    calls = [call for _, call in chat.said]
    lines = {call.key for call in calls if isinstance(call, Send | Edit) and call.told.what == "ended"}
    assert len(lines) + outcomes(calls).total() == 1500


def test_a_short_pause_that_telegram_asks_for_is_waited_for() -> None:
    chat = Chat()
    chat.told(told())
    call = chat.next()
    chat.plan.limited(call, 5, chat.now)
    before = chat.now
    assert chat.next() == call
    assert chat.now >= before + 5


def test_in_a_long_pause_what_gathers_is_counted() -> None:
    chat = Chat()
    chat.told(told(request_id="1"))
    chat.plan.limited(chat.next(), 40, chat.now)
    before = chat.now
    for number in range(2, 10):
        chat.told(done(f"{number}"))
    digest = chat.next()
    assert isinstance(digest, Digest)
    assert chat.now >= before + 40
    assert (round(digest.paused), digest.calm) == (40, True)
    assert (digest.tally.began, digest.tally.outcomes) == (1, {"succeeded": 8})
    chat.plan.done(digest, chat.now)
    chat.told(done("1"))
    assert kinds(chat.run(3)) == ["Send"]  # it was only counted: its end is a line of its own


def test_an_outage_is_told_of_when_it_is_over() -> None:
    chat = Chat()
    chat.told(told(request_id="shown"))
    chat.run(2)
    began = chat.now
    tries = 0
    for number in range(200):
        chat.told(done(f"{number}"))
        while (call := chat.plan.next(chat.now)) is not None:
            tries += 1
            chat.plan.unreachable(call, chat.now)
        chat.now += 2
    chat.told(done("shown"))
    assert tries < 25
    digest = chat.next()
    assert isinstance(digest, Digest)
    assert chat.now - began - 35 < digest.away <= chat.now - began
    assert digest.tally.outcomes == {"succeeded": 200}
    chat.plan.done(digest, chat.now)
    assert kinds(chat.run(5)) == ["Edit"]


def test_what_was_tried_in_a_short_outage_is_said_after_it() -> None:
    chat = Chat()
    chat.told(told(), done("2"))
    first = chat.next()
    chat.plan.unreachable(first, chat.now)
    assert chat.next() == first
    chat.plan.done(first, chat.now, 5)
    assert kinds(chat.run(5)) == ["Send"]


def test_a_digest_that_does_not_arrive_is_said_again_with_all_since() -> None:
    chat = Chat(20)
    for number in range(40):
        chat.told(done(f"{number}"))
    while not isinstance(call := chat.next(), Digest):
        chat.plan.done(call, chat.now)
    chat.told(done("late", seconds=90.0))
    chat.plan.unreachable(call, chat.now)
    again = chat.next()
    assert isinstance(again, Digest)
    assert again.tally.outcomes == {"succeeded": 41}


def test_a_message_that_is_gone_is_sent_anew() -> None:
    chat = Chat()
    chat.told(told())
    chat.run(2)
    chat.told(done())
    edit = chat.next()
    chat.plan.rejected(edit, chat.now)
    [send] = chat.run(3)
    assert isinstance(send, Send)
    assert send.told == done()


def test_a_chat_that_takes_nothing_is_tried_once_a_minute() -> None:
    chat = Chat()
    tries = 0
    for number in range(600):
        chat.told(done(f"{number}"))
        while (call := chat.plan.next(chat.now)) is not None:
            tries += 1
            chat.plan.rejected(call, chat.now)
        chat.now += 1
    assert 8 <= tries <= 12


def test_what_the_hub_lost_is_told() -> None:
    chat = Chat()
    chat.plan.lost(7)
    [digest] = chat.run(2)
    assert isinstance(digest, Digest)
    assert (digest.tally.lost, digest.calm) == (7, True)


def test_what_is_held_is_bounded() -> None:
    chat = Chat(1200, lasting=0)
    body = b'{"a":"' + b"x" * 1_000_000 + b'"}'
    for number in range(100):
        chat.told(told(request_id=f"{number}"))
        chat.run(1)
    for number in range(100):
        chat.told(done(f"{number}", body=body))
    edits = [call for call in chat.run(200) if isinstance(call, Edit)]
    assert len(edits) == 100
    assert sum(call.told.size for call in edits) < 40_000_000
    assert not all(call.bodies for call in edits)
    for number in range(5000):
        chat.told(told(request_id=f"open {number}"))
        chat.run(1)
    assert len(chat.plan._lines) <= 2000


def test_files_that_are_too_many_are_counted() -> None:
    chat = Chat(1200)
    chat.files = tuple(File("request", f"{number}", b"x" * 1_000_000, "") for number in range(20))
    chat.told(told())
    assert Counter(kinds(chat.run(60))) == {"Send": 1, "Attach": 8}
    chat.plan.lost(1)
    assert [call.tally.files_lost for call in chat.run(60) if isinstance(call, Digest)] == [12]


def with_a_file() -> Chat:
    chat = Chat()
    file = File("request", "r", b"r", "")
    chat.told(told())
    chat.plan.done(chat.next(), chat.now, 1, (file,))
    return chat


def test_a_file_that_never_arrives_while_all_else_does_is_given_up() -> None:
    chat, attempts = with_a_file(), 0
    for second in range(600):
        if second % 20 == 0:
            chat.told(refused(request_id=f"other {second}"))
        while (call := chat.plan.next(chat.now)) is not None:
            if isinstance(call, Attach):
                attempts += 1
                chat.plan.unreachable(call, chat.now)
            else:
                chat.plan.done(call, chat.now, 2)
        chat.now += 1
    assert 5 <= attempts < 25
    assert not chat.plan._files


def test_an_outage_costs_no_file() -> None:
    chat = with_a_file()
    for _ in range(20):
        call = chat.next()
        chat.plan.unreachable(call, chat.now)
    assert "Attach" in kinds(chat.run(120))


def test_an_announcement_that_does_not_arrive_is_replaced_by_a_digest() -> None:
    chat = Chat()
    for number in range(40):
        chat.told(told(request_id=f"{number}"))
    announcement = chat.next()
    assert announcement == Announce()
    chat.plan.unreachable(announcement, chat.now)
    assert isinstance(chat.next(), Digest)


def test_what_was_counted_is_held_no_more() -> None:
    chat = Chat()
    body = b'{"a":"' + b"x" * 1_000_000 + b'"}'
    for minute in range(3):
        for number in range(30):
            chat.told(done(f"{minute}-{number}", body=body))
        chat.run(200)
    chat.told(done("after", body=body))
    assert kinds(chat.run(3)) == ["Send"]


def test_an_outage_is_told_of_although_something_else_was_said_first() -> None:
    chat = Chat()
    chat.told(told(request_id="shown"))
    chat.run(2)
    for number in range(100):
        chat.told(told(request_id=f"{number}"))
    chat.run(2)
    chat.told(done("shown"))
    edit = chat.next()
    assert isinstance(edit, Edit)
    chat.plan.unreachable(edit, chat.now)
    chat.now += 30
    chat.plan.done(chat.next(), chat.now)
    digest = chat.next()
    assert isinstance(digest, Digest)
    assert round(digest.away) == 30


def test_an_edit_that_never_arrives_while_all_else_does_is_sent_anew() -> None:
    chat, attempts, sent = Chat(), 0, []
    chat.told(told())
    chat.plan.done(chat.next(), chat.now, 1)
    chat.told(done())
    for second in range(1200):
        if second % 20 == 0:
            chat.told(refused(request_id=f"other {second}"))
        while (call := chat.plan.next(chat.now)) is not None:
            if isinstance(call, Edit):
                attempts += 1
                chat.plan.unreachable(call, chat.now)
            else:
                sent.append(call)
                chat.plan.done(call, chat.now, 2)
        chat.now += 1
    assert 5 <= attempts < 60
    assert done() in [call.told for call in sent if isinstance(call, Send)]
    assert not chat.plan.is_digest


def test_an_outage_costs_no_edit() -> None:
    chat = Chat()
    chat.told(told())
    chat.plan.done(chat.next(), chat.now, 1)
    chat.told(done())
    for _ in range(20):
        chat.plan.unreachable(chat.next(), chat.now)
    assert "Edit" in kinds(chat.run(120))


def test_hubs_that_come_and_go_change_the_rate() -> None:
    chat = Chat(rate=40)
    chat.plan.limit(40 / 4)
    for number in range(200):
        chat.told(told(request_id=f"r{number}"), done(f"r{number}"))
        chat.run(0.5)
    assert chat.plan.rate == 10
    assert chat.busiest_minute() <= 10
