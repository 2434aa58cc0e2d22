"""The operation log: one message an operation in a chat, digests above a rate.

    line     one operation as a message: pure
    fields   the few members of a body that tell what it is about: pure
    plan     what to send next, within the rate and Telegram's pauses; lines or digests: pure
    tally    many operations as a digest: pure
    log      the task that reads the feed and sends what the plan says

Nothing here is waited for by an operation, and nothing here grows: what is too much is counted instead of shown.
"""
