"""ccTalk: coin acceptors, hoppers and bill validators that share one line.

Facts are from "ccTalk Serial Communication Protocol, Generic Specification, Part 2" v4.6 (commands, events, codes).
Part 1 (framing, timing) was not seen: frames, times and the echo are as public implementations quote them
(vltgroup/ccTalk, ashaduri/qt-cctalk, PierreBeucher/ccTalk4j, frank-dspeed/esnext-cctalk, endticket/cctalk). Names and
fields of headers that no driver here sends are as public lists have them, and less certain.

    frames      bytes and frames, with either sum
    commands    every header: its name, what is asked and answered, in fields (`fields`)
    states      faults, events and flags in words
    credit      the event counter and its buffer: what is new, what was lost
    values      names of coins and notes as money
    lane        one device's turn on the line: a script of questions, written as a generator
    protocol    the bus: one question in flight, fair to all, echo, repeats
    device      what every device has in common: being looked for, who it is, its memory
    counted     what acceptors of coins and notes have in common: events, inhibits, the self check
    coins, notes (`held`), hopper (`payout`)   the three conversations
    driver      `Bus` and the roles on it
    simulator   a whole bus of pretenders (`simulated`, `simulated_cash`)
    explain, probe, survey    frames in words; who is there

Limits. A sum of 8 bits passes one wrong frame in 256: an answer that would move money is therefore asked for twice and
believed when both agree, which leaves very noisy lines with a risk that only the CRC removes. With the CRC a device
does not say who it is, so one bus takes one such device. Encrypted devices (BNV, DES) are refused in words. The
five-event buffer is all a device remembers: what it took in beyond that, or before its own power cut, is told as
possibly lost and never guessed. A hopper is assumed to keep its count of dispensed coins (168) up to date as each coin
leaves.

A device's answers may be late by 2 s or doubled by the line; the host's orders may be lost, halved, changed or late,
but a line that doubles them by itself doubles a payout: no protocol without numbers can tell.

Never met: any real device. Everything was tried against `simulator` and against frames published by others. A tenge
coin's name (`KZ100A`) is an inference.
"""
