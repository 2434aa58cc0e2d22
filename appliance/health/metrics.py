"""The appliance's numbers for Prometheus, in a registry of their own.

Labels are bounded: names of routes and devices, not of requests.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600)


class DeviceFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One device's numbers. Its counts begin anew when its driver is opened anew."""

    device: str
    role: str
    state: str
    up: bool  # it answers, and is not out of service
    skipped_bytes: int
    repeats: int
    circuit_open: bool


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
        self.update_troubles = Counter(
            "kioskwire_update_troubles", "Updates that did not come about: line, bad, refused, disk", ["kind"],
            registry=registry,
        )  # fmt: skip
        info = Gauge("kioskwire_appliance", "The running program", ["version"], registry=registry)
        info.labels(version).set(1)

    def watch(self, name: str, words: str, read: Callable[[], float]) -> None:
        """A gauge that is read when it is asked for."""
        Gauge(f"kioskwire_{name}", words, registry=self.registry).set_function(read)

    def watch_devices(self, states: Sequence[str], read: Callable[[], Iterable[DeviceFigures]]) -> None:
        """The devices' numbers, read when they are asked for; of `states` each has one."""
        self.registry.register(_Devices(states, read))

    def exposition(self) -> bytes:
        """All numbers in Prometheus' text format."""
        return generate_latest(self.registry)


class _Devices(Collector):
    def __init__(self, states: Sequence[str], read: Callable[[], Iterable[DeviceFigures]]) -> None:
        self._states, self._read = states, read

    def collect(self) -> Iterable[Metric]:
        labels = ["device", "role"]
        up = GaugeMetricFamily("kioskwire_device_up", "Whether a device answers and is in order", labels=labels)
        state = GaugeMetricFamily("kioskwire_device_state", "1 for the state a device is in", labels=[*labels, "state"])
        circuit = GaugeMetricFamily(
            "kioskwire_device_circuit_open", "Whether a device failed so often that it is left alone", labels=labels
        )
        skipped = CounterMetricFamily(
            "kioskwire_device_skipped_bytes", "Noise on a device's line since it was opened", labels=labels
        )
        repeats = CounterMetricFamily(
            "kioskwire_device_repeats", "Frames sent again to a device since it was opened", labels=labels
        )
        for each in self._read():
            names = [each.device, each.role]
            up.add_metric(names, float(each.up))
            circuit.add_metric(names, float(each.circuit_open))
            skipped.add_metric(names, each.skipped_bytes)
            repeats.add_metric(names, each.repeats)
            for name in self._states:
                state.add_metric([*names, name], float(name == each.state))
        return [up, state, circuit, skipped, repeats]
