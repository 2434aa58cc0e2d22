"""Fiscal documents by the kiosk's own register, each registered once. Only `desk` and `app` enter.

    reading   a request's JSON as a receipt, every mistake at once
    shift     when a shift is opened and closed, and what waits: pure
    service   registers, asks the register after lost answers, keeps what cannot be registered now

A payment never fails for its receipt: what cannot be registered now is `pending`, is tried again, and is told.
"""
