"""How much lies where: counts by device and denomination since the last collection, and whether all adds up.

`supervisor` enters with every event, within the transaction that writes it; the desk and the commands read. Nothing
here asks a device anything.
"""
