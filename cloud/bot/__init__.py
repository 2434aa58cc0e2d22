"""The hub's second door: operators in Telegram.

    room       all of it, as the entrance starts and stops it
    talk       the Bot API as this room needs it: messages, buttons, files; limits and refusals of Telegram
    line       the same over python-telegram-bot, the only one that imports it
    polling    the ear: long polling or a webhook, under a lease among several hubs
    incoming   what Telegram delivers: on the disk before Telegram may forget it, worked off in order
    hearing    what an update means: who wants what; pure
    doing      carries it out, and tells what came of it
    commands   the table of commands and buttons; `acts_*` carry them out by calls to services
    hands      those services
    asks       questions with buttons and replies: for one person, once, for a while
    users      whom the bot obeys, and in which language
    menu       the commands as Telegram shows them
    texts      every sentence, in English and Russian
    html       what Telegram takes as HTML: escaped, and cut where it must be
    refusals   why a service refused, in the reader's language
    shown_*    what is shown of a kiosk, a list, an operation, alerts; `*_words`: single things in the reader's language
    command    the nouns of acts, `reply` of what they answer; `usage`, `near`, `durations`: how commands are written
    oplog      the operation log: one message an operation, digests above a rate
    notices    alerts as messages

It calls services of the floors below and is called by none. What it shows is masked and escaped here, whatever it came
from. It never slows an operation: it reads along (`operations.feed`), and loses lines rather than time. The `web` door
knows nothing of it but a callable for Telegram's webhook.
"""
