"""What callers were told of payments, held against what the gateway did and what the hub says in the end."""

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from typing import Any

import httpx

from tests.journeys.site import FINAL, Json, Kiosk, payment

PATIENCE_S = 120.0  # for what must come about; the longest that is due is 45 s


def poll(condition: Callable[[], Any], timeout: float = PATIENCE_S, every: float = 0.1) -> Any:
    """What the condition returns once it is true, or its last word; a program that does not answer says no."""
    end = time.monotonic() + timeout
    while True:
        found = None
        with contextlib.suppress(httpx.TransportError, httpx.HTTPStatusError):
            found = condition()
        if found or time.monotonic() > end:
            return found
        time.sleep(every)


class Told:
    """The payments of one kiosk, asked for and answered, and in the end `breaches` of the promise."""

    def __init__(self, kiosk: Kiosk, name: str) -> None:
        self.kiosk = kiosk
        self.name = name
        self.asked: dict[str, Future[httpx.Response]] = {}  # by order, which is the Idempotency-Key as well
        self._operations: dict[str, str] = {}

    def pay(
        self, word: str, operation: str = "payment", *, timeout: float = 60.0, **body: Any
    ) -> Future[httpx.Response]:
        """Ask for a payment; `word` makes its order."""
        order = f"{self.kiosk.id}-{word}"
        sent = self.kiosk.site.backend.later(
            self.kiosk.id, operation, payment(order, **body), key=order, timeout=timeout
        )
        self.asked[order], self._operations[order] = sent, operation
        return sent

    def sent(self, word: str) -> str | None:
        """The request id of a payment, once it was put on the kiosk's socket; None if it is answered without."""
        order, backend = f"{self.kiosk.id}-{word}", self.kiosk.site.backend

        def found() -> list[str]:
            """The id, no id at all, or nothing yet."""
            operation = backend.with_key(self.kiosk.id, order)
            if operation and operation["sent_at"]:
                return [operation["request_id"]]
            return [""] if self.asked[order].done() else []

        return (poll(found, 30.0) or [""])[0] or None

    def settle(self) -> list[str]:
        """Wait until the kiosk has told all it knows and the hub all it can; words about what did not come about."""
        backend = self.kiosk.site.backend

        def settled() -> bool:
            page = self.kiosk.health()
            if not page["ws_connected"] or page["unsettled"] or page["queue"]["in_doubt"]:
                return False
            return all(each["executed"] is not None or each["final"] for each in backend.operations(self.kiosk.id))

        if poll(settled):
            return []
        open_ = [each for each in backend.operations(self.kiosk.id) if each["executed"] is None and not each["final"]]
        return [f"{self.name}: not settled; open at the hub {open_}, the kiosk says {self._page()}"]

    def breaches(self) -> list[str]:
        """Settle, then compare. Payments by the route `payment` can be asked after: none of them may stay unknown."""
        words = self.settle()
        for order, sent in self.asked.items():
            effects = self.kiosk.site.gateway.effects(order)
            words += self._wrong_sums(order)
            operation = self.kiosk.site.backend.with_key(self.kiosk.id, order)
            try:
                answer = sent.result(PATIENCE_S)
            except Exception as error:
                words.append(f"{self.name}: {order} was not answered: {error!r}")
                continue
            said = f"{answer.status_code} {answer.text[:200]}"
            told = f"{self.name}: {order} has {effects} effects; the caller was told {said}"
            words += [f"{told}: {what}" for what in _lies(answer, order, effects)]
            if operation is None:
                if effects:
                    words.append(f"{told}, and the hub knows nothing of it")
                continue
            state, executed = operation["state"], operation["executed"]
            told = f"{told}; the hub says {state}, executed {executed}, {operation['problem']}"
            if effects > 1:
                words.append(f"{told}: a double effect")
            if state not in FINAL and (executed != "unknown" or self._operations[order] == "payment"):
                words.append(f"{told}: it is not final")
            if state == "succeeded" and effects != 1 and _status(operation) == 200:
                words.append(f"{told}: a false success")
            if executed == "no" and effects:
                words.append(f"{told}: a false failure")
            if state == "succeeded" and (body := _order(operation)) not in {None, order}:
                words.append(f"{told}: the answer is that of {body}")
        return words + self._event_breaches()

    def _wrong_sums(self, order: str) -> list[str]:
        asked = payment(order)["sum"]
        paid = [line["sum"] for line in self.kiosk.site.gateway.lines() if line.get("order_id") == order]
        return [f"{self.name}: {order} was to pay {asked} and paid {each}" for each in paid if each != asked]

    def _event_breaches(self) -> list[str]:
        """Every event that the kiosk's journal gave a number stands in the hub's store, once and in order."""
        last = self._last_event()

        def stored() -> list[int]:
            asked = f"SELECT seq FROM events WHERE kiosk_id = '{self.kiosk.id}' ORDER BY rowid"
            return [row[0] for row in self.kiosk.site.hub.rows(asked)]

        poll(lambda: len(stored()) >= last, 60.0)
        found = stored()
        if found == list(range(1, last + 1)):
            return []
        return [f"{self.name}: of {last} events the hub has {found}"]

    def _last_event(self) -> int:
        path = self.kiosk.appliance.directory / "state" / "journal.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return int(
                connection.execute(
                    "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'"
                ).fetchone()[0]
            )

    def _page(self) -> str:
        with contextlib.suppress(httpx.TransportError):
            return json.dumps(self.kiosk.health())
        return "nothing"


def _lies(answer: httpx.Response, order: str, effects: int) -> list[str]:
    if answer.headers.get("content-type") == "application/problem+json":
        problem = answer.json()
        if problem["outcome"] == "not_executed" and effects:
            return ["told as not executed"]
        return []
    words = []
    body = answer.json()
    if answer.is_success and effects != 1:
        words.append("told as done")
    if body.get("order_id", order) != order:
        words.append(f"told the answer of {body['order_id']}")
    return words


def _status(operation: Json) -> int | None:
    return operation["answer"]["status"] if operation["answer"] else None


def _order(operation: Json) -> Any:
    body = operation["answer"]["body"] if operation["answer"] else {}
    return body.get("order_id") if isinstance(body, dict) else None
