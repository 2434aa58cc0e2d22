"""Bill validators that speak ID-003: JCM EBA, UBA, WBA, and iVIZION in its ID-003 mode.

The facts come from four public hosts that agree with each other (a Python host; a C# host for the UBA, Mod_UBA;
Portalum.Id003, tested by its authors on an EBA-40; max7019/Id003-.Net-driver), country codes and failure codes also
from AlexObukhoff/TerminalClient. JCM's own document, ID03-001E, was seen only in part.

Here live `frames` (FC, length, code, data, CRC-16/KERMIT), `commands`, `states`, `currency` (the assignment that the
device tells, never a table of ours), `exchange` (one request at a time), `hearing` (what statuses mean for the note and
the money), `configuration`, `memory`, `protocol`, `driver`, `simulator`, `explain` and `probe`.

Limits: polled mode only (the interrupt mode's ENQ is read and not used); bar-coded tickets are given back; the
recycler's extension F0 20 is decoded as bytes; encryption is not spoken. No frame of a VEND VALID, an escrow or a
rejection from a real device was found in public, and nothing here has met a real validator yet: how soon a device
answers, whether it gives an undecided note back by itself, and when after a power cut it comes to VEND VALID are taken
from hosts' code, not from JCM.
"""
