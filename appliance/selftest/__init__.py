"""Proves that a program, frozen or not, is whole: all it loads by name is there, and an operation goes through it.

Above the appliance, since it runs one; nothing of it is loaded by a kiosk at work.

`whole` says what must be there and loads each: from a list that was written when the program was frozen, and from our
own catalogues, so that a new driver cannot be forgotten. `loopback` runs the appliance against a hub of its own making.
`command` is `kioskwire-appliance selftest`.
"""
