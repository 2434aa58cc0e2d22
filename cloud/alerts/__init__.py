"""What is wrong with kiosks and with the hub, and who is to know: raised, repeated, hushed, cleared.

    alert      the nouns: a condition that holds, an alert that stands, a notice of it
    kinds      every kind of alert: severity, grace, repetition; what ALERTS_CONFIG may change
    rules      when to raise, clear, repeat, escalate, and when to keep quiet: pure, time is an argument
    quiet      hours of a place
    book       what stands and what was told of it, without I/O
    told       what an event says is wrong: pure
    standing   what kiosks' events say is wrong there, written in the transaction that stores the event
    presence   who was ever here, and since when who is not
    facts      what holds just now: standing rows, links, operations, updates, the hub's own troubles
    crowd      what one kiosk may have standing; the rest is counted
    memory     the book's tables: read at the start, written behind
    service    looks every few seconds, has notices ready for each way of telling
    outage     of hubs that share a database: that it is away for all of them
    words      an alert as one English sentence
    webhook    the same notices, signed, to ALERTS_WEBHOOK_URL
    config     ALERTS_CONFIG, every mistake at once
    room       all of it, as the entrance starts and stops it

Ways of telling (the bot, the webhook) come in through `service`: they take what they have not told yet and say when
they have. What they could not tell is not piled up: what has come and gone meanwhile is only counted. Nothing here
knows Telegram or HTTP frameworks.
"""
