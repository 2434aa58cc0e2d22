"""Money taken out by an engineer: what lies where, the collection written down, the slip of it.

The record is that of `levels.collections.collect`, with `by` "engineer": one transaction closes the counts and tells
the hub. It is written once for each form that was shown, however often it is sent. The slip is printed behind it; that
it is not printed changes nothing.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from appliance.journal import Book, Journal
from appliance.levels.collections import collect, levels
from appliance.supervisor import Supervisor, Watched
from appliance.supervisor.watched import marks_of
from wire.money import Money

MONEY = ("bill validator", "coin acceptor", "coin hopper")
BY = "engineer"
PRINT_WITHIN_S = 20.0

# reference, printer, lines, seconds → what became of the slip
PrintLines = Callable[[str, str, Sequence[str], float], Awaitable[dict[str, Any]]]


class Collecting:
    """The room of it."""

    def __init__(
        self, *, journal: Journal, supervisor: Supervisor, clock: Callable[[], float],
        holder: Callable[[str], str], print_lines: PrintLines,
    ) -> None:  # fmt: skip
        self._journal = journal
        self._supervisor = supervisor
        self._clock = clock
        self._holder = holder
        self._print = print_lines

    def devices(self) -> list[Watched]:
        """Those that hold money, in the order of the file."""
        return [each for each in self._supervisor.all() if each.role in MONEY]

    def printers(self) -> list[Watched]:
        """Those that could print the slip, printers first."""
        all_of = self._supervisor.all()
        return [each for role in ("receipt printer", "fiscal register") for each in all_of if each.role == role]

    async def lying(self) -> list[dict[str, Any]]:
        """What lies in each, as `levels.collections.levels`, with `label`, `role`, `in_use`. Raises `StorageError`."""
        named = self.devices()
        found = await self._journal.read(lambda book: [levels(book, each.name) for each in named])
        return [
            {**one, "label": each.entry.owned.label, "role": each.role, "in_use": self.in_use(each)}
            for one, each in zip(found, named, strict=True)
        ]

    def in_use(self, watched: Watched) -> str:
        """Whose money moves there now; empty: nobody's."""
        return watched.work or self._holder(watched.name)

    async def collect(self, names: Sequence[str], reference: str) -> list[dict[str, Any]]:
        """Write it down for each of these devices, all or none; returns the records. Raises `StorageError`."""
        at = self._clock()
        wanted = [each for each in self.devices() if each.name in names]

        def write(book: Book) -> list[dict[str, Any]]:
            return [
                collect(book, each.name, at=at, by=BY, reference=f"{reference}/{each.name}", marks=marks_of(each.entry))
                for each in wanted
            ]

        return await self._journal.write(write, point="appliance.engineer.collect")

    async def print_slip(self, records: Sequence[dict[str, Any]], reference: str) -> dict[str, Any]:
        """On the first that can; `status` as the printing room says it, "none" where there is no printer."""
        printers = [each for each in self.printers() if not each.hindrance] or self.printers()
        if not printers:
            return {"status": "none"}
        at = datetime.fromtimestamp(self._clock()).astimezone()
        return await self._print(reference, printers[0].name, collection_slip(records, at), PRINT_WITHIN_S)


def collection_slip(records: Sequence[dict[str, Any]], at: datetime) -> list[str]:
    """Pure. Lines of at most 32 signs."""
    lines = ["ИНКАССАЦИЯ / COLLECTION", f"{at:%d.%m.%Y %H:%M}", ""]
    sums: dict[str, int] = {}
    for record in records:
        currency = record["currency"]
        lines.append(str(record["device"])[:32])
        for minor, count in sorted(record["counts"].items(), key=lambda item: int(item[0])):
            if count:
                lines.append(f"  {Money(int(minor), currency)} x {count}"[:32])
        lines.append(f"  = {Money(record['total'], currency)}" if currency else "  = 0")
        if currency:
            sums[currency] = sums.get(currency, 0) + record["total"]
    lines += ["", *(f"ИТОГО / TOTAL {Money(total, currency)}"[:32] for currency, total in sums.items())]
    return [*lines, "", "____________________", "подпись / signature"]
