"""Whom TLS trusts: the system's certificate authorities, and where a system has none, those that came with the program.

A frozen program lands on machines without any (`ca-certificates` is no essential package), or whose authorities lie
elsewhere than where its OpenSSL looks. The system's go first all the same, since its owner looks after them: a release
of ours may be older. Who names authorities by SSL_CERT_FILE or SSL_CERT_DIR has chosen, and nothing is added to it.

Everything of the appliance that opens TLS gets its context here, but for a gateway that is known by its fingerprint.
"""

import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path

# Where other distributions than the one this OpenSSL was built for keep them: Debian, Fedora, SUSE, Alpine.
ELSEWHERE = (
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)  # fmt: skip
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")  # how OpenSSL finds a certificate in a directory


def context(ca_file: str = "") -> ssl.SSLContext:
    """A client's context that verifies; `ca_file` is trusted besides.

    Raises OSError or ssl.SSLError when `ca_file` cannot be used. Reads files anew at each call.
    """
    made = ssl.create_default_context(cafile=find_roots() or None)
    if ca_file:
        made.load_verify_locations(ca_file)
    return made


def find_roots(
    paths: ssl.DefaultVerifyPaths | None = None,
    environ: Mapping[str, str] = os.environ,
    elsewhere: tuple[str, ...] = ELSEWHERE,
) -> str:
    """The file to take authorities from; empty where OpenSSL finds them by itself or was told where."""
    paths = paths or ssl.get_default_verify_paths()
    if environ.get(paths.openssl_cafile_env) or environ.get(paths.openssl_capath_env):
        return ""
    if _is_filled(paths.openssl_cafile) or _holds_hashed(paths.openssl_capath):
        return ""
    return next(filter(_is_filled, elsewhere), None) or bundled()


def bundled() -> str:
    """The authorities that came with the program: Mozilla's, in one file."""
    import certifi  # noqa: PLC0415 - hardly any machine needs it

    return certifi.where()


def _is_filled(name: str) -> bool:
    try:
        return Path(name).is_file() and Path(name).stat().st_size > 0
    except OSError:
        return False


def _holds_hashed(name: str) -> bool:
    try:
        return any(_HASHED.fullmatch(entry) for entry in os.listdir(name))
    except OSError:
        return False
