"""What an address for callbacks must look like. Pure."""

from urllib.parse import urlsplit


def check_callback_url(url: str) -> None:
    """Raises `ValueError` unless `url` is empty or an http(s) address with a host and no credentials."""
    if not url:
        return
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:  # a port or an IPv6 address that is none
        usable = False
    if not usable or not url.isprintable():
        raise ValueError("callback_url: an http:// or https:// address with a host and without a password")
