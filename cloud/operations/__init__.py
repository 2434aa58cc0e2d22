"""The work of `POST /send`: an operation from the backend's wish to its outcome, and the news of it.

`operation` holds the rules (pure), `store` the rows, `service` brings backend and kiosk together, `callbacks` tells
backends, `retention` forgets. `resolving` lets a person settle what nobody else can tell, by the rules of `by_hand` and
`starting`; `feed` is for who reads along. The doors come in through `service` and `resolving`; HTTP frameworks are
unknown here, so that any door can stand before it.

Read for people, and beside the work: `facts` (what no service has at hand), `search` and `deliveries` (pages of
operations and of callbacks), `figures` (what charts are drawn from: pure), `figure_rows`, `tally` (counts them).
"""
