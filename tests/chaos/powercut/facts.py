"""What a kiosk's journal promised up to a moment, and whether what a cut left of it keeps that."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from appliance.journal.store import Begin
from tests.chaos.powercut.disk import Mark
from wire.messages import Event, Executed, Response, encode


class Remains(msgspec.Struct, frozen=True):
    """What the real journal knows after a cut, asked at its door; `rows` are read beside it."""

    id: str
    notices: tuple[str, ...]
    trouble: str
    set_aside: tuple[str, ...]
    in_doubt: frozenset[str]
    unsettled: tuple[Response, ...]
    events: tuple[Event, ...]
    rows: dict[str, "Kept"]


class Kept(msgspec.Struct, frozen=True):
    """One row of the journal."""

    operation: str
    method: str
    body: bytes
    state: str
    response: bytes | None


EventFact = tuple[str, bytes]


class Facts:
    """The marks so far, as promises. Kinds of marks are the methods' names."""

    def __init__(self) -> None:
        self.journal = ""  # told to the hub
        self.tried: dict[str, Begin] = {}
        self.begun: set[str] = set()
        self.refused: set[str] = set()
        self.called: dict[str, int] = {}  # how often the gateway was
        self.outcomes: dict[str, list[bytes]] = {}  # tried to be written
        self.stored: dict[str, bytes] = {}
        self.settling: set[str] = set()
        self.events: list[EventFact] = []
        self.events_kept: set[EventFact] = set()
        self.events_acknowledged: set[EventFact] = set()
        self.wrong: list[str] = []  # what is wrong by the marks alone
        self.disk_failed = False  # a sync told an error

    def hear(self, mark: Mark) -> None:
        """One more mark."""
        getattr(self, f"_{mark.kind}")(mark.about, mark.value)

    def count(self) -> int:
        """How many promises there are to check."""
        return (
            bool(self.journal) + len(self.begun) + len(self.called) + len(self.stored)
            + len(self.events_kept - self.events_acknowledged)
        )  # fmt: skip

    def _opened(self, about: str, _value: Any) -> None:
        if self.journal and self.journal != about:
            self.wrong.append(f"the journal's id changed from {self.journal} to {about}")
        self.journal = about

    def _trying(self, about: str, value: Begin) -> None:
        self.tried[about] = value
        if value.response is not None:
            self.outcomes.setdefault(about, []).append(encode(value.response))

    def _begun(self, about: str, _value: Any) -> None:
        self.begun.add(about)

    def _told(self, about: str, value: Response) -> None:
        if value.executed is Executed.NO:
            self.refused.add(about)
            if about in self.called and value.error is not None and value.error.type != "gateway-unreachable":
                self.wrong.append(f"{value} was told, and the gateway was called")

    def _calling(self, about: str, _value: Any) -> None:
        if about not in self.begun:
            self.wrong.append(f"the gateway was called for {about} before it was begun")
        if about in self.refused:
            self.wrong.append(f"the gateway was called for {about} after it was told that it was not")
        self.called[about] = self.called.get(about, 0) + 1
        if self.called[about] > 1:
            self.wrong.append(f"the gateway was called twice for {about}")

    def _finishing(self, about: str, value: Response) -> None:
        self.outcomes.setdefault(about, []).append(encode(value))

    def _finished(self, about: str, value: Response) -> None:
        self.stored.setdefault(about, encode(value))  # one written before stays

    def _settling(self, about: str, _value: Any) -> None:
        self.settling.add(about)

    def _event(self, about: str, value: bytes) -> None:
        self.events.append((about, value))

    def _event_kept(self, about: str, value: bytes) -> None:
        self.events_kept.add((about, value))

    def _acknowledging(self, _about: str, value: list[EventFact]) -> None:
        self.events_acknowledged.update(value)

    def judge(self, found: Remains) -> Iterator[str]:
        """Every promise that is broken, in words."""
        yield from self.wrong
        if self.disk_failed and not self.journal and found.notices:
            return  # it failed while the journal was being made: nothing was promised, and a new one is begun
        if found.set_aside or found.notices:
            yield f"judged damaged, though no sync lied: {found.set_aside} {found.notices}"
        if found.trouble:
            yield f"it does not open: {found.trouble}"
        if self.journal and found.id != self.journal:
            yield f"its id was {self.journal} and is {found.id}: the kiosk lost its memory"
        yield from self._judge_promises(found)
        yield from self._judge_rows(found)
        yield from self._judge_events(found)

    def _judge_promises(self, found: Remains) -> Iterator[str]:
        for request_id in self.called:
            if request_id not in found.rows:
                yield f"{request_id}: the gateway was called, and its row is lost"
        for request_id in self.begun:
            if request_id not in found.rows:
                yield f"{request_id}: begun, and lost"
        for request_id, response in self.stored.items():
            row = found.rows.get(request_id)
            if row is None:
                yield f"{request_id}: its outcome was stored, and its row is lost"
            elif row.response != response:
                yield f"{request_id}: the outcome stored was {response!r}, what is there is {row.response!r}"

    def _judge_rows(self, found: Remains) -> Iterator[str]:
        for request_id, row in found.rows.items():
            tried = self.tried.get(request_id)
            if tried is None and request_id not in self.outcomes:
                yield f"{request_id}: a row nobody wrote"
                continue
            if row.response is not None and row.response not in self.outcomes.get(request_id, ()):
                yield f"{request_id}: an outcome nobody wrote, {row.response!r}"
            if row.state == "started" and tried is not None:
                wanted = (tried.operation, tried.method, tried.body)
                if (row.operation, row.method, row.body) != wanted:
                    yield f"{request_id}: begun as {wanted}, what is there is {row}"
            if row.state == "settled" and request_id not in self.settling:
                yield f"{request_id}: counts as settled, which nobody said"
        in_doubt = {request_id for request_id, row in found.rows.items() if row.state == "started"}
        if in_doubt != found.in_doubt:
            yield f"in doubt are {sorted(in_doubt)}, told are {sorted(found.in_doubt)}"
        done = [request_id for request_id, row in found.rows.items() if row.state == "done"]
        if sorted(done) != sorted(response.request_id for response in found.unsettled):
            yield f"with an outcome to tell are {sorted(done)}, told are {found.unsettled}"

    def _judge_events(self, found: Remains) -> Iterator[str]:
        there = [(event.kind, bytes(event.data)) for event in found.events]
        lost = self.events_kept - self.events_acknowledged - set(there)
        if lost:
            yield f"events kept and lost: {sorted(lost)}"
        tried = Counter(self.events)
        if any(count > tried[event] for event, count in Counter(there).items()):
            yield f"events nobody wrote, or not so often: {there}"
        kept = [event for event in there if event in self.events_kept and tried[event] == 1]
        if kept != sorted(kept, key=self.events.index):  # what was not kept at first comes later
            yield f"events are out of order: {there}"
