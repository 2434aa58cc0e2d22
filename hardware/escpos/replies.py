"""What a printer's answers mean, in words and as data.

A status byte does not say what it answers: whoever does not know what was asked gets every reading.
"""

from collections.abc import Mapping

from hardware.escpos import commands as c
from hardware.escpos import states as st
from hardware.escpos.frames import is_buffered, is_status
from hardware.explain import Explained


def real_time(data: bytes, asked: int) -> Explained:
    """One status, and what it is an answer to."""
    value = data[0]
    if asked not in st.REAL_TIME:
        return Explained(data, f"status {value:02X}", "device", command="DLE EOT", decoded={"valid": True})
    words = st.real_time_words(asked, value)
    decoded = {"valid": True, "asked": asked, f"dle_eot_{asked}": words, **st.named(st.REAL_TIME[asked], value)}
    return Explained(data, f"{c.ASKED[asked]}: {words}", "device", command=f"DLE EOT {asked}", decoded=decoded)


def any_status(data: bytes) -> Explained:
    """Nobody asked: every reading."""
    value = data[0]
    readings = {f"dle_eot_{asked}": st.real_time_words(asked, value) for asked in st.REAL_TIME}
    words = "; ".join(f"if asked for {c.ASKED[asked]}: {readings[f'dle_eot_{asked}']}" for asked in st.REAL_TIME)
    return Explained(data, f"status {value:02X}: {words}", "device", decoded={"valid": True, **readings})


_ORDERS: Mapping[int, tuple[int, ...]] = {2: (1, 4), 3: (1, 2, 4), 4: (1, 2, 3, 4)}


def several(data: bytes) -> Explained:
    """Two to four together: as hosts ask for them before a slip, state, cause, paper."""
    decoded: dict[str, object] = {"valid": True}
    for asked, value in zip(_ORDERS[len(data)], data, strict=True):
        words = st.real_time_words(asked, value)
        if asked == 4 and value & st.PAPER_END:
            words = "paper out"
        decoded[f"dle_eot_{asked}"] = f"{value:02X} {words}"
    words = "; ".join(f"{c.ASKED[asked]} {decoded[f'dle_eot_{asked}']}" for asked in _ORDERS[len(data)])
    return Explained(data, words, "device", decoded=decoded)


def buffered(data: bytes, asked: int) -> Explained:
    """The answer to GS r `asked`."""
    bits = st.BUFFERED.get(asked, ())
    words = st.in_words(bits, data[0], {1: "paper present", 2: "drawer pin 3 is low"}.get(asked, f"{data[0]:02X}"))
    decoded = {"valid": True, f"gs_r_{asked}": words, **st.named(bits, data[0])}
    return Explained(data, f"all before was done; {words}", "device", command=f"GS r {asked}", decoded=decoded)


def automatic(data: bytes) -> Explained:
    """Four bytes that tell of a change."""
    decoded: dict[str, object] = {"valid": True, "automatic_status": True}
    parts: list[str] = []
    for bits, value in zip(st.AUTOMATIC, data, strict=True):
        decoded.update(st.named(bits, value))
        if any(value & mask for mask, _, _ in bits):
            parts.append(st.in_words(bits, value, ""))
    words = ", ".join(parts) or "well"
    return Explained(data, f"told unasked: {words}", "device", command="GS a", decoded={**decoded, "means": words})


def full(data: bytes) -> Explained:
    """Custom's six bytes."""
    names = ("paper", "user", "recoverable", "unrecoverable")
    frame: dict[str, object] = dict(zip(names, data[2:6], strict=True))
    decoded: dict[str, object] = {"valid": True, **frame}
    parts: list[str] = []
    for bits, value in zip(st.FULL, data[2:6], strict=True):
        decoded.update(st.named(bits, value))
        if any(value & mask for mask, _, _ in bits):
            parts.append(st.in_words(bits, value, ""))
    words = ", ".join(parts) or "well"
    return Explained(
        data, f"full status: {words}", "device", command="DLE EOT 20", frame=frame, decoded={**decoded, "means": words}
    )


def are_answers(data: bytes) -> bool:
    """One answer to GS r, or several to DLE EOT with some to GS r 1 among them."""
    if len(data) == 1:
        return is_buffered(data[0]) and data[0] & 0x60 == 0
    return any(map(is_status, data)) and all(is_status(value) or value in (0x00, 0x03, 0x0C, 0x0F) for value in data)


def full_cut_short(data: bytes) -> Explained:
    """The beginning of them."""
    reason = f"a full status is six bytes, not {len(data)}"
    return Explained(data, reason, "device", fault=reason, command="DLE EOT 20", decoded={"valid": False})


def refused(data: bytes) -> Explained:
    """What is no answer."""
    if len(data) == 1:
        reason = f"{data[0]:02X} is no status (bits 1 and 4 set, 0 and 7 clear) and answers nothing that was asked"
    else:
        reason = f"{data.hex().upper()} is no status: one is a single byte with bits 1 and 4 set and 0 and 7 clear"
    return Explained(data, reason, "device", fault=reason, decoded={"valid": False})
