"""How much lies where: counts by device and denomination since the last collection, and whether all adds up.

    booking      what an event of a device changes, within the transaction that writes it
    marks        when a device is near full or near empty: pure
    collections  the money is taken out, levels are set and refilled
    reckoning    the sums, and what does not agree: pure
    totals       a register's own totals against its documents: pure
    reconcile    journal against sessions, counters and documents: differences named, once a shift or when asked

`supervisor` enters with every event; the desk and the commands read. Nothing here asks a device anything. Functions
that take a `Book` run within their caller's transaction.
"""
