"""The appliance's numbers for Prometheus, in a registry of their own.

Labels are bounded: names of routes, not of requests.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600)


class Metrics:
    """Everything that is counted."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.operations = Counter(
            "kioskwire_operations", "Outcomes by route, executed (yes, no, unknown) and problem type",
            ["route", "executed", "problem"], registry=registry,
        )  # fmt: skip
        self.repeated = Counter(
            "kioskwire_requests_repeated", "Requests that came again and were answered from memory", registry=registry
        )
        self.gateway_seconds = Histogram(
            "kioskwire_gateway_seconds", "Seconds a gateway took", ["route"], buckets=_BUCKETS, registry=registry
        )
        self.waited_seconds = Histogram(
            "kioskwire_waited_seconds", "Seconds an operation waited for its turn", ["route"], buckets=_BUCKETS,
            registry=registry,
        )  # fmt: skip
        self.connects = Counter("kioskwire_connects", "Connections welcomed by the hub", registry=registry)
        self.connect_failures = Counter(
            "kioskwire_connect_failures", "Attempts to reach the hub that failed", registry=registry
        )
        self.malformed = Counter("kioskwire_malformed", "Messages of the hub that were none", registry=registry)
        self.not_sent = Counter(
            "kioskwire_messages_not_sent", "Messages dropped as the link was too slow; durable ones are told again",
            registry=registry,
        )  # fmt: skip
        info = Gauge("kioskwire_appliance", "The running program", ["version"], registry=registry)
        info.labels(version).set(1)

    def watch(self, name: str, words: str, read: Callable[[], float]) -> None:
        """A gauge that is read when it is asked for."""
        Gauge(f"kioskwire_{name}", words, registry=self.registry).set_function(read)

    def exposition(self) -> bytes:
        """All numbers in Prometheus' text format."""
        return generate_latest(self.registry)
