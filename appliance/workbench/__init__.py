"""What a person does at a bench or in front of an open kiosk: look for devices, walk through one, simulate one.

    simulated   `kioskwire-sim device | do | list`
    survey      `kioskwire-appliance devices`: what hangs on which port
    trials      `kioskwire-appliance devices test`: one device, step by step

Only the two commands come in. Nothing here is part of a running appliance, and nothing here reaches the journal of
one: a device that is open there is left alone.
"""
