"""Taking money: how much is in, what is kept, given back, paid out and owed. Only `desk` and `app` enter.

    session   one customer's payment, from the first note to the last coin of change: pure, time is an argument
    change    which coins make an amount, and whether the hoppers can: pure
    service   carries sessions out on devices, and brings those of the run before to their end

Credits come from events that are on the disk already. Nothing here prints a receipt or knows what is being paid for.
"""
