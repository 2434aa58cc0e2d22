"""What is pushed, against the bytes of the protocol's public description, read by hand."""

import struct

import cramjam
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from cloud.telemetry.message import encode, message_class
from cloud.telemetry.samples import Sample, gather, instance_of


def _field(number: int, data: bytes) -> bytes:
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


def test_the_body_is_what_the_protocol_says() -> None:
    body = encode([Sample((("__name__", "up"), ("job", "x")), 1.5)], 0.001)
    labels = _field(1, _field(1, b"__name__") + _field(2, b"up")) + _field(1, _field(1, b"job") + _field(2, b"x"))
    sample = _field(2, b"\x09" + struct.pack("<d", 1.5) + b"\x10\x01")
    plain = bytes(cramjam.snappy.decompress_raw(body))
    assert plain == _field(1, labels + sample)
    assert body[0] == len(plain)  # Snappy's block begins with the length; a frame would with 0xff


def test_time_is_whole_milliseconds_of_utc() -> None:
    body = encode([Sample((("__name__", "up"),), 1.0)], 1_700_000_000.1239)
    request = message_class().FromString(bytes(cramjam.snappy.decompress_raw(body)))
    assert request.timeseries[0].samples[0].timestamp == 1_700_000_000_124


def test_all_kinds_of_series_are_told_with_sorted_labels_and_no_dates_of_birth() -> None:
    registry = CollectorRegistry()
    Counter("kw_things", "words", ["kind"], registry=registry).labels("a").inc(3)
    Gauge("kw_level", "words", registry=registry).set(7)
    Histogram("kw_seconds", "words", ["zone"], buckets=(1.0, 2.0), registry=registry).labels("z").observe(1.5)
    found = {sample.labels: sample.value for sample in gather(registry, "hub.example.com")}
    own = (("instance", "hub.example.com"), ("job", "kioskwire-hub"))
    assert found == {
        (("__name__", "kw_things_total"), *own, ("kind", "a")): 3,
        (("__name__", "kw_level"), *own): 7,
        (("__name__", "kw_seconds_bucket"), *own, ("le", "1.0"), ("zone", "z")): 0,
        (("__name__", "kw_seconds_bucket"), *own, ("le", "2.0"), ("zone", "z")): 1,
        (("__name__", "kw_seconds_bucket"), *own, ("le", "+Inf"), ("zone", "z")): 1,
        (("__name__", "kw_seconds_count"), *own, ("zone", "z")): 1,
        (("__name__", "kw_seconds_sum"), *own, ("zone", "z")): 1.5,
    }


def test_the_hub_is_called_by_its_public_host_which_outlives_containers() -> None:
    assert instance_of("https://hub.example.com/x", "4f2a1c") == "hub.example.com"
    assert instance_of("", "box") == "box"
