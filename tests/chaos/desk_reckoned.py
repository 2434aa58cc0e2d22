"""The kiosk's own reckoning of a day: sessions, lines and tallies of its book must agree, whatever happened."""

import shutil
from contextlib import closing
from pathlib import Path

from appliance.journal.schema import connect
from appliance.journal.store import Store
from appliance.levels.reconcile import reconcile

# The others are what devices say of themselves, and may be so on a bad day.
_NEVER = ("balance", "session", "level", "unclaimed")


def reckoned(journal: Path) -> list[str]:
    """What does not agree in a journal that nobody uses; it is left as it is."""
    copy = journal.with_name("reckoned.db")
    shutil.copyfile(journal, copy)
    connection = connect(copy)
    with closing(connection):
        connection.execute("PRAGMA synchronous = OFF")
        store = Store(connection)
        store.prepare("")
        record = reconcile(store.book, at=0.0)
    return [f"the book does not agree: {each['words']}" for each in record["differences"] if each["what"] in _NEVER]
