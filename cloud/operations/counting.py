"""One log line, one count, one piece of the feed for each operation that ended, and again when it is settled late."""

import logging

from prometheus_client import Counter, Histogram

from cloud.metrics import Metrics
from cloud.operations.feed import Feed
from cloud.operations.operation import Operation, State

log = logging.getLogger("cloud.operations")

# Names come from callers: a series for each would let them fill the memory of whoever scrapes.
_LABELS_MAX = 100


class Counting:
    """Counts into the metrics and writes the line."""

    def __init__(self, metrics: Metrics, feed: Feed) -> None:
        self._metrics = metrics
        self._feed = feed
        self._names: set[str] = set()
        self._children: dict[tuple[str, State], tuple[Counter, Histogram, Histogram]] = {}

    def put_off(self) -> None:
        """An outcome of what is not known here was left to its kiosk for now."""
        self._metrics.put_off.inc()

    def carried(self) -> None:
        """Another hub's operation was put on a socket here."""
        self._metrics.carried.inc()

    def given(self) -> None:
        """An operation was given to the hub that has its kiosk."""
        self._metrics.given.inc()

    def ended(self, operation: Operation, seconds: float | None = None) -> None:
        """`seconds` from the request to its answer, where somebody waited."""
        self._feed.ended(operation, seconds)
        count, whole, at_kiosk = self._series(operation.operation, operation.state)
        count.inc()
        if seconds is not None:
            whole.observe(seconds)
        if operation.elapsed is not None:
            at_kiosk.observe(operation.elapsed)
        if not log.isEnabledFor(logging.INFO):
            return
        log.info(
            "operation",
            extra={
                "request_id": operation.request_id,
                "kiosk": operation.kiosk_id,
                "operation": operation.operation,
                "method": operation.method,
                "state": operation.state.value,
                "executed": operation.executed,
                "status": operation.status,
                "problem": operation.problem,
                "seconds": None if seconds is None else round(seconds, 4),
                "kiosk_seconds": operation.elapsed,
                "api_key": operation.api_key_id,
            },
        )

    def resolved(self, operation: Operation, by: str, why: str) -> None:
        """A person said what became of it."""
        self._metrics.resolved.labels(operation.state.value).inc()
        extra = {"request_id": operation.request_id, "kiosk": operation.kiosk_id, "state": operation.state.value}
        log.warning("an operation was settled by hand", extra={**extra, "by": by, "why": why})
        self.ended(operation)

    def contradicted(self, operation: Operation, words: str) -> None:
        """Its kiosk tells otherwise: money went twice, or not at all, and a person must see to it."""
        self._metrics.contradicted.inc()
        extra = {"request_id": operation.request_id, "kiosk": operation.kiosk_id, "words": words}
        log.error("a kiosk contradicts what a person settled", extra=extra)

    def orphaned(self, operation: Operation) -> None:
        """Its kiosk came back without the journal that knew it: a person must find out."""
        self._metrics.orphaned.inc()
        extra = {"request_id": operation.request_id, "kiosk": operation.kiosk_id}
        log.error("a kiosk came back without the journal that knew an operation", extra=extra)

    def forgotten(self, operation: Operation) -> None:
        """A kiosk forgot what it had accepted: a person must find out, and see to its disk."""
        self._metrics.orphaned.inc()
        log.error(
            "a kiosk does not know an operation that it had accepted: its journal went back",
            extra={"request_id": operation.request_id, "kiosk": operation.kiosk_id},
        )

    def _series(self, name: str, state: State) -> tuple[Counter, Histogram, Histogram]:
        """The series of an operation; looked up by label once, which costs more than the counting."""
        known = self._children.get((name, state))
        if known is None:
            self._names.add(name)
            if len(self._names) > _LABELS_MAX:
                self._names.discard(name)
                name = "other"
            m = self._metrics
            known = m.operations.labels(name, state.value), m.seconds.labels(name), m.kiosk_seconds.labels(name)
            if name != "other":
                self._children[name, state] = known
        return known
