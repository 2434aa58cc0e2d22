"""What must be in a program, each by loading it. A check returns what was found, in words, or raises `Broken`."""

import codecs
import hashlib
import importlib
import lzma
import sqlite3
import ssl
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from appliance import trust

OURS = ("appliance", "hardware", "wire")
# Printers' code pages that owners may name beyond their model's, and what the kiosk itself is spoken to in.
_CODECS = ("ascii", "cp866", "cp1251", "cp1252", "idna", "koi8_r", "kz1048", "latin_1", "punycode", "utf_8_sig")
_AUTHORITIES_LEAST = 100
_NOT_DATA = {".py", ".pyc", ".pyi"}


class Broken(Exception):
    """Something is missing or does not work; `str()` says what and why."""


class Contents(msgspec.Struct, frozen=True):
    """What a frozen program was made of, as `packaging/freeze/contents.py` wrote it down.

    `data` is relative name → SHA-256; `by_name` are modules of libraries that no import tells of.
    """

    modules: list[str]
    by_name: list[str] = []
    data: dict[str, str] = {}


Check = Callable[[], str]


def root() -> Path:
    """The directory that our packages lie in."""
    return Path(__file__).absolute().parents[2]


def is_frozen() -> bool:
    """Whether this program was frozen."""
    return bool(getattr(sys, "frozen", False))


def read_contents(here: Path, *, frozen: bool) -> Contents:
    """The list of a frozen program; of a tree or an installed package, what lies there. Raises `Broken`."""
    if not frozen:
        return Contents(sorted(_walk_modules(here)), ["nacl.signing", "serial.serialposix"], dict(_walk_data(here)))
    listing = here / "appliance" / "selftest" / "contents.json"
    try:
        return msgspec.json.decode(listing.read_bytes(), type=Contents)
    except (OSError, msgspec.MsgspecError) as error:
        raise Broken(f"the list of contents cannot be read: {error}") from None


def load_modules(names: list[str]) -> str:
    """Import every one. Raises `Broken` naming all that cannot be."""
    mistakes = []
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:  # whatever a module does when half of it is missing
            mistakes.append(f"{name}: {type(error).__name__}: {error}")
    _all_or_none(mistakes)
    return f"{len(names)} modules"


def read_data(here: Path, data: dict[str, str]) -> str:
    """Every data file, by its digest. Raises `Broken` naming all that are missing or altered."""
    mistakes = []
    for name, digest in data.items():
        try:
            found = hashlib.sha256((here / name).read_bytes()).hexdigest()
        except OSError as error:
            mistakes.append(f"{name}: {error.strerror}")
            continue
        if found != digest:
            mistakes.append(f"{name}: is not what it was when this program was made")
    _all_or_none(mistakes)
    return f"{len(data)} files"


def load_drivers() -> str:
    """Every entry of the hardware's catalogue: driver, settings, simulator, explainer, probe."""
    from hardware.catalogue import DRIVERS, PROTOCOLS, SIMULATORS, explainer, probes  # noqa: PLC0415 - as each check

    mistakes = []
    steps: list[tuple[str, Callable[[], object]]] = []
    steps += [(f"driver {name}", entry.settings) for name, entry in DRIVERS.items()]
    steps += [(f"protocol {name}", partial(explainer, name)) for name in PROTOCOLS]
    for family in SIMULATORS:
        steps.append((f"simulator {family}", partial(_build_simulator, family)))
    steps.append(("probes", probes))
    for name, step in steps:
        try:
            step()
        except Exception as error:
            mistakes.append(f"{name}: {type(error).__name__}: {error}")
    _all_or_none(mistakes)
    return f"{len(DRIVERS)} drivers, {len(SIMULATORS)} simulators, {len(PROTOCOLS)} protocols"


def _build_simulator(family: str) -> object:
    from hardware.simulation.families import build, find_simulator  # noqa: PLC0415

    return build(find_simulator(family), {}, lambda _happened, _figures: None, {})


def look_up_codecs() -> str:
    """Letters of printers, registers and host names."""
    from hardware.escpos.profiles import PROFILES  # noqa: PLC0415

    wanted = {*_CODECS, *(page for profile in PROFILES.values() for page in profile.pages.values())}
    mistakes = []
    for name in sorted(wanted):
        try:
            codecs.lookup(name)
        except LookupError as error:
            mistakes.append(str(error))
    _all_or_none(mistakes)
    return f"{len(wanted)} code pages"


def open_database(directory: Path) -> str:
    """The journal's tables, from their first version to the present one, in a file with a log."""
    from appliance.journal import schema  # noqa: PLC0415

    try:
        database = schema.connect(directory / "schema.db")
        try:
            database.execute("BEGIN")
            if not schema.bring_up(database, 0):
                raise Broken("the journal's tables have no beginning")
            database.execute("COMMIT")
        finally:
            database.close()
    except sqlite3.Error as error:
        raise Broken(f"the journal's tables cannot be made: {error}") from None
    return f"schema {schema.SCHEMA_VERSION}, SQLite {sqlite3.sqlite_version}"


def check_signing() -> str:
    """Ed25519 as releases and enrolment use it, and the compression that releases come in."""
    from nacl.exceptions import BadSignatureError  # noqa: PLC0415
    from nacl.signing import SigningKey  # noqa: PLC0415

    key = SigningKey(bytes(32))
    signed = key.sign(b"kioskwire")
    try:
        key.verify_key.verify(b"kioskwirE", signed.signature)
    except BadSignatureError:
        pass
    else:
        raise Broken("a wrong signature was taken for a right one")
    key.verify_key.verify(b"kioskwire", signed.signature)
    if lzma.decompress(lzma.compress(b"kioskwire")) != b"kioskwire":
        raise Broken("xz does not give back what it was given")
    return "Ed25519, xz"


def load_authorities() -> str:
    """The authorities that came with the program, and those that TLS will trust here."""
    own = ssl.create_default_context(cafile=trust.bundled()).cert_store_stats()["x509_ca"]
    if own < _AUTHORITIES_LEAST:
        raise Broken(f"only {own} certificate authorities came with the program")
    found = trust.find_roots()
    context = trust.context()
    if context.verify_mode is not ssl.CERT_REQUIRED or not context.check_hostname:
        raise Broken("TLS does not verify")
    where = "the program's own" if found == trust.bundled() else found or "the system's"
    return f"{own} authorities came along; used here: {where}; {ssl.OPENSSL_VERSION}"


def _walk_modules(here: Path) -> Iterator[str]:
    for package in OURS:
        for path in (here / package).rglob("*.py"):
            parts = path.relative_to(here).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _walk_data(here: Path) -> Iterator[tuple[str, str]]:
    for package in OURS:
        for path in sorted((here / package).rglob("*")):
            if path.is_file() and path.suffix not in _NOT_DATA and path.name != "py.typed":
                yield str(path.relative_to(here)), hashlib.sha256(path.read_bytes()).hexdigest()


def _all_or_none(mistakes: list[str]) -> None:
    if mistakes:
        raise Broken("; ".join(mistakes))
