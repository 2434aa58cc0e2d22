"""A simulated register's printer: what waits for paper, line by line, and what came out.

What is to be printed outlives the power: an interrupted document waits for B0, as one does that ran out of paper.
(That it waits so after a power cut as well is inferred; no source tells of it.)
"""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from hardware.shtrih.states import Submode
from hardware.simulation.simulator import Ledger

LINE_S = 0.04  # some 25 lines a second
PAPER_KEPT = 20  # documents that can still be read


class Printer:
    """Keeps itself in `memory`, which outlives the power."""

    def __init__(self, memory: MutableMapping[str, Any], ledger: Ledger) -> None:
        self._memory: dict[str, Any] = memory.setdefault(
            "printer", {"paper": True, "cover": False, "waits": False, "jobs": [], "left": None}
        )
        self._paper: list[list[str]] = memory.setdefault("paper", [])
        self._ledger = ledger
        self._at: float | None = None

    @property
    def paper(self) -> Sequence[Sequence[str]]:
        """The last documents that came out, as one reads them."""
        return self._paper

    @property
    def wake_at(self) -> float | None:
        """When the next line is on paper."""
        return self._at

    @property
    def submode(self) -> Submode:
        """As a status tells it."""
        jobs, waits = bool(self._memory["jobs"]), bool(self._memory["waits"])
        if not self._able:
            return Submode.PAPER_RAN_OUT if jobs else Submode.NO_PAPER
        if jobs:
            return Submode.CONTINUE_AWAITED if waits else Submode.PRINTING
        return Submode.READY

    @property
    def _able(self) -> bool:
        return bool(self._memory["paper"]) and not self._memory["cover"]

    def power_on(self) -> None:
        """What was interrupted waits to be continued."""
        self._at = None
        self._memory["waits"] = bool(self._memory["jobs"])

    @property
    def mode(self) -> int | None:
        """The mode byte that is shown while a closed receipt is still being printed: as if it were open."""
        return next((int(job["mode"]) for job in self._memory["jobs"] if job["mode"] is not None), None)

    def add(
        self,
        kind: str,
        lines: int,
        now: float,
        figures: Mapping[str, object] | None = None,
        *,
        mode: int | None = None,
        text: Sequence[str] = (),
    ) -> None:
        """Print this many lines; `kind` and `figures` go into the ledger when the last is on paper, as `text` says."""
        self._memory["jobs"].append(
            {"kind": kind, "lines": lines, "figures": dict(figures or {}), "mode": mode, "text": list(text)}
        )
        if self._at is None and not self._memory["waits"]:
            self._at = now + LINE_S

    def wake(self, now: float) -> None:
        """A line is on paper."""
        if self._at is None or now < self._at:
            return
        self._at = None
        jobs = self._memory["jobs"]
        if not jobs or not self._able or self._memory["waits"]:
            return
        jobs[0]["lines"] -= 1
        if jobs[0]["lines"] <= 0:
            done = jobs.pop(0)
            if done.get("text"):
                self._paper.append(done["text"])
                del self._paper[:-PAPER_KEPT]
            self._ledger(done["kind"], done["figures"])
        if self._memory["left"] is not None:
            self._memory["left"] -= 1
            if self._memory["left"] <= 0:
                self.paper_out(None)
                return
        if jobs:
            self._at = now + LINE_S

    def carry_on(self, now: float) -> bool:
        """B0; whether there was something to go on with."""
        if not self._able:
            return False
        self._memory["waits"] = False
        if self._memory["jobs"] and self._at is None:
            self._at = now + LINE_S
        return True

    def paper_out(self, after: int | None) -> None:
        """The roll ends now, or after so many lines."""
        if after:
            self._memory["left"] = after
            return
        self._memory["paper"], self._memory["left"] = False, None
        self._stop()

    def paper_in(self) -> None:
        """A new roll."""
        self._memory["paper"], self._memory["left"] = True, None

    def cover(self, opened: bool) -> None:
        """The cover, which stops the printer as a missing roll does."""
        self._memory["cover"] = opened
        if opened:
            self._stop()

    def _stop(self) -> None:
        self._at = None
        self._memory["waits"] = bool(self._memory["jobs"])
