"""What the hub and the appliance have in common, and nothing else of each other.

Here live the contract of the wire (identifiers, messages of both dialects, the conversation, problem types) and a
few pure functions on text that both programs need alike (settings from strings, log lines, masking).

Everybody may import this package; it imports none of ours. It never does I/O, never reads a clock (time is an
argument, in seconds of a monotonic clock unless said otherwise), never logs and keeps no module state. The exception
is `crashpoint`, by which tests have either program die at a named place: nothing in what is installed.
"""
