"""Figures of several processes as one page of Prometheus. Pure.

Every series gets the label `process`, which stays the same over restarts, so that it does not matter who is asked.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec
from prometheus_client import CollectorRegistry, Metric, generate_latest

_Labels = dict[str, str]


class Family(msgspec.Struct, frozen=True, array_like=True):
    """One metric with its samples: name, labels, value."""

    name: str
    words: str
    kind: str
    samples: list[tuple[str, _Labels, float]]


_decoder = msgspec.msgpack.Decoder(list[Family])


def pack(registry: CollectorRegistry) -> bytes:
    """The present values, for another process."""
    return msgspec.msgpack.encode(
        [
            Family(
                metric.name, metric.documentation, metric.type, [(s.name, s.labels, s.value) for s in metric.samples]
            )
            for metric in registry.collect()
        ]
    )


def page(figures: Mapping[str, bytes | None]) -> bytes:
    """The page, of packed figures by process; None, and what cannot be read, is of one that did not answer."""
    return generate_latest(_All(figures))


class _All:
    def __init__(self, figures: Mapping[str, bytes | None]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        up = Metric("kioskwire_process_up", "1 for each process of this machine that told its figures", "gauge")
        found: dict[str, Metric] = {}
        for process in sorted(self._figures):
            families = _read(self._figures[process])
            up.add_sample("kioskwire_process_up", {"process": process}, 0.0 if families is None else 1.0)
            for family in families or ():
                metric = found.get(family.name)
                if metric is None:
                    metric = found[family.name] = Metric(family.name, family.words, family.kind)
                if metric.type == family.kind:
                    _add(metric, family.samples, process)
        yield from found.values()
        yield up


def _add(metric: Metric, samples: Iterable[tuple[str, _Labels, float]], process: str) -> None:
    for name, labels, value in samples:
        metric.add_sample(name, {**labels, "process": process}, value)


def _read(figures: bytes | None) -> list[Family] | None:
    try:
        return None if figures is None else _decoder.decode(figures)
    except msgspec.MsgspecError:  # of another version
        return None
