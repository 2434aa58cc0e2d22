"""Who the kiosks are and where their sockets are: registry, tokens, links, and the inbox of their events.

`operations` comes in through `links` to have a request carried out and is told what kiosks say; `web` brings sockets;
the doors administer the registry. For people: `history` keeps when each came and went and why, `flapping` says when
that is too often, `noteworthy` finds the newest events worth a look, `fleet` counts for the metrics. Nothing here knows
what an operation is for.
"""
