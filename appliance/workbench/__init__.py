"""What a person does at a bench or in front of an open kiosk: look for devices, walk through one, simulate one.

    simulated   `kioskwire-sim device | do | list`
    arguments   of `kioskwire-appliance devices`
    devices     that command and `devices test`
    survey      what hangs on which port
    trials      one device, step by step
    reading     bytes as frames, and which are to be refused
    decode      `kioskwire-appliance decode`
    replay      `kioskwire-appliance replay`
    report      `kioskwire-appliance report`
    sheet       that report as a person reads it: pure

Only the commands come in. Nothing here is part of a running appliance, and nothing here changes the journal of one,
which only `report` reads: a device that is open there is left alone.
"""
