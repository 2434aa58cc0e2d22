"""One log line and one count for each operation that ended, and again when an unknown one is settled."""

import logging

from prometheus_client import Counter, Histogram

from cloud.metrics import Metrics
from cloud.operations.operation import Operation, State

log = logging.getLogger("cloud.operations")

# Names come from callers: a series for each would let them fill the memory of whoever scrapes.
_LABELS_MAX = 100


class Counting:
    """Counts into the metrics and writes the line."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._names: set[str] = set()
        self._children: dict[tuple[str, State], tuple[Counter, Histogram, Histogram]] = {}

    def put_off(self) -> None:
        """An outcome of what is not known here was left to its kiosk for now."""
        self._metrics.put_off.inc()

    def ended(self, operation: Operation, seconds: float | None = None) -> None:
        """`seconds` from the request to its answer, where somebody waited."""
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
