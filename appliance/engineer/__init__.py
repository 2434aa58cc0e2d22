"""What an engineer in front of the kiosk does on its page, behind a PIN.

    pin         the PIN as it stands in STATE_DIR (scrypt)
    tries       how often it may be tried: waits that grow; pure
    sessions    who has typed it: a cookie for half an hour, in memory; pure
    work        one thing at a time, with progress, that always ends
    trial       one device tried through the supervisor that holds it; `holding` has it meanwhile
    gates       whether each route's gateway is reached
    collecting  money taken out, written down once for each form
    bundle      the support bundle: an archive of what a developer would ask for, through the sieves of `redact`
    lines       the log's last lines
    service     all of it

The `web` door comes in. It does nothing to a device that an operation is using, and begins no operation of the hub's.
"""
