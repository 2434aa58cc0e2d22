"""A hub, a gateway and kiosks for the scenarios of bad machines, and a book of all that was asked and told.

`pay` asks in the background; `end` waits until nobody has anything left to tell, asks once more under every key, and
holds the whole story against the gateway's ledger: by `tests.chaos.checker`, and by two rules of its own, that nothing
is begun after its time and that callers hear in time.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from bench.program import StackError
from tests.chaos.checker import check
from tests.chaos.history import Ask, History, Json, Operation, Order, Told
from tests.chaos.results import Result
from tests.chaos.stored import Rows, effect, read_operations
from tests.journeys.site import Backend, Kiosk, Site, until

_AGAIN_S = 10.0  # Header-Timeout of asking again under a key
_SHOWN = 20  # breaches in words
# Begun this much after its time is late: one way to the kiosk, its disk, one way to the gateway, on a busy machine.
LATE_S = 1.5
# An answer is late when it comes so much after the caller's own limit.
TOLD_LATE_S = 3.0
_GROSSLY = 10.0  # times that no busy machine explains: a broken promise


class Payment(Order, kw_only=True):
    """An order, and until when it may be begun and must be answered. Seconds of this machine's own clock."""

    start_by: float
    answer_by: float
    delay: float = 0.0  # what the gateway was asked to wait before it acts
    excused: bool = False  # the hub itself was stopped meanwhile: it may hear and answer late
    held: float = 0.0  # so long the gateway itself was stopped: what lay there it does late
    deaf: bool = (
        False  # whom it asked stood still: it may hear late, and what it asked for is begun in time all the same
    )
    via: Backend | None = None  # who asks; None: the site's backend
    done: threading.Event | None = None


class Trial:
    """One hub with all that hangs on it. `add` kiosks, `pay`, and at the `end` judge."""

    def __init__(
        self,
        directory: Path,
        word: str,
        hub_settings: Mapping[str, str] | None = None,
        hub_wrapper: tuple[str, ...] = (),
        *,
        hubs: int = 0,
    ) -> None:
        """`hubs` 0: as many as `HUBS` says."""
        limits = {"RATE_LIMIT_PER_KEY": "0", "RATE_LIMIT_PER_KIOSK": "0", "ACCEPT_RATE": "0"}
        self.word = word
        self.site = Site(directory, {**limits, **(hub_settings or {})}, hub_wrapper, count=hubs)
        self.ask: Callable[[str], Rows] = self.site.hub.rows
        self.kiosks: list[Kiosk] = []
        self.payments: list[Payment] = []
        self.api_key: str | None = None  # another than the backend's own
        self._threads = ThreadPoolExecutor(64, thread_name_prefix=word)
        self._lock = threading.Lock()

    def add(
        self, routes: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None, *, start: bool = True
    ) -> Kiosk:
        """One more kiosk. Call it from a thread that lasts as long as the programs shall."""
        kiosk = self.site.new_kiosk(self.word, routes, settings)
        self.kiosks.append(kiosk)
        if start:
            kiosk.appliance.start()
        return kiosk

    def pay(
        self,
        kiosk: Kiosk,
        *,
        timeout: float = 10.0,
        fault: str = "",
        delay: float = 0.0,
        expires: float | None = None,
        keyed: bool = True,
        excused: bool = False,
        held: float = 0.0,
        deaf: bool = False,
        via: Backend | None = None,
    ) -> Payment:
        """Ask for a payment, in the background. `delay` is how long the gateway shall wait before it acts."""
        now = time.time()
        with self._lock:
            number = len(self.payments) + 1
            order = f"{self.word}-{number}"
            payment = Payment(
                id=order,
                kiosk=kiosk.id,
                ask=Ask.PAYMENT,
                key=f"key-{order}" if keyed else None,
                amount=100 + number,
                fault=f"slow:{delay:g}" if delay else fault,
                queued=expires is not None,
                told=[],
                seen=[],
                start_by=now + (timeout if expires is None else expires),
                answer_by=now + (timeout if expires is None else _AGAIN_S),
                delay=delay,
                excused=excused,
                held=held,
                deaf=deaf,
                via=via,
                done=threading.Event(),
            )
            self.payments.append(payment)
        self._threads.submit(self._ask, payment, timeout, expires).add_done_callback(_raise)
        return payment

    def heard(self, payment: Payment, timeout: float = 60.0) -> Told:
        """Wait for what its caller is told."""
        assert payment.done is not None
        if not payment.done.wait(timeout):
            raise StackError(f"nobody told the caller of {payment.id} anything within {timeout:g} s")
        return payment.told[0]

    def effects(self, payment: Payment) -> int:
        """How often the gateway acted on it until now."""
        return self.site.gateway.effects(payment.id)

    def wait_effect(self, payment: Payment) -> None:
        """Wait until the gateway has acted."""
        until(f"the gateway acting on {payment.id}", lambda: self.effects(payment))

    def settled(self) -> bool:
        """Whether nobody has anything left to tell."""
        if self.rows("SELECT count(*) FROM operations WHERE NOT final AND (executed IS NULL OR executed <> 'unknown')")[
            0
        ][0]:
            return False
        for kiosk in self.kiosks:
            page = kiosk.health()
            if page["unsettled"] or page["queue"]["in_doubt"] or page["queue"]["running"] or page["queue"]["waiting"]:
                return False
        return True

    def end(self, result: Result, *, patience: float = 60.0) -> None:
        """Wait until all is settled, ask again, and note every promise that broke."""
        name = f"{self.word}: " if self.word else ""
        for payment in self.payments:
            self.heard(payment)
        began = time.monotonic()
        try:
            until("everything being settled", self.settled, patience)
        except StackError as error:
            result.breaches.append(f"{name}{error}")
        longest = max(result.figures.get("settled_after_s", 0.0), time.monotonic() - began)
        result.figures["settled_after_s"] = round(longest, 1)
        before = self.site.gateway.lines()
        known = {operation.key for operation in self.operations() if operation.key is not None}
        again = [payment for payment in self.payments if payment.key in known and not payment.queued]
        for answer in [self._threads.submit(self._tell_again, payment) for payment in again]:
            answer.result()
        if self.site.gateway.lines() != before:
            result.breaches.append(f"{name}asking again under known keys made the gateway act")
        result.operations += len(self.payments)
        late = list(self._late())
        words = [str(breach) for breach in check(self.history())] + [text for text, is_breach in late if is_breach]
        result.breaches += [f"{name}{text}" for text in words[:_SHOWN]]
        result.late += [f"{name}{text}" for text, is_breach in late if not is_breach][:_SHOWN]

    def begun(self, kiosk: Kiosk, payment: Payment) -> None:
        """Wait until it is at its gateway; on a busy machine it may be over before anybody sees it there."""
        assert payment.done is not None
        done = payment.done
        until(f"{payment.id} being begun", lambda: done.is_set() or self.effects(payment) or kiosk.is_running())

    def history(self) -> History:
        """The whole story."""
        return History(
            orders=list(self.payments),
            effects=[effect(line) for line in self.site.gateway.lines()],
            operations=list(self.operations()),
            ended_at=time.time(),
        )

    def operations(self) -> Iterable[Operation]:
        """What the hub has stored."""
        return read_operations(self.rows)

    def operation(self, payment: Payment) -> Operation | None:
        """What the hub has stored of a payment."""
        return next((operation for operation in self.operations() if operation.order == payment.id), None)

    def rows(self, statement: str) -> Rows:
        """Asked of the hub's database from outside."""
        return self.ask(statement)

    def close(self) -> None:
        """End everything."""
        for program in (self.site.gateway, self.site.hub, *(kiosk.appliance for kiosk in self.kiosks)):
            if program.alive:
                program.thaw()
        self._threads.shutdown(cancel_futures=True)
        for kiosk in self.kiosks:
            kiosk.close()
        self.site.close()

    def _ask(self, payment: Payment, timeout: float, expires: float | None) -> None:
        try:
            payment.told.append(self._send(payment, timeout, expires))
        finally:
            assert payment.done is not None
            payment.done.set()

    def _tell_again(self, payment: Payment) -> None:
        payment.told.append(self._send(payment, _AGAIN_S, None))

    def _send(self, payment: Payment, timeout: float, expires: float | None) -> Told:
        backend = payment.via or self.site.backend
        body: Json = {"order_id": payment.id, "sum": payment.amount}
        if payment.fault:
            body["simulate"] = payment.fault
        asked_at = time.time()
        try:
            if expires is not None:
                answer = backend.queue(
                    payment.kiosk, "payment", body, key=payment.key, expires=expires, as_key=self.api_key
                )
            else:
                answer = backend.send(
                    payment.kiosk, "payment", body, key=payment.key, timeout=timeout, as_key=self.api_key
                )
        except httpx.TransportError:
            return Told(asked_at=asked_at, told_at=time.time(), status=0)
        return Told.of(answer, asked_at)

    def _late(self) -> Iterable[tuple[str, bool]]:
        """What was begun after its time, and who was told after theirs; and whether a promise broke by it.

        Nothing may be begun after its time. Who is told late by seconds may have a busy machine to thank for it, which
        only a run for its own sake judges.
        """
        acted = {line["order_id"]: line["at"] for line in self.site.gateway.lines()}
        for payment in self.payments:
            late = acted.get(payment.id, 0.0) - payment.delay - payment.held - payment.start_by
            if late > LATE_S and not payment.excused:
                words = f"begun after its time: {payment.id}: the gateway acted {late:.1f} s later"
                yield words, True
            late = payment.told[0].told_at - payment.answer_by
            if late > TOLD_LATE_S and not (payment.excused or payment.deaf):
                words = (
                    f"told late: {payment.id}: the caller heard {payment.told[0].status} {late:.1f} s after its limit"
                )
                yield words, late > TOLD_LATE_S * _GROSSLY


def merge(result: Result, parts: Iterable[Result]) -> None:
    """Put together what several trials found: counts add up, of figures the highest stays."""
    for part in parts:
        result.operations += part.operations
        result.faults.update(part.faults)
        result.breaches += part.breaches
        result.late += part.late
        for name, value in part.figures.items():
            result.figures[name] = max(value, result.figures.get(name, value))


def side_by_side(works: Iterable[Callable[[], None]]) -> None:
    """Do all at the same time, each in a thread; raises what the first that failed raised."""
    with ThreadPoolExecutor(32) as threads:
        futures = [threads.submit(work) for work in works]
    for future in futures:
        future.result()


def _raise(future: Future[None]) -> None:
    if not future.cancelled():
        future.result()
