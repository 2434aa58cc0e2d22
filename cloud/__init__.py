"""The hub: holds the kiosks' sockets and carries out what backends ask of them.

Floors, top to bottom: `__main__` and `app` build and start everything; `web` is the door; `operations` is the work of
`POST /send`; `kiosks` (registry, tokens, sockets) and `backends` (API keys, callback addresses) stand below it, `db`
and `bus` carry them; `settings`, `logs`, `metrics` and `errors` know nobody. A lower floor never calls a higher one:
it returns a value or hands an event to who asked for it. Nothing here imports the appliance.
"""
