"""CCNET: bill validators of CashCode (SM, MSM, MVU, MFL, FLS), and Bill-to-Bill units as acceptors.

Facts are from CashCode "CCNET Protocol, Document 1, Common Specifications", rev. 2.6.0 (December 2014), and from frames
in public code, which the tests name by what they show. What the document leaves open is said where it is decided.

Here live `frames` (bytes and frames), `commands` and `bill_table` (what they carry), `states` (words for the
operator), `exchange` (one question on the line), `book` (what is known about notes, and found again after a restart),
`setup`, `hearing` (what an answer to POLL means), `escrow` (orders about the note inside), `wishes` (who above waits),
`standing` (how it stands, for a person), `protocol` (all of it together), `driver` (the role), `explain` and `probe`;
and on the bench `mechanism` and `simulator`. Come in by `driver`, `simulator`, `explain` and `probe`.

What the driver relies on:

- An event that is not acknowledged within 10 ms is told again (rule 2 of the dialogue: silence counts as NAK). The ACK
  leaves right behind the journal's write; a slower journal makes the device tell the event again, and that is
  acknowledged at once. A firmware that tells an event once loses it with a lost frame: such a note is told as unclear,
  and the counter of stacked notes, where the firmware has one, as different.
- A note in escrow after an outage, of the type that was ordered into the cassette before it, may be another: the
  counter decides, and without one the first is told as unclear.
- All types are enabled with escrow. A note that is stacked without an order is credited as unclaimed.

Limits: no paying out and no recycling (Bill-to-Bill's commands for it are decoded, not used), no firmware download, no
bar-code coupons (type 23 is never enabled), no bus reset by break, one device on a line. A line must bring an answer
within 200 ms: over a slower one (some TCP bridges) questions and answers would be mistaken for each other.

Never met a real device: everything. Least certain, because no public trace shows it: the sequence 12, RESET, 81 (and
which states stand between); whether a note given back after 11 is told by 82; POWER RECOVERY; 5B; the letters in the
bill tables of other countries than Ukraine; tables of 48 types; long frames.
"""
