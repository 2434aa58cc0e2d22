"""`python -m tests.image [--only NAME]...`: boots the image in QEMU and tries all that may happen to it.

The scenarios are one machine's life, in order; of those that are left out the first is always played, which flashes the
disk and enrols the kiosk. Exit status 0 when all went as they must.
"""

import argparse
import contextlib
import functools
import http.server
import os
import shutil
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from bench.program import free_port
from tests.image.artefacts import Artefacts
from tests.image.scenarios import SCENARIOS, World
from tests.image.stage import Stage

TREE = Path(__file__).resolve().parents[2]


class _Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """A machine without power, or one that has the file already, hangs up."""
        with contextlib.suppress(ConnectionError):
            super().copyfile(source, outputfile)


def main() -> int:
    names = [scenario.__name__ for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=f"one of {', '.join(names)}")
    parser.add_argument("--keep", action="store_true", help="keep the disk, for --resume")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the machine of the last run, after its first start"
    )
    parser.add_argument("--anew", action="store_true", help="make image and bundles anew")
    parser.add_argument("--one-program", action="store_true", help="freeze once: all systems hold the same program")
    parser.add_argument("--directory", type=Path, default=TREE / ".state" / "image-test")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("image-test: building an image takes root", file=sys.stderr)
        return 2
    if options.anew:
        shutil.rmtree(options.directory, ignore_errors=True)
    began = time.monotonic()

    def say(words: str) -> None:
        print(f"[{time.monotonic() - began:6.0f} s] {words}", flush=True)

    artefacts = Artefacts(options.directory / "made", say, options.one_program)
    chosen = [each for each in SCENARIOS if not options.only or each.__name__ in {names[0], *options.only}]
    port = free_port()
    serve = functools.partial(_Files, directory=str(artefacts.directory))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), serve)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    run = options.directory / "run"
    if options.resume:
        chosen = [each for each in chosen if each is not SCENARIOS[0]]
        stage = Stage(run, None)
        stage.machine.start()
        stage.well()
    else:
        shutil.rmtree(run, ignore_errors=True)
        say("the image")
        stage = Stage(run, artefacts.image())
    results: list[tuple[str, str, float, int]] = []
    try:
        world = World(stage, artefacts, port, say)
        for scenario in chosen:
            say(f"{scenario.__name__}: {(scenario.__doc__ or '').splitlines()[0]}")
            at, boots = time.monotonic(), stage.machine.boots
            try:
                scenario(world)
                outcome = "ok"
            except Exception as error:
                traceback.print_exc()
                print(stage.machine.tail(40), flush=True)
                outcome = f"FAILED: {str(error).splitlines()[0] if str(error) else type(error).__name__}"[:110]
            results.append((scenario.__name__, outcome, time.monotonic() - at, stage.machine.boots - boots))
            say(f"{scenario.__name__}: {outcome}")
            if outcome != "ok" and scenario is SCENARIOS[0]:
                break
    finally:
        stage.close(keep=options.keep or options.resume)
        server.shutdown()
    print(f"\n{'scenario':<30} {'seconds':>8} {'starts':>7}  outcome")
    for name, outcome, seconds, boots in results:
        print(f"{name:<30} {seconds:8.0f} {boots:7}  {outcome}")
    print(f"{'in all':<30} {time.monotonic() - began:8.0f} {stage.machine.boots:7}")
    return 0 if all(outcome == "ok" for _, outcome, _, _ in results) and len(results) == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
