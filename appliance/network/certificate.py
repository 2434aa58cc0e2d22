"""Who a certificate is of, who signed it, and when it is valid, out of its DER bytes. Pure.

For what was refused: the library shows the parts of a certificate only after it has verified it, and a person is to be
told whose box it is that stands in the way. Nothing is trusted for it. Source: RFC 5280, 4.1.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from appliance.network.steps import Certificate

_COMMON_NAME, _ORGANISATION = bytes.fromhex("550403"), bytes.fromhex("55040a")
_SEQUENCE, _OID, _UTC_TIME, _LONG_TIME, _VERSION = 0x30, 0x06, 0x17, 0x18, 0xA0
_LONGEST = 120


def read_certificate(der: bytes) -> Certificate:
    """What can be read of it; empty where it cannot."""
    try:
        (_, whole), *_ = _items(der)
        (_, body), *_ = _items(whole)
        parts = [part for part in _items(body) if part[0] != _VERSION]
        _serial, _algorithm, issuer, validity, subject = (part[1] for part in parts[:5])
        begins, ends = (_moment(kind, text) for kind, text in _items(validity))
        return Certificate(subject=_name(subject), issuer=_name(issuer), begins=begins, ends=ends)
    except (ValueError, IndexError):
        return Certificate()


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements that stand one behind the other: tag and content. Raises `ValueError`."""
    at = 0
    while at < len(data):
        tag, first = data[at], data[at + 1]
        at += 2
        size = first
        if first & 0x80:
            count = first & 0x7F
            if not 1 <= count <= 4:
                raise ValueError("no length")
            size = int.from_bytes(data[at : at + count])
            at += count
        if at + size > len(data):
            raise ValueError("cut short")
        yield tag, data[at : at + size]
        at += size


def _name(data: bytes) -> str:
    """The common name, with the organisation where it says something else."""
    found: dict[bytes, str] = {}
    for _, group in _items(data):
        for _, pair in _items(group):
            (tag, kind), (_, text) = list(_items(pair))[:2]
            if tag == _OID:
                found.setdefault(kind, _clean(text))
    common, organisation = found.get(_COMMON_NAME, ""), found.get(_ORGANISATION, "")
    return ", ".join(dict.fromkeys(part for part in (common, organisation) if part))


def _clean(text: bytes) -> str:
    shown = text.decode("utf-8", "replace")[:_LONGEST]
    return "".join(letter if letter.isprintable() else "?" for letter in shown)


def _moment(kind: int, text: bytes) -> float:
    if kind not in {_UTC_TIME, _LONG_TIME}:
        raise ValueError("no time")
    form = "%y%m%d%H%M%SZ" if kind == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(text.decode("ascii"), form).replace(tzinfo=UTC).timestamp()
