"""Shtrih-M fiscal registers ("Протокол ККТ": ШТРИХ-М, РИТЕЙЛ, ШТРИХ-ФР, СмартПОС, PayKiosk).

Facts are from the vendor's protocol description 2.0 build 24 (2016: both link layers, base commands, errors, modes),
1.16 with the fiscal storage's commands (2019-03-19), 1.17 and PayKiosk 1.17 (2021), from traces in public issue
threads of `shtrih-m/fr_drv_ng`, `fr_drv_ng_examples` and `javapos_shtrih`, and, for fields the descriptions leave out
(documents found by number, registers' numbers, the 2D code's parameters), from the vendor's own public drivers.

    frames      bytes of link layers v1 (ENQ/ACK/NAK, LRC) and v2 (8F, stuffed, numbered)
    fields      how numbers, money, dates, texts and TLV stand in a command
    tags        TLV of the fiscal storage
    declaration, commands, storage_commands    every command, its request and its answer
    states      modes, submodes, error codes, in words
    line        one question and one answer over either link layer
    book        what must outlive a power cut
    plan        a receipt in the register's own words
    steps, procedures, slips    what is asked in which order, and what an answer means for the money
    requests    what is asked for from above
    protocol    all of it on one port
    driver      the role `FiscalRegister`
    simulator, handlers, fiscal, printing    the other end
    explain, probe

Limits: marking codes (FF60 and up) are decoded and encoded but not part of a receipt; corrections are those of FFD
1.05 (FF35, FF4A); slip printers and the C0 graphics are declared only. A register without fiscal storage (`fiscal =
"base"`) is taken from the base commands' description alone: no source confirms it for Kazakhstan's models. Nothing
here has met a real device.
"""
