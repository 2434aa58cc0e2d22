"""Every door of the two programs, and what a stranger, a broken peer or an adversary may bring to it.

`mutate` makes bad things of good ones, `requests` and `transcripts` are the good ones, `raw` brings them to a socket
with no library in between, `liars` are peers that answer nonsense, `watch` looks at the programs meanwhile: their logs,
their memory, and a payment that must go on as if nothing were. Everything is drawn from one `random.Random`, so that a
seed says it all.
"""
