"""Codes, keys and the audit of enrolment as operators see them: JSON values for both ways, lines for the terminal."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

from cloud.kiosks.audit import Line
from cloud.kiosks.codes import Result
from cloud.kiosks.enrolment import MadeCode
from cloud.kiosks.proof import fingerprint
from cloud.kiosks.registry import Kiosk

Shown = dict[str, object]
PLACE = "THIS-HUB"  # stands for the hub's address where PUBLIC_URL is not set


def socket_url(public_url: str) -> str:
    """Where kiosks connect: https://hub.example.com is wss://hub.example.com/ws."""
    if not public_url:
        return f"wss://{PLACE}/ws"
    parts = urlsplit(public_url)
    scheme = "ws" if parts.scheme == "http" else "wss"
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}/ws"


def when(at: float) -> str:
    """RFC 3339 of Unix seconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def show_enrolment(kiosk: Kiosk) -> Shown | None:
    """Which key the kiosk proves; None where its token is enough."""
    if not kiosk.public_key:
        return None
    at = None if kiosk.enrolled_at is None else when(kiosk.enrolled_at)
    return {"key": fingerprint(kiosk.public_key), "at": at, "address": kiosk.enrolled_from or None}


def show_code(code: MadeCode) -> Shown:
    """A code as it is given out."""
    return {"code": code.text, "code_good_until": when(code.good_until)}


def show_line(line: Line) -> Shown:
    """A line of the audit."""
    return {
        "kiosk": line.kiosk_id or None,
        "result": line.result,
        "reason": line.reason or None,
        "address": line.address or None,
        "other_address": line.other_address or None,
        "key": line.fingerprint or None,
        "first_at": when(line.at),
        "last_at": when(line.last_at),
        "count": line.count,
    }


def code_lines(kiosk_id: str, code: MadeCode, public_url: str = "") -> list[str]:
    """What to do with a code."""
    return [
        f"kiosk {kiosk_id}",
        f"code {code.text}, for one box, once, good until {when(code.good_until)}",
        "enter it on the kiosk's page /setup with this hub's address, or there:",
        f"    kioskwire-appliance enroll --hub {socket_url(public_url)} --code {code.text}",
    ]


def token_lines(token: str, public_url: str = "") -> list[str]:
    """What to do with a token."""
    where = [f"WS_SERVER_URL={socket_url(public_url)}"] if public_url else []
    return ["put this into the kiosk's .env:", *where, f"WS_TOKEN={token}"]


def enrolment_lines(kiosk: Kiosk, until: float | None, lines: list[Line]) -> list[str]:
    """How a kiosk stands, and what was tried lately."""
    key = show_enrolment(kiosk)
    told = [
        f"enrolled: {key['at']} from {key['address']}, key {key['key']}"
        if key
        else "enrolled: no, its token alone lets it in",
        f"code: good until {when(until)}" if until is not None else "code: none",
    ]
    return told + [f"    {_sentence(line)}" for line in lines]


def _sentence(line: Line) -> str:
    words = f"{when(line.last_at)} {line.result}"
    if line.reason:
        words += f" by {line.reason}" if line.result == Result.MADE else f": {line.reason}"
    if line.address:
        words += f", from {line.address}"
    if line.other_address:
        words += f" and {line.other_address}"
    if line.fingerprint:
        words += f", key {line.fingerprint}"
    return f"{words}, {line.count} times" if line.count > 1 else words
