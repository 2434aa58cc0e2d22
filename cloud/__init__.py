"""The hub: holds the kiosks' sockets and carries out what backends ask of them.

Floors, top to bottom: `__main__`, `serving` and `app` build and start everything; `web` (HTTP), `bot` (Telegram) and
`dashboard` (browsers) are the doors, strangers to each other; `alerts` says what is wrong, and to whom, and `telemetry`
pushes figures; `operations` is the work of `POST /send`; `kiosks` (registry, tokens, sockets), `backends` (API keys,
callback addresses), `updates` (new versions) and `accounts` (people, and what they did) stand below it, `db` and `bus`
carry them; `settings`, `logs`, `metrics`, `errors`, `garbage` and `cancelled` know nobody. `emulator` stands beside
all of it: a Telegram to try the bot on. A lower floor never calls a higher one: it returns a value or hands an event
to who asked for it. Nothing here imports the appliance.
"""
