"""Who the kiosks are and where their sockets are: registry, tokens, links, and the inbox of their events.

`operations` comes in through `links` to have a request carried out and is told what kiosks say; `web` brings sockets
and administers the registry. Nothing here knows what an operation is for.
"""
