"""Whatever a device says, in whatever order, and whatever is asked of it: nothing raises, nobody is told twice."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.bills import AwaitReady, Disable, Enable, GiveBack, Hold, Stack
from hardware.events import BillEscrowed, BillReturned, BillStacked, BillUnclear
from hardware.id003.frames import Frame, encode
from hardware.id003.protocol import Id003Protocol
from hardware.id003.states import Status
from hardware.protocol import Actions, Finish, Record

answers = st.one_of(
    st.binary(max_size=12),
    st.builds(
        lambda code, data: encode(Frame(code, data)),
        st.sampled_from([*Status, 0x88, 0x8A, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5]) | st.integers(0, 255),
        st.binary(max_size=8) | st.sampled_from([b"\x61", b"\x00", bytes((0x61, 0x51, 5, 2))]),
    ),
)
asked = st.sampled_from(
    [
        Enable(None),
        Disable(),
        AwaitReady(),
        *(order(number) for order in (Stack, GiveBack) for number in (1, 2)),
        Hold(1, 5),
    ]
)
happenings = st.one_of(
    st.tuples(st.just("hear"), answers),
    st.tuples(st.just("hear"), answers),
    st.tuples(st.just("ask"), asked),
    st.tuples(st.just("wake"), st.floats(0, 20)),
    st.tuples(st.sampled_from(["lost", "opened", "closing", "restart"]), st.none()),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(happenings, max_size=60))
def test_anything(day: list[tuple[str, object]]) -> None:
    memory: dict[str, object] = {}
    protocol = Id003Protocol(memory)
    now, ticket = 0.0, 0
    ended: set[int] = set()
    open_notes: set[int | None] = set()

    def carry(actions: Actions) -> None:
        for action in actions:
            if isinstance(action, Finish):
                assert action.ticket not in ended
                ended.add(action.ticket)
            if isinstance(action, Record):
                if action.memory is not None:
                    memory.clear()
                    memory.update(json.loads(json.dumps(action.memory)))
                if isinstance(action.event, BillEscrowed):
                    assert action.event.escrow not in open_notes
                    open_notes.add(action.event.escrow)
                if isinstance(action.event, BillStacked | BillReturned | BillUnclear):
                    assert action.event.escrow is None or action.event.escrow in open_notes
                    open_notes.discard(action.event.escrow)

    carry(protocol.opened(now))
    for kind, what in day:
        now += 0.01
        if kind == "hear":
            assert isinstance(what, bytes)
            carry(protocol.received(what, now))
        elif kind == "ask":
            ticket += 1
            carry(protocol.command(what, ticket, now))
        elif kind == "wake":
            assert isinstance(what, float)
            now += what
            carry(protocol.wake(now))
        elif kind == "restart":
            protocol = Id003Protocol(dict(memory))
            carry(protocol.opened(now))
        else:
            step = {"lost": protocol.lost, "opened": protocol.opened, "closing": protocol.closing}[kind]
            carry(step(now))
        assert len(open_notes) <= 1
        assert protocol.status.words or protocol.status.state
