"""`kioskwire-appliance selftest`: a line for each check, and a verdict."""

import argparse
import asyncio
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec

from appliance.selftest import whole
from appliance.selftest.whole import Broken, Check, Contents
from wire.version import VERSION

EXIT_BROKEN = 1
WITHIN_S = 60.0


class Finding(msgspec.Struct, frozen=True):
    """What became of one check; `words` tell what was found, or what is wrong. `took` is in seconds."""

    check: str
    ok: bool
    words: str
    took: float


class Report(msgspec.Struct, frozen=True):
    """What `--json` prints."""

    version: str
    frozen: bool
    ok: bool
    findings: list[Finding]


def run(options: argparse.Namespace) -> int:
    """Check everything, whatever fails. Returns 0, or 1 when something is missing or does not work."""
    findings = []
    logging.disable()  # the appliance within speaks of a kiosk that is none
    try:
        for name, check in checks(whole.root(), frozen=whole.is_frozen()):
            finding = examine(name, check)
            findings.append(finding)
            if not options.json:
                print(f"{'ok    ' if finding.ok else 'BROKEN'}  {name}: {finding.words}", flush=True)
    finally:
        logging.disable(logging.NOTSET)
    report = Report(VERSION, whole.is_frozen(), all(finding.ok for finding in findings), findings)
    if options.json:
        print(msgspec.json.encode(report).decode())
    elif report.ok:
        took = sum(finding.took for finding in findings)
        print(f"kioskwire-appliance {VERSION} is whole: {len(findings)} checks in {took:.1f} s")
    else:
        bad = ", ".join(finding.check for finding in findings if not finding.ok)
        print(f"kioskwire-appliance {VERSION} is BROKEN: {bad}")
    return 0 if report.ok else EXIT_BROKEN


def checks(here: Path, *, frozen: bool) -> Iterator[tuple[str, Check]]:
    """Name and what to do, in order; later ones need what earlier ones load. `here` is what our packages lie in."""
    contents = Contents([])

    def find_contents() -> str:
        nonlocal contents
        contents = whole.read_contents(here, frozen=frozen)
        if not contents.modules:
            raise Broken("the list of contents is empty")
        return f"{len(contents.modules)} modules and {len(contents.data)} files to be here"

    yield "contents", find_contents
    yield "modules", lambda: whole.load_modules(contents.modules + contents.by_name)
    yield "data files", lambda: whole.read_data(here, contents.data)
    yield "drivers", whole.load_drivers
    yield "code pages", whole.look_up_codecs
    yield "signatures", whole.check_signing
    yield "authorities", whole.load_authorities
    yield "journal", partial(_in_directory, whole.open_database)
    yield "operations", partial(_in_directory, _loopback)


def examine(name: str, check: Check) -> Finding:
    """Carry one check out; whatever it raises is a finding."""
    began = time.monotonic()
    try:
        words, ok = check(), True
    except Broken as error:
        words, ok = str(error), False
    except Exception as error:  # of a program that may be half there
        words, ok = f"{type(error).__name__}: {error}", False
    return Finding(name, ok, words, round(time.monotonic() - began, 3))


def _loopback(directory: Path) -> str:
    from appliance.selftest.loopback import run_operations  # noqa: PLC0415 - runs whatever is missing of it

    async def within() -> str:
        async with asyncio.timeout(WITHIN_S):
            return await run_operations(directory)

    return asyncio.run(within())


def _in_directory(check: Callable[[Path], str]) -> str:
    with _directory() as directory:
        return check(directory)


@contextmanager
def _directory() -> Iterator[Path]:
    try:
        made = tempfile.TemporaryDirectory(prefix="kioskwire-selftest-", ignore_cleanup_errors=True)
    except OSError as error:
        raise Broken(f"there is no directory for temporary files ({error}); name one by TMPDIR") from None
    with made as name:
        yield Path(name)
