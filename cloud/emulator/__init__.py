"""What stands around a hub, simulated: the Bot API, as strict as the real one, with a page to talk to the bot on.

    entities   HTML as Telegram parses and refuses it; offsets in UTF-16 units
    tidy       what Telegram does to text and entities after that
    arguments  what a call brings, in any of the ways Telegram takes it; `errors`: refusals, in Telegram's words
    rules      lengths, keyboards, commands, addresses: pure
    limits     how much a bot may say: pure
    chats      people, chats, topics, messages, files
    updates    what waits for the bot; `webhook` delivers it
    api        the table of methods; `sending` and `receiving` carry them out
    doors      their HTTP, and the bad days of it
    people     what people do, for tests and the page
    server     all of it on a port: `Emulator`
    page       chats in a browser
    command    `kioskwire-sim telegram`

Tests and the demo run it. It knows nothing of the hub's bot: it speaks the Bot API over HTTP, and refuses what Telegram
refuses in Telegram's words. Nobody imports it but tests and that command.
"""
