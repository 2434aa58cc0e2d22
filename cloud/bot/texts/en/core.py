"""What the bot itself says: refusals, wrong use, troubles."""

TEXTS = {
    "core.stranger": "Sorry, I obey only the operators of this hub. Your user id is {user} — one of them can add it.",
    "core.unknown": "There is no command /{command}. All of them: /help",
    "core.unknown_near": "There is no command /{command}. Did you mean /{near}? All of them: /help",
    "core.no_command": "I take commands only: /help has them all.",
    "core.usage": "{why}\nRight would be: {usage}",
    "core.quote_open": "A quotation mark is not closed.",
    "core.refused": "No: {why}",
    "core.database_away": "The database does not answer just now: {why}. See /status",
    "core.failed": "That failed, by a mistake of the hub's own; its log has the reason. How things stand: /status",
    "core.too_slow": "That took longer than {seconds} s, and I stopped waiting. How things stand: /status",
    "core.too_old": "I was away when this came, {ago} ago, and have not carried it out: {text}\n"
    "If it still stands, say it again.",
    "core.too_old_press": "This button was pressed while I was away, {ago} ago, and nothing was done. Ask again.",
    "core.restarted": "The hub was restarted in the middle of this, so it may have happened or not: {text}\n"
    "Look how it stands: {look}",
    "core.button_gone": "This button does nothing any more.",
    "core.answer_gone": "This question is no longer open. Ask again.",
    "core.forwarded": "I do not obey forwarded messages: write it yourself.",
    "core.not_stored": "The database does not answer, so I have changed nothing. Say it again once it does: /status",
    "core.waits": "The database does not answer just now. Once it does I do this, or tell you that it was too late.",
    "core.restarted_press": "The hub was restarted in the middle of this: it may have happened or not.\n"
    "Look how it stands: {look}",
    # Why a service refused
    "core.why_no_kiosk": "there is no kiosk {kiosk}: it was removed, or never added.",
    "core.why_kiosk_exists": "there is a kiosk {kiosk} already.",
    "core.why_no_operation": "there is no operation {id}.",
    "core.why_has_ended": "it is known what became of it: {state}.",
    "core.why_not_unknown": "its outcome is not unknown, it is {state}.",
    "core.why_may_begin": "its kiosk may still begin it, or be at work on it, for {span} from now. It "
    "can be settled after that.",
    "core.why_under_way": "it is under way, or its state is being stored just now. Look again in a moment.",
    "core.why_kiosk_tells": "its kiosk tells just now what became of it. Look again in a moment.",
    "core.why_being_settled": "somebody is settling it just now. Look again in a moment.",
    "core.why_not_muted": "{scope} is neither a kiosk nor a kind of alerts.",
}
