"""Why the hub is not reached: link, address, DNS, captive portal, proxy, TLS, clock, hub, token, one after the other.

    steps      what each step may find, and the verdict on all of them; pure
    probe      looks: every look has a timeout and changes nothing
    service    looks while there is no link to the hub, and when a person asks; remembers the last walk

The page and the health report read what it found. It never touches the uplink, whose connection it does not share.
"""
