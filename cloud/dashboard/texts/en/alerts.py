"""Alerts: what each kind is called, and what to do."""

_KINDS = {
    "kiosk-offline": (
        "Not connected",
        "Look at the kiosk's power and network. If many went at once: what do they share?",
    ),
    "kiosk-duplicate": (
        "Two boxes with one identity",
        "Find the copy (a cloned disk?) and switch it off. If it may be stolen, give the kiosk a new token.",
    ),
    "kiosk-clock": (
        "Wrong clock",
        (
            "Receipts and certificates depend on it. Let the kiosk reach its time server; wrong after power cuts: a"
            " new battery."
        ),
    ),
    "kiosk-disk": (
        "Disk almost full",
        "Without room the kiosk stops. Remove old logs, old packages, files of other programs.",
    ),
    "kiosk-journal": (
        "Trouble with the journal",
        "The journal is the kiosk's memory of what it has done. See whether its disk is sound and has room.",
    ),
    "device-fault": (
        "Device out of order",
        "Look for a jam or an open cover; if there is none, switch the power off and on.",
    ),
    "device-absent": ("Device does not answer", "Look at its cable and power."),
    "cassette-near-full": ("Cassette nearly full", "Plan a collection: soon no notes are taken."),
    "cassette-full": ("Cassette full", "Send a collection: no notes are taken until it is emptied."),
    "cassette-removed": ("Cassette taken out", "Make sure that this is a collection. If it is not, it may be theft."),
    "hopper-near-empty": ("Hopper nearly empty", "Plan a refill: soon there is no change to give."),
    "hopper-empty": ("Hopper empty", "Refill it, and enter at the kiosk how much went in."),
    "paper-out": ("Out of paper", "Put in a new roll: no receipt can be printed."),
    "paper-low": ("Paper is low", "Put in a new roll at the next visit."),
    "shift-old": ("Shift open for long", "Close the shift: past 24 h the register refuses receipts."),
    "receipt-pending": (
        "Receipt not made yet",
        "A payment went through, its receipt did not. Look at the register: paper, shift, cover, fiscal storage.",
    ),
    "receipt-unclear": (
        "Unclear whether a receipt was made",
        "It is not repeated by itself. Compare the register's last documents and decide at the kiosk.",
    ),
    "operation-unknown": (
        "Outcome of an operation unknown",
        "It may have been executed, or not; it is not repeated by itself. Find out, then settle it by hand.",
    ),
    "operation-contradicted": (
        "Kiosk tells otherwise than was settled by hand",
        "What was settled stands. A customer may have paid twice or in vain: look at the operation and put it right.",
    ),
    "unsettled-growing": ("More and more operations without an outcome", "Look for what is lost: a kiosk, a network?"),
    "cash-owed": ("A customer is owed money", "Look at the hoppers and give the money back by hand."),
    "payment-unclear": (
        "Unclear whether a customer paid",
        "Count the cash or ask the terminal's bank, then decide at the kiosk.",
    ),
    "reconciliation": ("Counts do not agree", "Count what lies there, and find out who was at the kiosk."),
    "update-failed": (
        "New version did not work",
        "The kiosk went back to the one before. Read its log before going on.",
    ),
    "rollout-held": (
        "Rollout paused",
        "Too many kiosks failed with the version: withdraw it, or go on by the admin API.",
    ),
    "hub-database": (
        "The hub's database does not work",
        "Operations are refused. Look at the database, its disk and its network.",
    ),
    "hub-redis": (
        "The hub does not reach Redis",
        "Operations go on; of several hubs each reaches only its own kiosks. Look at Redis and REDIS_URL.",
    ),
    "hub-gone": ("A hub is gone", "Its kiosks go to the others by themselves. Look at its machine and its log."),
    "hub-callbacks": (
        "Callbacks are not taken",
        "Backends do not hear what became of operations. Look at the one they go to.",
    ),
    "hub-telegram": (
        "The hub does not reach Telegram",
        "The bot is silent. Look at the hub's network, the proxy, the token.",
    ),
    "hub-alerts-config": (
        "Mistake in the file of ALERTS_CONFIG",
        "The rules from before are in force. Correct the file: the hub's log names each mistake.",
    ),
}

TEXTS = {
    **{f"alerts.kind-{kind}": title for kind, (title, _) in _KINDS.items()},
    **{f"alerts.do-{kind}": do for kind, (_, do) in _KINDS.items()},
    "alerts.title": "Alerts",
    "alerts.severity-critical": "critical",
    "alerts.severity-warning": "warning",
    "alerts.severity-info": "info",
    "alerts.standing": "Standing now",
    "alerts.none": "No alert stands.",
    "alerts.none-of": "None of these stands.",
    "alerts.only": "Of this kiosk alone:",
    "alerts.of-all": "of all kiosks",
    "alerts.all": "All",
    "alerts.filter": "By severity",
    "alerts.hub": "the hub",
    "alerts.since": "since",
    "alerts.more": "and {count} more of the kind",
    "alerts.more-operations": "{count} more {count:operation|operations}",
    "alerts.more-standing": (
        "{count} more {count:alert stands|alerts stand}; choose a severity, or see what they share."
    ),
    "alerts.fill": "{count} of {capacity}",
    "alerts.owed": "owed: {amount}",
    "alerts.amount": "amount: {amount}",
    "alerts.drift": "off by {span}",
    "alerts.muted-now": "not told",
    "alerts.acknowledged": "acknowledged by {who}",
    "alerts.unacknowledged": "nobody has taken note",
    "alerts.acknowledge": "Acknowledge",
    "alerts.acknowledge-all": "Acknowledge all {count}",
    "alerts.acknowledge-why": "The alert stands on until what is wrong is gone; it is not repeated and not told on.",
    "alerts.acknowledged-now": "{count} {count:alert|alerts} acknowledged.",
    "alerts.acknowledged-before": "Nothing to acknowledge: somebody did, or it is over.",
    "alerts.mutes": "Mutes",
    "alerts.mutes-why": "Of what is muted nobody is told, by Telegram or webhook. It stands here all the same.",
    "alerts.no-mutes": "Nothing is muted.",
    "alerts.mute": "Mute",
    "alerts.mute-what": "Kiosk or kind of alert",
    "alerts.mute-what-hint": "A kiosk's id, or a kind such as paper-low.",
    "alerts.mute-for": "For",
    "alerts.mute-scope": "What",
    "alerts.mute-until": "Until",
    "alerts.mute-by": "By",
    "alerts.muted": "{scope} is muted.",
    "alerts.unmute": "Tell again",
    "alerts.unmuted": "{scope} is told again.",
    "alerts.not-muted": "It was not muted.",
    "alerts.wrong-duration": "Choose a time from the list.",
    "alerts.wrong-scope": "“{scope}” is neither a kiosk nor a kind of alert.",
    "alerts.past": "Over",
    "alerts.no-past": "No alert was raised and cleared yet.",
    "alerts.past-what": "What",
    "alerts.past-where": "Where",
    "alerts.past-began": "Began",
    "alerts.past-lasted": "Lasted",
    "alerts.past-by": "Acknowledged by",
    "alerts.older": "Older",
    "alerts.newest": "Newest",
}
