"""People who sign in at the dashboard, and what people did.

    account    roles, accounts, sessions and acts, as nouns; pure
    accounts   their rows: made, changed, found by name; the one-time links
    passwords  Argon2, and the second factor by time (TOTP); pure
    hashing    the same in threads, a few at a time
    signing    what a browser keeps of us; pure
    sign_in    from name and password to a session, and from a cookie back to it
    sessions   their rows
    tries      how often somebody may try: by name, address, and known browser
    own        what people change about their own accounts
    audit      every act of every person, by whichever door: dashboard, admin API, bot, command line
    room       all of it, as the entrance starts and stops it; the link for the first admin
    command    `kioskwire-hub account …`

Doors come in, and the command line. It knows nothing of cookies, pages or kiosks.
"""
