"""The way out to the hub, for all who take it: which proxy, what a refused certificate means, when to come again."""

import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from websockets.exceptions import InvalidURI
from websockets.proxy import get_proxy
from websockets.uri import parse_uri

_NOT_YET, _EXPIRED = 9, 10  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED


def environment_proxy(url: str) -> str | None:
    """HTTPS_PROXY, unless NO_PROXY names the hub; for wss:// only, as a plain one is for one's own network."""
    try:
        uri = parse_uri(url)
    except (InvalidURI, UnicodeError):
        return None  # dialling tells why
    found = get_proxy(uri) if uri.secure else None
    return found if found and found.startswith("http") else None


def is_about_clock(error: ssl.SSLCertVerificationError) -> bool:
    """Whether a certificate is refused for its dates: then this machine's clock may be what is wrong."""
    return error.verify_code in {_NOT_YET, _EXPIRED}


def distrust(error: ssl.SSLCertVerificationError, now: float) -> str:
    """Why a certificate is refused, in words; `now` is Unix time by this machine's clock."""
    shown = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if error.verify_code == _NOT_YET:
        return f"this machine's clock shows {shown}, when the hub's certificate was not yet valid: set the clock right"
    words = f"the hub's certificate is not trusted: {error.verify_message}"
    if error.verify_code == _EXPIRED:
        return f"{words}; unless it is not {shown}, as this machine's clock shows: then set the clock right"
    return f"{words}; a certificate authority of your own belongs into CA_FILE"


def speaks_no_tls(error: BaseException | None) -> bool:
    """Whether what answered is a server without encryption, by an error or what it came of."""
    while error is not None:
        if isinstance(error, ssl.SSLError) and error.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST"}:
            return True
        error = error.__cause__ or error.__context__
    return False


NO_TLS = "what answers there does not encrypt (no TLS); a hub in one's own network without it is named by ws://"


def read_retry_after(text: str, now: float) -> float | None:
    """Seconds in a Retry-After header: a number, or a date (`now` is Unix time). None if it is neither."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None
