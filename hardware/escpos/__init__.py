"""ESC/POS receipt printers: Epson's command language as Epson, Citizen, Bixolon, Custom and their clones speak it.

Facts are from Epson's TM-U220 command pages (54, 55, 83) and the reference page of DLE EOT, the Bixolon SRP-350,
Citizen CT-S2000 and PPU-231, Partner RP-330 and Custom KPM150H (page 66) manuals, and the code page tables of
escpos-printer-db. What proves that a slip is on paper is our own inference; `proof` says what it is and what it
rests on.

    commands   every command once: bytes, fields, a sentence          states     the status bits, in words
               (declaration: how they become bytes and back)          codepages  which page has which letters
    frames     a host's stream cut into commands and text, answers    render     a slip as bytes
    protocol   the conversation, put together from                    orders     what may be asked of it, its settings
               asking, cleaning, proof, condition, waiting            memory     what outlives a restart
    driver     the role `ReceiptPrinter`                              profiles   what each model has
    explain    both directions in words                               probe      is one there?
               (instructions of the host, replies of the printer)     simulator  one without a printer
                                                                                 (mechanism, style)

Limits. ESC/POS has no checksum: a byte spoiled on its way to the printer is a wrong letter that nobody notices. Nothing
is confirmed by a printer that does not answer GS r. One that is back within `restart_s` of a loss of power (3 s here)
could be taken for one that never lost it. A picture that holds the bytes of DLE EOT or DLE DC4 may be obeyed as such
by some models. Letters that no code page has are refused or replaced, not drawn. Bar codes are EAN13, EAN8, CODE39
and CODE128 (set B). No page mode, no presenter commands, no power saving.

Never tried on a real printer: all of it. The simulator and python-escpos (in the tests) are what it was tried on.
"""
