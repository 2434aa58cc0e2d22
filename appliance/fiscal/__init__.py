"""Fiscal documents by the kiosk's own register, each registered once. Only `desk` and `app` enter.

    reading   a request's JSON as what is to be done, every mistake at once: pure
    shift     when a shift is opened and closed, and what waits: pure
    result    what becomes of a document, as answers and the book have it
    records   documents in the book
    clerk     brings one register's documents to their end, in order, for as long as it takes
    target    what a backend asks of a register
    service   the fiscal desk: documents in, answers out, what the run before left

A payment never fails for its receipt: what cannot be registered now is `pending`, is tried again, and is told.
"""
