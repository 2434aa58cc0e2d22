"""The work of `POST /send`: an operation from the backend's wish to its outcome, and the news of it.

`operation` holds the rules (pure), `store` the rows, `service` brings backend and kiosk together, `callbacks` tells
backends, `retention` forgets. `web` comes in through `service`; HTTP frameworks are unknown here, so that any door can
stand before it.
"""
