"""The hub's HTTP door: kiosks' sockets, `POST /send`, operations, administration, health.

`routes` lists every address. A handler reads, calls one service, answers; refusals become `application/problem+json`
in one place. `send` is free of any HTTP framework: `door` feeds it straight from the socket, Tornado for the rest.
"""
