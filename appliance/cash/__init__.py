"""Taking money: how much is in, what is kept, given back, paid out and owed. Only `desk` and `app` enter.

    result     what a session answers, keeps, says; names others read
    session    one customer's payment, from the first note to the last coin of change: pure, time is an argument
               (`orders` what it wants done, `devices` how its devices stand, `showing` what people are told)
    takings    what its events come to, heard one by one or read from the book: pure
    outcome    the answer that follows from them: pure
    change     which coins make an amount, and whether the hoppers can: pure
    stocks     how much a hopper is believed to hold
    reading    a request's JSON, every mistake at once: pure
    carrier    carries a session out on devices; `ending` is its last transaction
    cutoff     ends a session of the run before, by the book
    unclaimed  money that came when nobody waited for it
    owed       how claims stand, and that a person has settled one
    service    takes sessions on, and finds those of the run before; `target` is how `operations` sees it

Credits come from events that are on the disk already. Nothing here prints a receipt or knows what is being paid for.
"""
