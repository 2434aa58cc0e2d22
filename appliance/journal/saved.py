"""What was saved of damaged files and is not yet in the new one, and what people are told of it."""

from collections.abc import Callable
from pathlib import Path

from appliance.journal import carried
from appliance.journal.carried import Carried, salvage
from appliance.journal.files import Files
from appliance.journal.store import Store

_NOTICES_MAX = 5


class Saved:
    """Kept in memory from when a file is set aside until a commit has taken it. True while there is any."""

    def __init__(self, files: Files, clock: Callable[[], float], boot_id: str) -> None:
        self.notices: list[str] = []
        self._files = files
        self._clock = clock
        self._boot_id = boot_id
        self._carried = Carried()
        self._from: list[Path] = []

    def __bool__(self) -> bool:
        return bool(self._carried)

    def notice(self, words: str) -> None:
        """What a person should know; the last few are kept."""
        self.notices = [*self.notices[1 - _NOTICES_MAX :], words]

    def gather(self, aside: Path | None, reason: str) -> None:
        """Keep what can be read of a damaged journal, for the next one."""
        if aside is not None:
            self._from.append(aside)
            self._carried.take(salvage(aside))
        found = self._carried
        self._carried.tell(self._clock(), "journal-damaged", {
            "reason": reason, "file": aside.name if aside else "", "carried": len(found.started) + len(found.done),
            "unread": list(found.unread),
        })  # fmt: skip
        self.notice(f"the journal was damaged ({reason}) and was begun anew")

    def gather_left_behind(self, store: Store) -> None:
        """Gather what a run had set aside that was cut off before it had carried it over."""
        known = store.get_meta("carried").split()
        for aside in self._files.not_carried_over():
            if aside.name in known:
                self._files.mark_carried_over(aside)
            elif aside not in self._from:
                self.gather(aside, "it was set aside by a run that was cut off")

    def rescue(self, store: Store | None) -> None:
        """Keep what matters of a file that has lost its name, through the connection that still holds it."""
        if store is not None:
            self._carried.take(carried.read(store.connection))

    def write(self, store: Store) -> None:
        """Write it, within a transaction; also where there is nothing, to find out whether the disk takes it."""
        store.put_meta("written", self._boot_id)
        # In the same transaction: a run that is cut off now neither forgets it nor does it twice.
        names = {*store.get_meta("carried").split(), *(aside.name for aside in self._from)}
        store.put_meta("carried", " ".join(sorted(names)))
        self._carried.write(store, self._clock())

    def is_written(self) -> None:
        """That is committed."""
        for aside in self._from:
            self._files.mark_carried_over(aside)
        self._carried, self._from = Carried(), []
