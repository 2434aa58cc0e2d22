"""Bill validators that speak SSP: ITL's NV9, NV10, NV200, BV20, BV50, BV100 and their kin.

The facts come from two open drivers, their unit tests and tables (kybarg/ssp for Node, with its lists of commands,
events and reject codes; dia_nv.cpp for the NV9 and NV11) and from the tests of CCS.SspNet. ITL's manuals, GA138 and
GA973, were not seen.

Here live `frames` (7F, sequence and address, length, data, CRC-16; a 7F inside is doubled), `commands`, `replies`,
`events` (what a poll brings), `states`, `protocol`, `driver`, `simulator`, `explain` and `probe`.

Limits: notes are taken, nothing is paid out; payout commands and encrypted packets are decoded where frames show them
and never sent. A device that takes only encrypted commands is told of as a fault. Not certain without ITL's manual,
and never tried on a device: which firmware has POLL WITH ACK, what the reason byte of F5 means, how long a device
waits for polls before it disables itself, and the lengths of events before protocol 6.
"""
