"""The bad days a simulated gateway can have, and how they are written: `slow:3`, `huge:100000`, `lost`."""

import msgspec

ROUTES = ("payment", "status", "fiscal")
FAULTS: dict[str, str] = {
    "slow": "waits SECONDS (3), then acts and answers, even if the caller is gone",
    "slow-after": "acts, then answers after SECONDS (3)",
    "lost": "acts, then closes the connection without an answer",
    "reset": "resets the connection without acting",
    "error-500": "answers 500 without acting",
    "error-500-after": "acts, then answers 500",
    "not-json": "acts, then answers with a page of HTML",
    "huge": "acts, then answers with BYTES (2097152) of JSON",
    "decline": "answers that the payment was declined: no effect",
    "hang": "never acts and never answers",
    "hang-after": "acts and never answers",
}
_SECONDS = frozenset({"slow", "slow-after"})
BEFORE = frozenset({"reset", "error-500", "hang"})  # these keep the gateway from acting
SECONDS_MAX = 3600.0
BYTES_MAX = 1 << 30


class Fault(msgspec.Struct, omit_defaults=True):
    """One misbehaviour; `count` is for how many requests yet, 0 for all."""

    fault: str
    route: str = ""  # of ROUTES; empty for all
    seconds: float = 3.0
    bytes: int = 2 * 1024 * 1024
    count: int = 0

    def __post_init__(self) -> None:
        if self.fault not in FAULTS:
            raise ValueError(f"there is no fault {self.fault!r}; right would be one of {', '.join(FAULTS)}")
        if self.route and self.route not in ROUTES:
            raise ValueError(f"there is no route {self.route!r}; right would be one of {', '.join(ROUTES)}")
        self.check_amounts()

    def is_for(self, route: str) -> bool:
        """Whether requests of a route meet it."""
        return self.route in {"", route}

    def check_amounts(self) -> None:
        """Raises `ValueError` for an amount that cannot be."""
        if not 0 <= self.seconds <= SECONDS_MAX or not 0 <= self.bytes <= BYTES_MAX or self.count < 0:
            raise ValueError(f"right would be seconds 0 to {SECONDS_MAX:.0f}, bytes 0 to {BYTES_MAX}, count 0 or more")


def parse_fault(text: str, route: str = "") -> Fault:
    """Read `slow:3`, `huge:100000`, `lost`. Raises `ValueError` with what would be right."""
    name, colon, amount = text.partition(":")
    if not colon:
        return Fault(name, route)
    try:
        if name in _SECONDS:
            return Fault(name, route, seconds=float(amount))
        if name == "huge":
            return Fault(name, route, bytes=int(amount))
    except ValueError as error:
        right = f"seconds 0 to {SECONDS_MAX:.0f}" if name in _SECONDS else f"whole bytes 0 to {BYTES_MAX}"
        raise ValueError(f"{name} is followed by {amount!r}; right would be {right}") from error
    if name in FAULTS:
        raise ValueError(f"{name} takes no amount; right would be {name}")
    return Fault(name, route)
