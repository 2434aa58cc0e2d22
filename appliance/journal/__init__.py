"""The kiosk's only memory: operations, their outcomes, events to tell, in one SQLite file.

Rules, in the order in which they matter:

1. What a caller relies on is on the disk before anybody is told: `synchronous=FULL`, one transaction for all that wait.
2. Outcomes the hub has not settled are never dropped, whatever the size. Settled ones are kept as tombstones, to
   answer repetitions, for JOURNAL_KEEP_DAYS and as long as there is room; the oldest go first.
3. New operations are refused while there is no room: the file is over JOURNAL_MAX_MB with nothing settled and no
   informational event left to drop, the disk is nearly full, or the disk does not take writes. A reserve file is given
   up so that the outcomes of what runs already can still be written.
4. At most 100,000 events wait for the hub, and fewer where tombstones have gone and the file is over JOURNAL_MAX_MB
   still. The oldest informational ones are then replaced by one that counts them (`events-dropped`); important ones
   (`IMPORTANT`) are never dropped.
5. A damaged file is set aside, what can be read of it is carried over, and a new journal with a new id is begun; where
   a run is cut off in doing so, the next one ends it.
   What was asked of one journal is never answered from another: what that one forgot would be executed again.
6. A file that comes from another machine (`appliance.box`), or of which the hub says that another machine has it too,
   goes on under a new id as well: what was asked of the old one may be known to the other machine alone.
7. Nothing needs the wall clock to be right: order is the row's number, age is only looked at when the clock is
   plausible, and counts to the newest operation at most.

`journal.py` is the door (async); `writer.py` the one thread that touches the file; `store.py` the statements;
`book.py` those of the desk; `files.py` the directory: lock, reserve, setting aside. Those above enter by the door only.
"""

from appliance.journal.book import Book, Entry, Work
from appliance.journal.errors import JournalInUseError, StorageError, UnknowableError
from appliance.journal.journal import Journal, Limits
from appliance.journal.store import Row

__all__ = ["Book", "Entry", "Journal", "JournalInUseError", "Limits", "Row", "StorageError", "UnknowableError", "Work"]
