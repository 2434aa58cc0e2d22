"""Gets new versions and lets go of bad ones: fetch, verify, lay beside, switch when nothing moves, prove, or go back.

May look at the journal, whose state says whether money moves; never begins or ends an operation, and never runs what
is not signed. What decides is pure (`wire.release`, `trial`); the launcher, which runs before any of this, only obeys
files.
"""
