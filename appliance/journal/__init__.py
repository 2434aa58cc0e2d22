"""The kiosk's only memory: operations, their outcomes, events to tell, and the desk's book, in one SQLite file.

Rules, in the order in which they matter:

1. What a caller relies on is on the disk before anybody is told: `synchronous=FULL`, one transaction for all that wait.
2. Outcomes the hub has not settled, and works that have not ended, are never dropped, whatever the size. What is over
   is kept for JOURNAL_KEEP_DAYS and as long as there is room: settled outcomes as tombstones, to answer repetitions,
   and of the book what is as old as they; the oldest go first (`pruning.py` says what stays all the same).
3. New operations and works are refused while there is no room: the file is over JOURNAL_MAX_MB with nothing settled and
   no informational event left to drop, the disk is nearly full, or the disk does not take writes. A reserve file is
   given up so that ends, and what has happened, can still be written.
4. At most 100,000 events wait for the hub, and fewer where tombstones have gone and the file is over JOURNAL_MAX_MB
   still. The oldest informational ones are then replaced by one that counts them (`events-dropped`). Important ones are
   never dropped: those about money, and whatever else the one who tells them says is.
5. A damaged file is set aside, what can be read of it is carried over (`carried.py`), and a new journal with a new id
   is begun; where a run is cut off in doing so, the next one ends it.
   What was asked of one journal is never answered from another: what that one forgot would be executed again.
6. A file that comes from another machine (`appliance.box`), or of which the hub says that another machine has it too,
   goes on under a new id as well: what was asked of the old one may be known to the other machine alone. On another
   machine the devices are others too: works end as interrupted, and what lay where is written down once more
   (`levels-left`) and forgotten. Who only changed the board reads there what to set the levels to.
7. Nothing new is begun during a standstill (`Journal.stand_still`), which can be had only while nothing is under way.
8. A file that a later version has changed is gone on with where that version says so; else it is left as it is.
9. Nothing needs the wall clock to be right: order is the row's number, age is only looked at when the clock is
   plausible, and counts to the newest operation at most.

`journal.py` is the door (async); `writer.py` the one thread that touches the file, `jobs.py` what it is given;
`schema.py` the tables, `store.py` the statements, `book.py` those of the desk; `pruning.py` what goes, `carried.py`
what is saved of a damaged file and `saved.py` until when; `files.py` the directory: lock, reserve, setting aside;
`looking.py` reads the book from outside. Those above enter by the door only.
"""

from appliance.journal.book import Book, Entry, Work
from appliance.journal.errors import JournalError, JournalInUseError, StandstillError, StorageError, UnknowableError
from appliance.journal.journal import Journal, Limits
from appliance.journal.looking import Look, is_used, look_into
from appliance.journal.store import Recent, Row

__all__ = [
    "Book", "Entry", "Journal", "JournalError", "JournalInUseError", "Limits", "Look", "Recent", "Row",
    "StandstillError", "StorageError", "UnknowableError", "Work", "is_used", "look_into",
]  # fmt: skip
