"""What must be so on every page: no error or warning in the console, nothing refused by the policy, nothing asked of
another host, no request that fails. And by axe-core: nothing that keeps people out.

    visit(page, f"{hub.url}/dashboard/kiosks")
    axe(page)
"""

from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from playwright.sync_api import ConsoleMessage, Page, Request

from tests.browser.paths import AXE

_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_watches: "WeakKeyDictionary[Page, Watch]" = WeakKeyDictionary()


class Watch:
    """What one page did that it must not. `allowed` are hosts with ports; none: that of the first page."""

    def __init__(self, page: Page) -> None:
        self.wrongs: list[str] = []
        self.requests: list[str] = []
        self.bytes = 0
        self.host = ""
        self.expected: set[int] = set()  # statuses that a test wants to see
        self.is_down = False  # the test stops the hub: requests fail
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.wrongs.append(f"an error in a script: {error}"))
        page.on("request", self._request)
        page.on("requestfailed", self._failed)
        _watches[page] = self

    def check(self) -> None:
        """Raise what was wrong."""
        assert self.wrongs == []

    def _console(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"}:
            return
        told = message.text
        is_status = any(f"status of {status} " in told for status in self.expected)
        if "Failed to load resource" in told and (self.is_down or is_status):
            return
        if self.is_down and ("htmx:" in told or "WebSocket connection to" in told):
            return
        self.wrongs.append(f"{message.type} in the console: {message.text} ({message.location.get('url', '')})")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        self.requests.append(request.url)
        if parts.scheme in {"data", "blob"}:
            return
        self.host = self.host or parts.netloc
        if parts.netloc != self.host:
            self.wrongs.append(f"a request to another host: {request.url}")

    def _failed(self, request: Request) -> None:
        # What a page still waited for when another was opened.
        if request.failure == "net::ERR_ABORTED" or self.is_down:
            return
        self.wrongs.append(f"a request failed: {request.url}: {request.failure}")


def watch(page: Page) -> Watch:
    """What is kept about it."""
    return _watches[page]


def visit(page: Page, url: str, *, status: int = 200) -> None:
    """Open a page, wait until it is loaded, and see that all is as it must be."""
    kept = watch(page)
    kept.host = kept.host or urlsplit(url).netloc
    kept.expected = {status} - {200}
    answer = page.goto(url, wait_until="load")
    assert answer is not None
    assert answer.status == status, f"{url}: {answer.status}\n{page.inner_text('body')[:600]}"
    kept.check()


def axe(page: Page, *, but: str = "") -> None:
    """No finding of axe-core that is serious or critical. `but`: a selector of what is not looked at."""
    # Through the debugger: a page's policy would keep out a script that the page does not name.
    page.evaluate(AXE.read_text(encoding="utf-8") + "\n;0")
    what: dict[str, Any] = {"exclude": [[but]]} if but else {}
    found = page.evaluate(
        "([what, rules]) => axe.run(Object.keys(what).length ? what : document,"
        " {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})",
        [what, _RULES],
    )
    told = [
        f"{each['impact']}: {each['help']} ({each['id']}): "
        + "; ".join(f"{node['target']} {node.get('failureSummary', '')[:300]}" for node in each["nodes"][:3])
        for each in found["violations"]
        if each["impact"] in {"serious", "critical"}
    ]
    assert told == [], "\n".join(told)


def scrolls_sideways(page: Page) -> str:
    """What is wider than the window, in words; empty where nothing is."""
    found: str = page.evaluate(
        """() => {
            const root = document.documentElement;
            if (root.scrollWidth <= root.clientWidth) return '';
            const wide = [...document.querySelectorAll('body *')].filter((element) => {
                const box = element.getBoundingClientRect();
                return box.right > root.clientWidth + 1 && box.width > 0 && !element.closest('.table-wrap, pre');
            });
            const names = wide.slice(0, 5).map((element) => `${element.tagName}.${element.className}`);
            return `${root.scrollWidth} of ${root.clientWidth}: ${names}`;
        }"""
    )
    return found
