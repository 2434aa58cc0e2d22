"""ATOL fiscal registers through the web server that comes with their driver 10: JSON tasks over HTTP.

    commands      every task type, what it takes and gives, and how well it is known
    states        what becomes of a task, error codes, in words
    frames        tasks and answers as JSON, money exact to the kopeck
    receipts      a receipt, a slip, a correction as tasks
    asking        the queue: put in, look, take out; questions to the register
    orders        what is to be done once, and how it is remembered
    conversation  how each thing is done once: what is asked, what is written down before, how it is found out
    protocol      takes commands and HTTP answers, one at a time, and runs those conversations
    driver        the role, on httpx
    wire          HTTP over one of our ports, for simulators and traces

Facts are from public clients of the web server and type descriptions of its JSON (recorded answers of a TypeScript
client of December 2025, a web server of the driver's own Java library, an agent modelled on Web Requests 1.0.4.0 of
September 2026); the vendor's own document was not at hand. `commands.Evidence` says of each task where it was seen.

What everything rests on:

* The uuid of a task is the key that keeps it from being done twice. It is made from the register's name and the
  caller's reference, so that the same reference always asks for the same task.
* The number of the last document in the fiscal storage is the truth. It is written down before a task is sent; status
  words of the web server (`error`, `interrupted`) never decide alone that nothing was registered.
* Error 505 only says that the server did not do what it was asked, with a repeated uuid as with an unknown one.

Limits: no marked goods, no agents, no raw v2/v3 protocol of older machines, roubles only; Kazakh models have another
driver. One client a register is assumed; documents that somebody else makes meanwhile lead to `DocumentUnclear`.
Nothing here has met the real web server: how it answers a repeated uuid, whether it goes on by itself after paper was
put in, and the last document's fields are as the sources above say.
"""
