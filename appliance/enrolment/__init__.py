"""Trades a one-time code for this kiosk's identity, wherever the code came from: page, command or file.

Knows the hub's `POST /enroll` and `appliance.identity`; knows nothing of operations or devices. The key pair is on the
disk before the code is sent, so that an answer lost with the power can be asked for again.

given       what the settings say
papers      what stands in STATE_DIR after each step
moving      where the hub is now, and whose outcomes may be told
trade       one question to the hub
service     all of it, while the appliance runs
standing    how far it is, for the page and for health
arguments   what `kioskwire-appliance enroll` takes; light, since every command loads it
command     `kioskwire-appliance enroll`, whether the appliance runs or not
"""
