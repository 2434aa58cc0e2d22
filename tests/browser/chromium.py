"""Debian's Chromium, driven by Playwright in a thread of its own.

Playwright's plain (synchronous) interface keeps an event loop running in the thread that it is used in, where no other
test could run its own. So there is one thread for it, in which `conftest.py` has all tests of this directory run.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from playwright.sync_api import Browser, Playwright, sync_playwright

T = TypeVar("T")
_TEST_S = 900
_PATIENT = ("-o", "DPkg::Lock::Timeout=300")  # other rows of tests install something, too


class MissingError(Exception):
    """There is no Chromium here; the text says what to do."""


def program() -> str:
    """The path of chromium. As root on Debian it is installed when missing. Raises `MissingError`."""
    if (found := shutil.which("chromium")) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        fonts = ["fonts-noto-core", "fonts-noto-mono"]  # a machine without a screen has none
        for command in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", "chromium", *fonts]):
            subprocess.run(
                ["apt-get", *_PATIENT, *command], env=environment, capture_output=True, check=False, timeout=600
            )
        found = shutil.which("chromium")
    if found is None:
        raise MissingError("Chromium is not installed: apt-get install chromium")
    return found


class Chromium:
    """One process of it, for all tests. What Playwright gives is used in `run` alone."""

    def __init__(self) -> None:
        """Starts it. Raises `MissingError`."""
        path = program()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chromium")
        self._playwright: Playwright
        self.browser: Browser = self.run(lambda: self._start(path))

    def run(self, what: Callable[[], T]) -> T:
        """Call it in the thread; returns or raises what it does."""
        return self._thread.submit(what).result(_TEST_S)

    def stop(self) -> None:
        """End it."""
        self.run(self._stop)
        self._thread.shutdown()

    def _start(self, path: str) -> Browser:
        self._playwright = sync_playwright().start()
        options = ["--disable-dev-shm-usage", "--disable-background-networking", "--font-render-hinting=none"]
        if os.geteuid() == 0:
            options.append("--no-sandbox")
        return self._playwright.chromium.launch(executable_path=path, args=options)

    def _stop(self) -> None:
        self.browser.close()
        self._playwright.stop()
