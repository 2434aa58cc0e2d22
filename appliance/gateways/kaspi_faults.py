"""The bad days a simulated Kaspi terminal can have, and how they are written: `slow:40`, `lost`, `status=error:101`."""

from appliance.gateways.faults import SECONDS_MAX, Fault

KASPI_ROUTES = ("payment", "refund", "status", "actualize", "deviceinfo", "register", "revoke")
_STARTS = ("payment", "refund")
KASPI_FAULTS: dict[str, str] = {
    "slow": "the customer takes SECONDS (30) longer",
    "decline": "the customer's bank says no",
    "cancelled": "the customer cancels on the screen",
    "unknown": "paid, and the terminal does not know it before it has asked the bank TIMES (1)",
    "unknown-declined": "the same, and not paid",
    "busy": "answers 107: the operation before is not over; does not act",
    "lost": "acts, then closes the connection without an answer",
    "reset": "resets the connection without acting",
    "hang": "never acts and never answers",
    "hang-after": "acts and never answers",
    "not-json": "acts, then answers with a page of HTML",
    "no-id": "acts, then answers without a process id",
    "error": "answers with error CODE (999) without acting",
    "expired": "the access token has expired: 401 until it is renewed",
    "forget": "forgets all processes, as after a restart: 101",
}
_ANYWHERE = {"expired"}
_AT = {"forget": ("status",)}
_AMOUNTS = {"slow": "seconds", "unknown": "times", "unknown-declined": "times", "error": "code"}


class KaspiFault(Fault, omit_defaults=True):
    """One misbehaviour. Without a route it is met by payments and refunds, `expired` by all, `forget` by `status`."""

    times: int = 1
    code: int = 999

    def __post_init__(self) -> None:
        if self.fault not in KASPI_FAULTS:
            raise ValueError(f"there is no fault {self.fault!r}; right would be one of {', '.join(KASPI_FAULTS)}")
        if self.route and self.route not in KASPI_ROUTES:
            raise ValueError(f"there is no route {self.route!r}; right would be one of {', '.join(KASPI_ROUTES)}")
        if not 0 <= self.times <= 1000 or not 1 <= self.code <= 999:
            raise ValueError("right would be times 0 to 1000, code 1 to 999")
        self.check_amounts()

    def is_for(self, route: str) -> bool:
        """Whether requests of a route meet it."""
        if self.route or self.fault in _ANYWHERE:
            return self.route in {"", route}
        return route in _AT.get(self.fault, _STARTS)


def parse_kaspi_fault(text: str) -> KaspiFault:
    """Read `lost`, `slow:40`, `status=error:101`. Raises `ValueError` with what would be right."""
    route, _equals, fault = text.rpartition("=")
    name, colon, amount = fault.partition(":")
    if not colon:
        return KaspiFault(name, route, seconds=30.0)
    field = _AMOUNTS.get(name)
    if field is None:
        KaspiFault(name, route)  # says that there is none such, if there is none
        raise ValueError(f"{name} takes no amount; right would be {name}")
    try:
        if field == "seconds":
            return KaspiFault(name, route, seconds=float(amount))
        return KaspiFault(name, route, **{field: int(amount)})
    except ValueError as error:
        right = {"seconds": f"seconds 0 to {SECONDS_MAX:.0f}", "times": "times 0 to 1000", "code": "a code 1 to 999"}
        raise ValueError(f"{name} is followed by {amount!r}; right would be {right[field]}") from error
