"""The support bundle: what a developer would ask for first, in one .zip, redacted. Blocking: call it in a thread.

    manifest.json     what is in it: bytes and SHA-256 of each file, what was cut, what could not be had
    health.json       as /health, with its verdict               system.json     disk, memory, uptime, interfaces
    settings.txt      as `check-config`, or what is wrong        network.json    the last walk towards the hub
    routing.yaml      the routing file, secrets hidden           report.json     as `report`: money, what is owed
    log.jsonl         the last lines, masked once more           traces/         lines of note and coin devices

Bodies of operations are not in it, nor anything a printer or a register was sent: what customers do is none of it. Each
file is bounded and so is the whole; what is too long keeps its end where that is a log, else its beginning.
"""

import hashlib
import io
import re
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from appliance.engineer import system
from appliance.engineer.lines import last
from appliance.engineer.redact import Redactor, secrets_of_tree, secrets_of_url
from appliance.identity import IdentityError, read_private
from appliance.logs import FILE_NAME
from wire.version import VERSION

FILE_MAX = 1024 * 1024
TOTAL_MAX = 6 * 1024 * 1024
_LOG_MAX = 512 * 1024  # read; each line is looked through thrice
_TRACE_MAX, _TRACES_MAX = 256 * 1024, 6
_TRACES = frozenset({"ccnet", "id003", "cctalk", "ssp"})  # others carry what customers buy, and passwords
_ROUTING_MAX = 1024 * 1024
_UNSET = re.compile(r"[A-Z0-9_]+=\(not set\)(?= |$)")
_PRIVATE = ("identity.json", "identity.next.json", "identity.pending.json", "engineer.json", "enroll.env")


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """Where it all comes from. What is None or empty is not there; that is said in the manifest."""

    state_dir: Path
    routing_file: Path
    log_dir: str = ""
    settings: list[str] = []  # lines, masked already
    known: list[str] = []  # secrets of the settings
    health: dict[str, Any] | None = None
    network: Any = None
    recent: list[str] = []  # log lines in memory
    report: Callable[[], Any] | None = None


def build(sources: Sources) -> bytes:
    """The archive. Never raises for what it cannot read."""
    routing, tree = _routing(sources.routing_file)
    known = [*sources.known, *secrets_of_tree(tree), *_kept_secrets(sources.state_dir)]
    redactor = Redactor(known)
    missing: dict[str, str] = {}
    files: dict[str, str] = {}

    def add(name: str, make: Callable[[], str | None]) -> None:
        try:
            text = make()
        except Exception as error:  # the rest is of use without it
            missing[name] = redactor.text(f"{type(error).__name__}: {error}")[:500]
            return
        if text is None:
            missing[name] = "there is none"
        else:
            files[name] = text

    add("health.json", lambda: None if sources.health is None else redactor.json(sources.health))
    add("settings.txt", lambda: "\n".join(_setting(line, redactor) for line in sources.settings) or None)
    add("routing.yaml", lambda: _shown_routing(redactor, routing, tree))
    add("system.json", lambda: redactor.json(system.facts(sources.state_dir)))
    add("network.json", lambda: None if sources.network is None else redactor.json(sources.network))
    add("report.json", lambda: None if sources.report is None else redactor.json(sources.report()))
    add("log.jsonl", lambda: _log(sources, redactor))
    for path in _traces(sources):
        add(f"traces/{len(files)}-{path.name}", lambda path=path: _trace(path, redactor))  # type: ignore[misc]
    return _pack(files, missing, time.time())


def file_name(kiosk: str, at: float) -> str:
    """`kioskwire-support-kiosk_001-20261122-0231.zip`; what is no word of a name is left out."""
    words = "".join(letter for letter in kiosk if letter.isascii() and (letter.isalnum() or letter in "_-"))[:40]
    return f"kioskwire-support-{words or 'kiosk'}-{time.strftime('%Y%m%d-%H%M', time.gmtime(at))}.zip"


def _setting(line: str, redactor: Redactor) -> str:
    """A name that says secret would have its value hidden: that there is none is worth knowing."""
    unset = _UNSET.match(line)
    return unset[0] + redactor.text(line[unset.end() :]) if unset else redactor.text(line)


def _pack(files: Mapping[str, str], missing: Mapping[str, str], at: float) -> bytes:
    left, listed, packed = TOTAL_MAX, {}, {}
    for name, text in files.items():
        data = text.encode("utf-8", "replace")
        kept = _cut(name, data, min(FILE_MAX, left))
        left -= len(kept)
        packed[name] = kept
        listed[name] = {"bytes": len(kept), "sha256": hashlib.sha256(kept).hexdigest(), "cut": len(data) - len(kept)}
    manifest = {
        "program": f"kioskwire-appliance {VERSION}", "made_at": round(at, 3), "files": listed, "missing": dict(missing),
        "redacted": "tokens, keys, passwords, PINs, codes, cards, phones and e-mail addresses are taken out",
    }  # fmt: skip
    packed["manifest.json"] = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(packed.items(), key=lambda item: item[0] != "manifest.json"):
            entry = zipfile.ZipInfo(name, time.gmtime(max(at, 315532800.0))[:6])  # a zip knows no year before 1980
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            archive.writestr(entry, data)
    return made.getvalue()


def _cut(name: str, data: bytes, most: int) -> bytes:
    if len(data) <= most:
        return data
    if name.endswith(".jsonl") or name.startswith("traces/"):
        end = data[len(data) - most :] if most else b""
        return end.partition(b"\n")[2]
    return data[:most]


def _routing(path: Path) -> tuple[str, Any]:
    """Its text, and as data where it is any."""
    try:
        with path.open("rb") as file:
            text = file.read(_ROUTING_MAX).decode("utf-8", "replace")
    except (OSError, ValueError):
        return "", None
    try:
        return text, yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError, LookupError, AttributeError):
        return text, None


def _shown_routing(redactor: Redactor, text: str, tree: Any) -> str | None:
    if isinstance(tree, dict | list):
        return str(yaml.safe_dump(redactor.tree(tree), allow_unicode=True, sort_keys=False))
    if not text:
        return None
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return "# it is not YAML; as text, without comments\n" + redactor.text("\n".join(lines))


def _log(sources: Sources, redactor: Redactor) -> str | None:
    lines = last(sources.log_dir, FILE_NAME, sources.recent, _LOG_MAX)
    return "".join(f"{line}\n" for line in redactor.lines(lines)) if lines else None


def _traces(sources: Sources) -> list[Path]:
    found: list[tuple[float, Path]] = []
    for directory in filter(None, (str(sources.state_dir), sources.log_dir)):
        try:
            found += [(path.stat().st_mtime, path) for path in Path(directory).glob("*.trace") if path.is_file()]
        except OSError:
            continue
    newest = [path for _, path in sorted(found, reverse=True)]
    return [path for path in newest if _protocol(path) in _TRACES][:_TRACES_MAX]


def _protocol(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            head = file.read(1000)
    except OSError:
        return ""
    lines = [line for line in head.splitlines() if line.startswith("# protocol: ")]
    return lines[0].removeprefix("# protocol: ").strip() if lines else ""


def _trace(path: Path, redactor: Redactor) -> str:
    with path.open("rb") as file:
        head = file.readline(200)
        size = path.stat().st_size
        file.seek(max(0, size - _TRACE_MAX))
        text = file.read(_TRACE_MAX).decode("utf-8", "replace")
    if size > _TRACE_MAX:
        text = head.decode("utf-8", "replace") + text.partition("\n")[2]
    return "\n".join(line if line[:1].isdigit() else redactor.text(line) for line in text.split("\n"))


def _kept_secrets(state_dir: Path) -> Iterable[str]:
    """What STATE_DIR holds of secrets, so that none of it is anywhere else."""
    for name in _PRIVATE:
        try:
            data = read_private(state_dir / name)
        except IdentityError:
            continue
        if data is None:
            continue
        try:
            yield from _texts(msgspec.json.decode(data))
        except msgspec.MsgspecError:
            for line in data.decode("utf-8", "replace").splitlines():
                if "CODE" in line.partition("=")[0]:
                    yield line.partition("=")[2].strip().strip("\"'")


def _texts(found: Any) -> Iterable[str]:
    if isinstance(found, dict):
        for name in ("token", "private_key", "code", "key", "salt"):
            value = found.get(name)
            if isinstance(value, str) and value:
                yield value
                if name == "code":
                    yield from (f"{value[:4]}-{value[4:]}", value.replace("-", ""))


def secrets_of_settings(values: Iterable[str]) -> list[str]:
    """Secrets as settings hold them, and those inside of them where they are URLs."""
    return [each for value in values if value for each in (value, *(secrets_of_url(value) if "://" in value else ()))]
