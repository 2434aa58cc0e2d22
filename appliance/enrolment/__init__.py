"""Trades a one-time code for this kiosk's identity, wherever the code came from: page, command or file.

Knows the hub's `POST /enroll` and `appliance.identity`; knows nothing of operations or devices. The key pair is on the
disk before the code is sent, so that an answer lost with the power can be asked for again.
"""
