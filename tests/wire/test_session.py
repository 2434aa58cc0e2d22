"""One conversation, both ends: executed at most once, told until it is heard, over any link."""

import random

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.wire.world import DEADLINE, World
from wire.messages import (
    MESSAGE_MAX_BYTES,
    Accepted,
    AllSettled,
    Cancel,
    Event,
    EventAck,
    Events,
    Executed,
    Hello,
    Progress,
    Request,
    Response,
    Responses,
    Settled,
    Welcome,
    encode,
)
from wire.problems import CloseCode
from wire.session import (
    BATCH,
    BATCH_BYTES,
    HELLO_TIMEOUT,
    NO_NAME,
    PING_INTERVAL,
    REPEAT_AFTER,
    SILENCE_LIMIT,
    WINDOW,
    WINDOW_BYTES,
    Action,
    Close,
    Heard,
    Heartbeat,
    HubSession,
    KioskSession,
    Misunderstood,
    Orphaned,
    Ping,
    Send,
    WantEvents,
    WantOutcomes,
)

HELLO = Hello(version="1", boot_id="b", journal="j1")
WELCOME = Welcome(hub="h", time=1.0, ping_interval=PING_INTERVAL, batch=BATCH)
PAYMENT = Request(request_id="request-1", operation="payment")


def welcome(now: float) -> Send:
    """The welcome that is sent then."""
    return Send(msgspec.structs.replace(WELCOME, clock=now))


def asked(start_within: float, now: float) -> Send:
    """The payment as it is sent then."""
    return Send(msgspec.structs.replace(PAYMENT, start_within=start_within, clock=now))


def hub_with_kiosk(hello: Hello = HELLO, now: float = 0.0) -> HubSession:
    hub = HubSession()
    hub.opened(now)
    hub.received(encode(hello), now)
    hub.welcome("h", 1.0, now)
    return hub


def kiosk_with_hub(now: float = 0.0) -> KioskSession:
    kiosk = KioskSession()
    kiosk.opened(HELLO)
    kiosk.received(encode(WELCOME), now)
    return kiosk


def done(number: int | str, size: int = 0) -> Response:
    return Response(
        request_id=f"request-{number}", operation="payment", executed=Executed.YES, status=200, body=_filled(size)
    )


def event(seq: int, size: int = 0) -> Event:
    return Event(seq=seq, at=1.0, kind="jam", data=_filled(size))


def _filled(size: int) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode({"filled": "x" * size} if size else {}))


class TestHeartbeat:
    def test_nothing_is_due_while_the_other_end_talks(self) -> None:
        assert Heartbeat(0.0).due(PING_INTERVAL - 0.1) is None

    def test_a_ping_is_due_once_every_interval(self) -> None:
        heartbeat = Heartbeat(0.0)
        due = [heartbeat.due(now) for now in (PING_INTERVAL, PING_INTERVAL + 1, 2 * PING_INTERVAL)]
        assert due == [Ping(), None, Ping()]

    def test_a_silent_connection_is_given_up(self) -> None:
        heartbeat = Heartbeat(0.0)
        heartbeat.due(PING_INTERVAL)
        assert heartbeat.due(SILENCE_LIMIT) == Close(0, "silent for 44 s")

    def test_anything_heard_is_life(self) -> None:
        heartbeat = Heartbeat(0.0)
        heartbeat.heard_at = 30.0
        assert heartbeat.due(SILENCE_LIMIT) == Ping()


class TestHub:
    def test_a_kiosk_that_does_not_say_hello_is_closed(self) -> None:
        hub = HubSession()
        assert hub.opened(5.0) == []
        assert hub.tick(5.0 + HELLO_TIMEOUT - 0.1) == []
        assert hub.tick(5.0 + HELLO_TIMEOUT) == [Close(CloseCode.NO_HELLO, "no hello within 10 s")]

    def test_nothing_is_due_without_a_connection(self) -> None:
        hub = HubSession()
        hub.opened(0.0)
        hub.closed()
        assert hub.tick(1000.0) == []

    def test_nothing_counts_before_hello(self) -> None:
        hub = HubSession()
        hub.opened(0.0)
        assert hub.received(encode(done(1)), 0.0) == [Misunderstood("a message before hello")]

    def test_hello_is_heard_and_welcomed(self) -> None:
        hub = HubSession()
        hub.opened(0.0)
        assert hub.received(encode(HELLO), 1.0) == [Heard(HELLO)]
        assert hub.welcome("h", 1.0, 1.0) == [welcome(1.0)]

    def test_malformed_messages_are_counted_and_the_connection_stays(self) -> None:
        hub = hub_with_kiosk()
        assert hub.received(b"{", 0.0) == [Misunderstood("not a JSON object with a type")]
        assert hub.received(encode(Progress(request_id="request-1")), 0.0) == [Heard(Progress(request_id="request-1"))]

    def test_messages_of_a_later_version_are_ignored(self) -> None:
        assert hub_with_kiosk().received(b'{"type":"mood","is":"fine"}', 0.0) == []

    def test_a_request_is_sent_at_once_with_the_time_left(self) -> None:
        assert hub_with_kiosk().request(PAYMENT, 30.0, 12.5) == [asked(17.5, 12.5)]

    def test_a_request_to_an_absent_kiosk_goes_with_the_next_hello(self) -> None:
        hub = HubSession()
        assert hub.request(PAYMENT, 30.0, 0.0) == []
        hub.opened(1.0)
        hub.received(encode(HELLO), 1.0)
        assert hub.welcome("h", 1.0, 10.0)[1:] == [asked(20.0, 10.0)]

    def test_after_its_deadline_a_request_only_asks(self) -> None:
        hub = hub_with_kiosk()
        assert hub.request(PAYMENT, 30.0, 31.0) == [asked(0.0, 31.0)]
        assert PAYMENT.start_within == 0.0

    def test_a_request_that_was_swallowed_is_repeated(self) -> None:
        hub = hub_with_kiosk()
        hub.request(PAYMENT, 100.0, 0.0)
        assert hub.tick(REPEAT_AFTER - 0.1) == []
        assert hub.tick(REPEAT_AFTER) == [asked(80.0, REPEAT_AFTER)]
        assert hub.tick(REPEAT_AFTER + 1) == []
        assert len(hub.tick(2 * REPEAT_AFTER)) == 1

    @pytest.mark.parametrize("answer", [Accepted(request_id="request-1"), done(1)])
    def test_a_request_that_was_taken_is_not_repeated(self, answer: Accepted | Response) -> None:
        hub = hub_with_kiosk()
        hub.request(PAYMENT, 100.0, 0.0)
        hub.received(encode(answer), 1.0)
        assert hub.tick(REPEAT_AFTER) == []

    def test_a_request_under_way_is_asked_for_after_a_reconnect(self) -> None:
        hub = hub_with_kiosk()
        hub.request(PAYMENT, 100.0, 0.0)
        hub.received(encode(Accepted(request_id="request-1")), 1.0)
        hub.closed()
        hub.opened(2.0)
        hub.received(encode(HELLO), 2.0)
        assert [type(action.message) for action in hub.welcome("h", 1.0, 2.0) if isinstance(action, Send)] == [
            Welcome,
            Request,
        ]

    @pytest.mark.parametrize("settle", ["settle", "forget"])
    def test_a_request_that_ended_is_not_asked_for_again(self, settle: str) -> None:
        hub = hub_with_kiosk()
        hub.request(PAYMENT, 100.0, 0.0)
        getattr(hub, settle)("request-1")
        assert hub.welcome("h", 1.0, 2.0) == [welcome(2.0)]

    def test_a_kiosk_that_lost_its_journal_is_not_asked_again(self) -> None:
        hub = hub_with_kiosk()
        hub.request(PAYMENT, 100.0, 0.0)
        hub.closed()
        hub.opened(1.0)
        hub.received(encode(Hello(version="1", boot_id="b", journal="j2")), 1.0)
        assert hub.welcome("h", 1.0, 1.0) == [welcome(1.0), Orphaned("request-1")]
        assert hub.welcome("h", 1.0, 1.0) == [welcome(1.0)]

    def test_an_operation_of_an_earlier_life_goes_to_its_journal_only(self) -> None:
        hub = hub_with_kiosk()
        assert hub.request(PAYMENT, 30.0, 0.0, journal="j0") == [Orphaned("request-1")]
        assert hub.welcome("h", 1.0, 1.0) == [welcome(1.0)]
        assert len(hub.request(PAYMENT, 30.0, 0.0, journal="j1")) == 1

    def test_a_kiosk_that_names_no_journal_is_trusted_about_what_such_a_one_was_sent(self) -> None:
        hub = hub_with_kiosk(Hello(version="1", boot_id="b"))
        assert hub.journal == NO_NAME
        assert hub.request(PAYMENT, 30.0, 0.0, journal="j1") == [Orphaned("request-1")]
        assert [type(action) for action in hub.request(PAYMENT, 30.0, 0.0, journal=NO_NAME)] == [Send]
        assert hub.request(PAYMENT, 30.0, 0.0) != []
        hub.closed()
        hub.opened(1.0)
        hub.received(encode(HELLO), 1.0)
        assert hub.welcome("h", 1.0, 1.0)[1:] == [Orphaned("request-1")]

    def test_what_was_accepted_is_only_asked_for_after_that(self) -> None:
        """The kiosk has it in its journal; one whose journal went back must not start it a second time."""
        hub = hub_with_kiosk()
        hub.request(PAYMENT, 30.0, 0.0)
        hub.received(encode(Accepted(request_id=PAYMENT.request_id)), 1.0)
        hub.closed()
        hub.opened(2.0)
        hub.received(encode(HELLO), 2.0)
        (_welcome, asked) = hub.welcome("h", 1.0, 2.0)
        assert isinstance(asked, Send)
        assert isinstance(asked.message, Request)
        assert (asked.message.request_id, asked.message.start_within) == (PAYMENT.request_id, 0.0)

    def test_what_does_not_last_is_asked_for_on_one_connection_only(self) -> None:
        """It may be settled at another hub, and forgotten, before the kiosk comes back here."""
        hub = hub_with_kiosk()
        other = msgspec.structs.replace(PAYMENT, request_id="request-2")
        assert len(hub.request(PAYMENT, 300.0, 0.0, lasting=False)) == len(hub.request(other, 300.0, 0.0)) == 1
        assert [type(action) for action in hub.tick(REPEAT_AFTER)] == [Send, Send]
        hub.closed()
        hub.opened(30.0)
        hub.received(encode(HELLO), 30.0)
        (_welcome, asked) = hub.welcome("h", 1.0, 30.0)
        assert isinstance(asked, Send)
        assert isinstance(asked.message, Request)
        assert (asked.message.request_id, hub.outstanding) == ("request-2", 1)

    def test_confirmations_go_only_to_a_kiosk_that_is_there(self) -> None:
        hub = hub_with_kiosk()
        assert hub.settle("request-1") == [Send(Settled(request_id="request-1"))]
        assert hub.acknowledge(7) == [Send(EventAck(seq=7))]
        assert hub.cancel("request-1") == [Send(Cancel(request_id="request-1"))]
        hub.closed()
        assert [hub.settle("request-1"), hub.acknowledge(7), hub.cancel("request-1")] == [[], [], []]

    def test_an_idle_hub_end_holds_next_to_nothing(self) -> None:
        hub = hub_with_kiosk()
        hub.request(PAYMENT, 30.0, 0.0)
        hub.received(encode(done(1)), 1.0)
        assert not hasattr(hub, "__dict__")
        assert hub._outstanding is None


class TestKiosk:
    def test_hello_comes_first_and_nothing_is_told_before_welcome(self) -> None:
        kiosk = KioskSession()
        assert kiosk.opened(HELLO) == [Send(HELLO)]
        told = [
            kiosk.outcome(done(1), 0.0),
            kiosk.accepted("request-1"),
            kiosk.events([event(1)], 0.0),
            kiosk.happened(),
        ]
        assert told == [[], [], [], []]
        assert kiosk.tick(1000.0) == []

    def test_welcome_asks_the_journal_for_what_the_hub_may_not_know(self) -> None:
        kiosk = KioskSession()
        kiosk.opened(HELLO)
        assert kiosk.received(encode(WELCOME), 0.0) == [
            Heard(WELCOME),
            WantOutcomes(WINDOW, frozenset()),
            WantEvents(WINDOW, 0),
        ]

    def test_malformed_messages_are_counted_and_the_connection_stays(self) -> None:
        kiosk = kiosk_with_hub()
        assert kiosk.received(b"[]", 0.0) == [Misunderstood("not a JSON object with a type")]
        assert kiosk.accepted("request-1") == [Send(Accepted(request_id="request-1"))]

    def test_messages_of_a_later_version_are_ignored(self) -> None:
        assert kiosk_with_hub().received(b'{"type":"mood","is":"fine"}', 0.0) == []

    def test_every_request_is_handed_on_even_a_repeated_one(self) -> None:
        kiosk = kiosk_with_hub()
        assert [kiosk.received(encode(PAYMENT), now) for now in (1.0, 2.0)] == [[Heard(PAYMENT)], [Heard(PAYMENT)]]

    def test_an_outcome_that_is_not_settled_is_asked_for_again(self) -> None:
        kiosk = kiosk_with_hub()
        assert kiosk.outcome(done(1), 0.0) == [Send(done(1))]
        assert kiosk.tick(REPEAT_AFTER - 0.1) == []
        assert kiosk.tick(REPEAT_AFTER) == [WantOutcomes(WINDOW, frozenset())]

    def test_an_outcome_that_is_settled_is_not(self) -> None:
        kiosk = kiosk_with_hub()
        kiosk.outcome(done(1), 0.0)
        kiosk.received(encode(Settled(request_id="request-1")), 1.0)
        assert kiosk.tick(REPEAT_AFTER) == []

    def test_only_what_is_late_is_told_again(self) -> None:
        kiosk = kiosk_with_hub()
        kiosk.outcome(done(1), 0.0)
        kiosk.outcome(done(2), 5.0)
        assert kiosk.tick(REPEAT_AFTER) == [WantOutcomes(WINDOW - 1, frozenset({"request-2"}))]

    def test_a_new_connection_starts_from_the_journal(self) -> None:
        kiosk = kiosk_with_hub()
        kiosk.outcome(done(1), 0.0)
        kiosk.events([event(1)], 0.0)
        kiosk.closed()
        assert kiosk.outcome(done(2), 1.0) == []
        kiosk.opened(HELLO)
        assert kiosk.received(encode(WELCOME), 2.0)[1:] == [WantOutcomes(WINDOW, frozenset()), WantEvents(WINDOW, 0)]
        assert kiosk.events([event(1)], 2.0) == [Send(event(1))]

    def test_events_are_told_once_and_in_order(self) -> None:
        kiosk = kiosk_with_hub()
        assert kiosk.events([event(1), event(2)], 0.0) == [Send(event(1)), Send(event(2))]
        assert kiosk.events([event(1), event(2), event(3)], 0.0) == [Send(event(3))]

    def test_a_new_event_waits_until_those_before_it_are_confirmed(self) -> None:
        kiosk = kiosk_with_hub()
        kiosk.events([event(1), event(2)], 0.0)
        assert kiosk.happened() == []
        assert kiosk.received(encode(EventAck(seq=1)), 1.0) == [Heard(EventAck(seq=1))]
        assert kiosk.received(encode(EventAck(seq=2)), 1.0) == [Heard(EventAck(seq=2)), WantEvents(WINDOW, 2)]
        assert kiosk.happened() == [WantEvents(WINDOW, 2)]

    def test_events_that_were_swallowed_are_told_again_from_the_last_confirmed(self) -> None:
        kiosk = kiosk_with_hub()
        kiosk.events([event(1), event(2), event(3)], 0.0)
        kiosk.received(encode(EventAck(seq=1)), 5.0)
        assert kiosk.tick(5.0 + REPEAT_AFTER - 0.1) == []
        assert kiosk.tick(5.0 + REPEAT_AFTER) == [WantEvents(WINDOW, 1)]
        assert kiosk.events([event(2), event(3)], 30.0) == [Send(event(2)), Send(event(3))]

    def test_progress_is_told_or_lost(self) -> None:
        kiosk = kiosk_with_hub()
        assert kiosk.progress("request-1", Progress(request_id="request-1").data) == [
            Send(Progress(request_id="request-1"))
        ]
        kiosk.closed()
        assert kiosk.progress("request-1", Progress(request_id="request-1").data) == []


class TestBatches:
    """What both ends have announced that they know."""

    hello = msgspec.structs.replace(HELLO, batch=BATCH)

    def kiosk(self, hub_takes: int = BATCH, hello: Hello | None = None) -> KioskSession:
        kiosk = KioskSession()
        kiosk.opened(hello or self.hello)
        kiosk.received(encode(msgspec.structs.replace(WELCOME, batch=hub_takes)), 0.0)
        return kiosk

    @pytest.mark.parametrize(("tells", "takes"), [(0, BATCH), (BATCH, 0)])
    def test_nothing_is_told_in_batches_unless_both_know_them(self, tells: int, takes: int) -> None:
        kiosk = self.kiosk(takes, msgspec.structs.replace(HELLO, batch=tells))
        assert kiosk.outcomes([done(1), done(2)], 0.0) == [Send(done(1)), Send(done(2))]
        assert kiosk.events([event(1), event(2)], 0.0, 0) == [Send(event(1)), Send(event(2))]
        assert kiosk.outcomes([], 0.0) == []
        assert kiosk.happened() == []
        assert kiosk.received(encode(EventAck(seq=2)), 0.0)[1:] == [WantEvents(WINDOW, 2)]

    def test_outcomes_are_told_in_batches_of_what_the_hub_takes_and_settled_together(self) -> None:
        kiosk = self.kiosk(hub_takes=2)
        told = kiosk.outcomes([done(n) for n in range(4)], 0.0)
        assert told == [Send(Responses(responses=[done(0), done(1)])), Send(Responses(responses=[done(2), done(3)]))]
        ids = ["request-0", "request-1"]
        wish = WantOutcomes(2, frozenset({"request-2", "request-3"}))
        assert kiosk.received(encode(AllSettled(request_ids=ids)), 1.0) == [Heard(AllSettled(request_ids=ids)), wish]

    def test_the_end_of_the_backlog_is_told(self) -> None:
        kiosk = self.kiosk()
        assert kiosk.outcomes([], 0.0) == [Send(Responses(responses=[], more=False))]

    def test_large_outcomes_are_told_in_smaller_batches_or_alone_and_no_message_is_too_large(self) -> None:
        sizes = [BATCH_BYTES // 3] * 4 + [800 * 1024, 10, 10]
        responses = [done(n, size) for n, size in enumerate(sizes)]
        sent = [action.message for action in self.kiosk().outcomes(responses, 0.0) if isinstance(action, Send)]
        told = [message.responses if isinstance(message, Responses) else [message] for message in sent]
        assert [response for some in told for response in some] == responses
        assert [len(some) for some in told] == [2, 2, 1, 2]
        assert max(len(encode(message)) for message in sent) <= MESSAGE_MAX_BYTES

    def test_no_more_is_wanted_while_large_outcomes_are_not_confirmed(self) -> None:
        kiosk = self.kiosk()
        kiosk.outcomes([done(n, WINDOW_BYTES // 4) for n in range(4)], 0.0)
        assert kiosk.received(encode(Settled(request_id="request-0")), 1.0)[1:] == []
        assert len(kiosk.received(encode(Settled(request_id="request-1")), 1.0)[1:]) == 0
        assert len(kiosk.received(encode(Settled(request_id="request-2")), 1.0)[1:]) == 1

    def test_a_batch_of_events_says_after_which_it_comes(self) -> None:
        kiosk = self.kiosk()
        assert kiosk.events([event(3), event(4)], 0.0, 0) == [Send(Events(after=0, events=[event(3), event(4)]))]
        assert kiosk.happened() == []
        assert kiosk.received(encode(EventAck(seq=4)), 1.0)[1:] == [WantEvents(BATCH, 4)]
        assert kiosk.events([event(9)], 1.0, 4) == [Send(Events(after=4, events=[event(9)]))]

    def test_the_answer_to_an_old_wish_for_events_tells_nothing(self) -> None:
        # It would say that what was told before it and swallowed has been dropped.
        kiosk = self.kiosk()
        kiosk.events([event(1)], 0.0, 0)
        assert kiosk.tick(REPEAT_AFTER) == [WantEvents(BATCH, 0)]
        assert kiosk.events([event(2)], REPEAT_AFTER, 1) == []
        assert kiosk.events([event(1), event(2)], REPEAT_AFTER, 0) == [
            Send(Events(after=0, events=[event(1), event(2)]))
        ]

    def test_events_that_do_not_fit_are_wanted_again(self) -> None:
        kiosk = self.kiosk()
        large = [event(n, BATCH_BYTES // 2) for n in (1, 2, 3)]
        assert kiosk.events(large, 0.0, 0) == [Send(Events(after=0, events=large[:1]))]
        assert kiosk.received(encode(EventAck(seq=1)), 1.0)[1:] == [WantEvents(BATCH, 1)]

    def test_what_a_batch_answers_is_not_asked_for_again(self) -> None:
        hub = hub_with_kiosk(self.hello)
        hub.request(PAYMENT, 30.0, 0.0)
        assert hub.outstanding == 1
        responses = Responses(responses=[done(1), done(2)])
        assert hub.received(encode(responses), 1.0) == [Heard(responses)]
        assert hub.outstanding == 0
        ids = ["request-1", "request-2"]
        assert hub.settle_all(ids) == [Send(AllSettled(request_ids=ids))]
        assert hub.settle_all([]) == []
        hub.closed()
        assert hub.settle_all(ids) == []


@pytest.mark.parametrize("swallow", [0, 7])
@pytest.mark.parametrize("batch", [0, BATCH])
def test_a_backlog_of_100_000_outcomes_drains_within_the_window(swallow: int, batch: int) -> None:
    backlog = {f"request-{n}": done(n) for n in range(100_000)}
    kiosk = KioskSession()
    kiosk.opened(msgspec.structs.replace(HELLO, batch=batch))
    under_way: list[Response] = []
    most = told = 0
    now = 0.0

    def perform(actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, WantOutcomes):
                some: list[Response] = []
                for response in backlog.values():
                    if len(some) == action.count:
                        break
                    if response.request_id not in action.told:
                        some.append(response)
                perform(kiosk.outcomes(some, now))
            elif isinstance(action, Send) and isinstance(action.message, Response):
                under_way.append(action.message)
            elif isinstance(action, Send) and isinstance(action.message, Responses):
                under_way.extend(action.message.responses)

    perform(kiosk.received(encode(WELCOME), now))
    while backlog:
        most = max(most, len(under_way))
        if not under_way:
            now += REPEAT_AFTER
            perform(kiosk.tick(now))
            assert under_way
        told += 1
        response = under_way.pop(0)
        if swallow and told % (swallow * 1000) == 0:
            continue
        del backlog[response.request_id]
        perform(kiosk.received(encode(Settled(request_id=response.request_id)), now))
    assert most <= (2 * batch or WINDOW)
    assert told == 100_000 + (told // (swallow * 1000) if swallow else 0)


class AnyLink(RuleBasedStateMachine):
    """Both ends over a link that loses, doubles, reorders and breaks, with restarts and a lost journal."""

    @initialize(batch=st.sampled_from([0, 1, 3, BATCH]))
    def begin(self, batch: int) -> None:
        self.world = connected_world(batch)
        self.happened: dict[str, int] = {}

    @rule(start_within=st.sampled_from([DEADLINE, DEADLINE, 5.0, 0.0]))
    def ask(self, start_within: float) -> None:
        self.world.ask(f"request-{len(self.world.store)}", start_within)

    @rule(which=st.integers(0, 50))
    def deliver(self, which: int) -> None:
        self.world.deliver(which)

    @rule()
    def deliver_everything(self) -> None:
        while self.world.deliver():
            pass

    @rule()
    def finish(self) -> None:
        self.world.finish()

    @rule(count=st.sampled_from([1, 3, 2 * WINDOW]))
    def happen(self, count: int) -> None:
        for _ in range(count):
            self.world.happen()
        self.happened[self.world.journal.name] = self.world.journal.last_seq

    @rule()
    def drop(self) -> None:
        self.world.drop()

    @rule(which=st.integers(0, 50))
    def lose(self, which: int) -> None:
        self.world.lose(which)

    @rule(which=st.integers(0, 50))
    def double(self, which: int) -> None:
        self.world.double(which)

    @rule(seconds=st.sampled_from([1, 4, 21]))
    def pass_time(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    @rule(trouble=st.sampled_from(["cut", "connect", "hub", "power", "power after acting", "journal"]))
    def break_(self, trouble: str) -> None:
        match trouble:
            case "cut":
                self.world.cut()
            case "connect":
                self.world.connect()
            case "hub":
                self.world.restart_hub()
            case "journal":
                self.world.lose_journal()
            case _:
                self.world.cut_power(acted=trouble == "power after acting")

    @rule()
    def come_back(self) -> None:
        if not self.world.connected:
            self.world.connect()
            self.deliver_everything()

    @invariant()
    def nothing_is_executed_twice(self) -> None:
        if hasattr(self, "world"):
            assert [name for name, count in self.world.effects.items() if count > 1] == []

    @invariant()
    def what_is_said_is_true(self) -> None:
        if hasattr(self, "world"):
            truth = {Executed.YES: {1}, Executed.NO: {0}, Executed.UNKNOWN: {0, 1}}
            wrong = [
                request_id
                for request_id, operation in self.world.store.items()
                if operation.outcome and self.world.effects[request_id] not in truth[operation.outcome.executed]
            ]
            assert wrong == []

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        world.settle_down()
        self.nothing_is_executed_twice()
        self.what_is_said_is_true()
        without_end = [
            id_ for id_, operation in world.store.items() if not operation.outcome and not operation.orphaned
        ]
        assert without_end == []
        told = {id_: operation.outcome for id_, operation in world.store.items()}
        assert {id_: told[id_] for id_ in world.journal.outcomes} == world.journal.outcomes
        assert world.journal.unsettled() == []
        assert world.journal.events == []
        for journal, count in self.happened.items():
            stored = world.stored_events.get(journal, [])
            assert stored == sorted(set(stored))
            here = journal == world.journal.name
            missing = set(range(1, (count if here else max(stored, default=0)) + 1)) - set(stored)
            assert not missing if not world.batch else not here or missing <= world.journal.dropped
        assert world.misunderstood == []


TestAnyLink = AnyLink.TestCase
TestAnyLink.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)


def live(world: World, chance: random.Random, *, breaks: bool) -> None:
    """Twenty operations and events over a bad link, breaking too if told so."""
    for number in range(20):
        world.ask(f"request-{number}", start_within=1000.0)
        world.happen()
        for _ in range(60):
            which = chance.randrange(1000)
            match chance.randrange(12):
                case 0 | 1:
                    world.lose(which)
                case 2:
                    world.double(which)
                case 3:
                    world.finish()
                case 4:
                    world.pass_time(2)
                case 5 if breaks:
                    chance.choice([world.cut, world.connect, world.restart_hub, world.cut_power])()
                case 6 if not world.connected:
                    world.connect()
                case _:
                    world.deliver(which)


def connected_world(batch: int = 0) -> World:
    world = World(batch)
    world.connect()
    while world.deliver():
        pass
    return world


@pytest.mark.parametrize("batch", [0, 4])
@pytest.mark.parametrize("seed", range(10))
def test_a_link_that_never_breaks_but_loses_doubles_and_reorders_costs_only_time(seed: int, batch: int) -> None:
    world = connected_world(batch)
    live(world, random.Random(seed), breaks=False)
    world.settle_down()
    outcomes = {id_: operation.outcome.executed for id_, operation in world.store.items() if operation.outcome}
    assert outcomes == {f"request-{number}": Executed.YES for number in range(20)}
    assert world.effects == dict.fromkeys(outcomes, 1)
    assert world.stored_events == {"j1": list(range(1, 21))}


@pytest.mark.parametrize("batch", [0, 4])
@pytest.mark.parametrize("seed", range(10))
def test_restarts_and_power_cuts_leave_every_outcome_true(seed: int, batch: int) -> None:
    world = connected_world(batch)
    live(world, random.Random(seed), breaks=True)
    world.settle_down()
    told = {id_: operation.outcome for id_, operation in world.store.items()}
    assert told == world.journal.outcomes
    effects = {id_: world.effects[id_] for id_, outcome in told.items() if outcome and outcome.executed is Executed.YES}
    assert effects == dict.fromkeys(effects, 1)
    unclear = [id_ for id_, outcome in told.items() if outcome and outcome.executed is Executed.UNKNOWN]
    assert len(effects) + len(unclear) == 20
    assert max(world.effects.values()) == 1
    assert world.stored_events == {"j1": list(range(1, 21))}


def test_an_orphan_is_never_executed_under_a_new_journal() -> None:
    world = connected_world()
    world.ask("request-1")
    world.deliver()
    world.lose_journal()
    effects = dict(world.effects)
    world.settle_down()
    assert world.store["request-1"].orphaned
    assert dict(world.effects) == effects == {"request-1": 1}


def test_an_unknown_request_that_only_asks_is_refused_for_good() -> None:
    world = connected_world()
    world.ask("request-1", start_within=5.0)
    late = world.to_kiosk[0]
    world.lose(0)
    world.pass_time(21)
    while world.deliver():
        pass
    outcome = world.store["request-1"].outcome
    assert outcome is not None
    assert outcome.executed is Executed.NO
    world.to_kiosk.append(late)
    world.settle_down()
    assert world.effects["request-1"] == 0
