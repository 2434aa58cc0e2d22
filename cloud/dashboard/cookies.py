"""Cookies of sessions, and whether a form comes from a page of ours. Pure.

SameSite is Lax, not Strict: a link in an alert in Telegram opens the page it is about, not the one to sign in at.
With Lax another site's form brings no session; beside that each form brings the session's own proof, and forms that
need no session, the one to sign in with among them, are taken from our own pages only. That is told by what browsers
say and pages cannot forge: `Sec-Fetch-Site`, or else `Origin`. Who sends neither is no browser of these years, and no
page can have made it send anything.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from cloud.settings import Settings, is_loopback

SESSION = "kioskwire_session"
KNOWN = "kioskwire_known"  # that somebody was let in from here before: see `cloud.accounts.tries`
KNOWN_DAYS = 400  # as long as browsers keep one
_HTTPS = "https"


def is_secure(settings: Settings, protocol: str) -> bool:
    """Whether people reach the hub by https, `protocol` being that of the request, or what a trusted proxy says."""
    return settings.public_url.lower().startswith("https:") or protocol == _HTTPS


def cookie_name(name: str, secure: bool) -> str:
    """With the prefix by which browsers take it over https from this very host alone."""
    return f"__Host-{name}" if secure else name


def flags(secure: bool) -> dict[str, Any]:
    """What every cookie that proves something is set with."""
    return {"path": "/", "httponly": True, "samesite": "Lax", "secure": secure}


def is_foreign(headers: Mapping[str, str], host: str, settings: Settings) -> bool:
    """Whether another site's page sends this."""
    site = headers.get("Sec-Fetch-Site")
    if site is not None:  # the browser has compared the whole address, whatever a proxy makes of Host
        return site not in {"same-origin", "none"}
    origin = headers.get("Origin")
    if origin is None:
        return False
    ours = {host.lower(), urlsplit(settings.public_url).netloc.lower()} - {""}
    return not origin.startswith(("http://", "https://")) or urlsplit(origin).netloc.lower() not in ours


def cannot_keep(headers: Mapping[str, str], host: str, secure: bool) -> bool:
    """Whether the browser will drop our cookies, since they are for https and it came by http."""
    origin = headers.get("Origin", "")
    return secure and origin.startswith("http://") and not is_loopback(host.rpartition(":")[0].strip("[]") or host)
