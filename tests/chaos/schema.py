"""Schemathesis against the hub's own OpenAPI: what the description allows, and what it does not, sent to a real hub.

It asks with an API key for what backends may, and with the admin key for the rest. What is left out, and why:

- the event stream, which stays open until an operation ends;
- without a key: a wrong key is answered with 429 after some, which its checks know nothing of, and every address is
  tried with every kind of key in `tests/cloud/web/test_keys_at_doors.py`;
- that whatever fits the description is accepted: a kiosk that is not there is a refusal, too.
"""

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from bench.stack import Stack
from tests.chaos.results import Result, timed

_EXAMPLES = 60  # for each address, at scale 1; what is tried of each by rule comes on top
_LEFT_OUT = ("positive_data_acceptance", "ignored_auth", "missing_required_header")
_ADMINS = ("--include-path-regex", "^/admin")
_LIMIT_S = 300.0


class _Report(msgspec.Struct):
    """What is read of its JSON report."""

    complete: bool
    operations: dict[str, Any]
    test_cases: dict[str, int]
    failures: list[dict[str, Any]]
    errors: list[dict[str, Any]]


def run(directory: Path, seed: int, scale: float) -> Result:
    """A breach for each failure that it finds."""
    result = Result(scenario="schema", seed=seed)
    settings = {"LOG_LEVEL": "WARNING", "RATE_LIMIT_PER_KEY": "0", "RATE_LIMIT_PER_KIOSK": "0"}
    with timed(result), Stack(directory, hub_settings=settings) as stack:
        examples = max(2, round(_EXAMPLES * scale))
        for who, which in (("backend", ("--exclude-path-regex", "^/admin|/events$")), ("admin", _ADMINS)):
            _ask(stack, who, which, examples, result)
        if "Traceback" in (log := stack.hub.log.read_text()):
            result.breaches.append(f"the hub failed: {log[log.index('Traceback') :][:1000]}")
        if stack.hub.http.get("/health").status_code != 200:
            result.breaches.append("the hub is not well afterwards")
    return result


def _ask(stack: Stack, who: str, which: tuple[str, ...], examples: int, result: Result) -> None:
    key = stack.hub.admin_key if who == "admin" else stack.api_key
    directory = stack.directory / who
    directory.mkdir()
    told = directory / "report.json"
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{stack.hub.url}/openapi.json"]
    given = ("--header", f"Authorization: Bearer {key}", "--exclude-checks", ",".join(_LEFT_OUT), *which)
    seed = random.Random(f"{result.seed} schema").randrange(1_000_000)
    amount = ("--seed", str(seed), "--max-examples", str(examples), "--request-timeout", "20", "--no-shrink")
    out = ("--report", "json", "--report-json-path", str(told), "--no-color")
    done = subprocess.run(
        [*command, *given, *amount, *out],
        cwd=directory,
        env={**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(directory)},
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    if not told.exists():
        result.breaches.append(f"schemathesis ended with {done.returncode}: {(done.stdout + done.stderr)[-1500:]}")
        return
    report = msgspec.json.decode(told.read_bytes(), type=_Report)
    result.faults[f"schema: {who}"] += report.test_cases["generated"]
    result.figures[f"{who}_addresses"] = report.operations["tested"]
    result.figures[f"{who}_cases"] = report.test_cases["generated"]
    for found in [*report.failures, *report.errors]:
        result.breaches.append(f"{who}: {found.get('title')} ({found.get('operations')}): {done.stdout[-3000:]}")
