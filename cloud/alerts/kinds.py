"""Every kind of alert there is, and the rule for it that is built in. Pure.

A kind's name is part of the contract: it stands in ALERTS_CONFIG, in webhooks, in mutes and in metrics.
"""

import msgspec

from cloud.alerts.alert import Severity

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

# Kinds of the hub's own troubles: of no kiosk.
DATABASE, REDIS, CALLBACKS, TELEGRAM, CONFIG, GONE = (
    "hub-database", "hub-redis", "hub-callbacks", "hub-telegram", "hub-alerts-config", "hub-gone",
)  # fmt: skip
OFFLINE, DUPLICATE, CLOCK, SHIFT = "kiosk-offline", "kiosk-duplicate", "kiosk-clock", "shift-old"
UNKNOWN, CONTRADICTED, UNSETTLED = "operation-unknown", "operation-contradicted", "unsettled-growing"
UPDATE_FAILED, ROLLOUT_HELD = "update-failed", "rollout-held"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """How a kind of alert is raised and told. All times are seconds.

    `words` say in one line what is wrong; `limits` are numbers of the kind's own, by name, each with what it counts.
    """

    kind: str
    words: str
    severity: Severity = Severity.WARNING
    enabled: bool = True
    after: float = 0.0  # it must hold so long before it is raised
    clear_after: float = 30.0  # it must be gone so long before it is cleared: what flaps is one alert
    gather: float = 5.0  # others are waited for until none has come for so long, and three times that at most
    repeat: float = DAY  # told again while it stands; 0: never
    escalate: float = 0.0  # told on when nobody has acknowledged it for so long; 0: never
    limits: dict[str, float] = {}
    only_kiosks: tuple[str, ...] = ()  # patterns such as shop_*; empty: all
    except_kiosks: tuple[str, ...] = ()
    not_to: tuple[str, ...] = ()  # ways of telling that have no use for it


def _critical(kind: str, words: str, **more: object) -> Rule:
    given: dict[str, object] = {"repeat": 4 * HOUR, "escalate": 15 * MINUTE, **more}
    return msgspec.structs.replace(Rule(kind=kind, words=words, severity=Severity.CRITICAL), **given)


def _warning(kind: str, words: str, **more: object) -> Rule:
    return msgspec.structs.replace(Rule(kind=kind, words=words), **more)


def _info(kind: str, words: str, **more: object) -> Rule:
    return msgspec.structs.replace(Rule(kind=kind, words=words, severity=Severity.INFO, repeat=0.0), **more)


_ALL = (
    # A kiosk that breaks off comes back by itself within seconds, after a restart of its box within two minutes.
    _critical(
        OFFLINE, "a kiosk is not connected", after=2 * MINUTE, clear_after=30.0, gather=20.0, escalate=30 * MINUTE
    ),
    _critical(DUPLICATE, "two boxes were seen with one kiosk's identity", clear_after=MINUTE),
    _warning(CLOCK, "a kiosk's clock is wrong", limits={"seconds": 60.0}, clear_after=MINUTE),
    _warning("kiosk-disk", "a kiosk's disk is nearly full", after=MINUTE, clear_after=5 * MINUTE),
    _critical("kiosk-journal", "a kiosk's journal cannot be written"),
    # A device that is opened anew is away for some seconds.
    _critical("device-fault", "a device reports a fault", after=20.0, gather=10.0),
    _critical("device-absent", "a device does not answer", after=30.0, gather=10.0),
    _warning("cassette-near-full", "a cassette of a bill validator is nearly full"),
    _critical("cassette-full", "a cassette of a bill validator is full"),
    # It is taken out at each collection, which takes minutes.
    _warning("cassette-removed", "a cassette of a bill validator is taken out", after=15.0, repeat=HOUR),
    _warning("hopper-near-empty", "a hopper has few coins left"),
    _critical("hopper-empty", "a hopper is empty"),
    _critical("paper-out", "a printer or a register is out of paper", after=15.0),
    _warning("paper-low", "a printer or a register is low on paper"),
    _warning(SHIFT, "a register's shift has been open for too long", limits={"hours": 23.0}, repeat=HOUR),
    _warning("receipt-pending", "a receipt that is due is not made yet", after=2 * MINUTE, repeat=4 * HOUR),
    _critical("receipt-unclear", "nobody knows whether a receipt was made"),
    _warning(UNKNOWN, "nobody knows what became of an operation", after=5 * MINUTE, clear_after=5.0, repeat=4 * HOUR),
    _critical(CONTRADICTED, "a kiosk tells otherwise than a person who settled an operation", clear_after=5.0),
    _critical(
        UNSETTLED,
        "operations without a known outcome become more and more",
        limits={"count": 20.0, "growth": 10.0, "minutes": 15.0},
        clear_after=5 * MINUTE,
    ),
    _critical("cash-owed", "a kiosk owes a customer money", clear_after=5.0),
    _critical("payment-unclear", "nobody knows whether a customer paid", clear_after=5.0),
    _critical("reconciliation", "what lies in a kiosk is not what was counted", clear_after=5.0),
    _warning(UPDATE_FAILED, "a kiosk went back from a new version", clear_after=5.0, gather=20.0),
    _critical(ROLLOUT_HELD, "a rollout was paused: too many kiosks failed with the version", clear_after=5.0),
    _critical(DATABASE, "the hub's database does not work", after=10.0, gather=0.0, repeat=HOUR),
    _warning(REDIS, "the hub does not reach Redis", after=30.0, repeat=4 * HOUR),
    # Its kiosks and callers have gone to the others by themselves: what is wrong is that there is one less.
    _warning(GONE, "a hub died, or was cut off from the database", clear_after=5.0, repeat=4 * HOUR),
    _warning(
        CALLBACKS,
        "callbacks are not taken",
        after=MINUTE,
        clear_after=MINUTE,
        limits={"minutes": 15.0, "failing": 100.0},
        repeat=4 * HOUR,
    ),
    _critical(TELEGRAM, "the hub does not reach Telegram", after=2 * MINUTE, not_to=("telegram",)),
    _warning(CONFIG, "the file of ALERTS_CONFIG is wrong, and the rules from before are in force", clear_after=0.0),
)

# What each number of `limits` is, for mistakes and for the documentation.
LIMITS: dict[tuple[str, str], str] = {
    (CLOCK, "seconds"): "off by more than so many seconds",
    (SHIFT, "hours"): "open for more than so many hours",
    (UNSETTLED, "count"): "at least so many",
    (UNSETTLED, "growth"): "and so many more than `minutes` ago",
    (UNSETTLED, "minutes"): "the time in which they grow",
    (CALLBACKS, "minutes"): "the oldest waits for longer",
    (CALLBACKS, "failing"): "or more than so many were not taken",
}

KINDS: dict[str, Rule] = {rule.kind: rule for rule in _ALL}
