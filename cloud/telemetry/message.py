"""Samples → the body of one push by Prometheus remote write 1.0. Pure.

The protocol's messages are declared here, as its public description has them; what is not sent (metadata, exemplars)
is left out. The body is Protocol Buffers in Snappy's block format, without frames.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import cramjam
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from cloud.telemetry.samples import Sample

HEADERS = {
    "content-type": "application/x-protobuf",
    "content-encoding": "snappy",
    "x-prometheus-remote-write-version": "0.1.0",
}

_F = descriptor_pb2.FieldDescriptorProto
_ONE, _MANY = _F.LABEL_OPTIONAL, _F.LABEL_REPEATED
# Message → its fields: name, number, how many, type, and of which message.
_MESSAGES = {
    "Label": (("name", 1, _ONE, _F.TYPE_STRING, ""), ("value", 2, _ONE, _F.TYPE_STRING, "")),
    "Sample": (("value", 1, _ONE, _F.TYPE_DOUBLE, ""), ("timestamp", 2, _ONE, _F.TYPE_INT64, "")),
    "TimeSeries": (
        ("labels", 1, _MANY, _F.TYPE_MESSAGE, ".prometheus.Label"),
        ("samples", 2, _MANY, _F.TYPE_MESSAGE, ".prometheus.Sample"),
    ),
    "WriteRequest": (("timeseries", 1, _MANY, _F.TYPE_MESSAGE, ".prometheus.TimeSeries"),),
}


@cache
def message_class() -> Any:
    """The class of the protocol's WriteRequest, in a pool of its own: others may have declared the same names."""
    file = descriptor_pb2.FileDescriptorProto(name="remote_write.proto", package="prometheus", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, label, kind, of in fields:
            message.field.add(name=field, number=number, label=label, type=kind, type_name=of or None)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("prometheus.WriteRequest"))


def encode(samples: Sequence[Sample], at: float) -> bytes:
    """The body that tells all of these at `at`, Unix seconds."""
    request, when = message_class()(), round(at * 1000)
    for sample in samples:
        series = request.timeseries.add()
        for name, value in sample.labels:
            series.labels.add(name=name, value=value)
        series.samples.add(value=sample.value, timestamp=when)
    return bytes(cramjam.snappy.compress_raw(request.SerializeToString()))
