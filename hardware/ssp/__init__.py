"""Bill validators that speak SSP: ITL's NV9, NV10, NV200, BV20, BV50, BV100 and their kin.

The facts come from two open drivers, their unit tests and tables (kybarg/ssp for Node, with its lists of commands,
events and reject codes; dia_nv.cpp for the NV9 and NV11), from the tests of CCS.SspNet, and from ITL's own SSP Protocol
Manual GA138 2.2.2129A (the NV9USB's chapter), of which a text copy stands in a public repository; its examples of
frames are among the tests.

Here live `frames` (7F, sequence and address, length, data, CRC-16; a 7F inside is doubled), `commands`, `replies`,
`events` (what a poll brings), `states`, `exchange` (the flag that makes each command happen once), `hearing` (what
polls mean for the note and the money), `configuration`, `memory`, `protocol`, `driver`, `simulator`,
`explain` and `probe`.

Limits: notes are taken, nothing is paid out; payout commands and encrypted packets are decoded where frames show them
and never sent. A device that takes only encrypted commands is told of as a fault. POLL WITH ACK is encrypted on a
device that has encryption switched on; then, and where it is unknown, the plain poll is used. Not certain, and never
tried on a device: which firmware has POLL WITH ACK, what the reason byte of F5 means, whether a credit that was not
acknowledged outlives a power cut, how long a device waits for polls before it disables itself, and the lengths of
payout events before protocol 6.
"""
