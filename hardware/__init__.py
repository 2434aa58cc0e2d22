"""Drivers for cash and fiscal devices: what a kiosk has on its serial ports, in the words of its owner.

Here live the roles (`roles`), what devices tell (`events`), one room for each family of devices (`ccnet`, `cctalk`,
`shtrih`, `atol`, `escpos`, `id003`, `ssp`), the line they speak over (`ports`, `link`, `trace`) and the bench their
simulators run on (`simulation`). Whoever uses a device asks `catalogue` for a driver by name and gets a role; nobody
outside reaches into a family.

The appliance may come in, and the tests. Nothing here knows of kiosks, operations, shops, Tornado or the journal's
tables: asyncio only, and of ours only `wire`. A driver never decides what is done with money; it says what happened,
waits until that is written down, and only then confirms it to the device. It never guesses: what cannot be known is
`OutcomeUnknown`. Families are strangers to each other, and no driver imports a simulator.
"""
