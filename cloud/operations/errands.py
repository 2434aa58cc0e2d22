"""What the hub that owns an operation and the hub with its kiosk's socket say to each other.

Bodies are bytes here: `msgspec.Raw` would be written as it stands, and it is JSON. Times are Unix seconds of the bus's
clock.
"""

import msgspec

from cloud.operations.operation import Operation
from wire.messages import Error, Executed, Response

# Why a carrier put nothing on a socket, besides the problems of `wire.problems`.
MOVED = "moved"  # the kiosk is not here, or not on that connection any more
LATE = "late"  # the message took too long on its way
TOLD = "told"  # the kiosk has told its outcome here: it stands in the store, or will in a moment


class Carry(msgspec.Struct, frozen=True, kw_only=True):
    """Owner → carrier: have this executed.

    `epoch` is of the kiosk's connection, and `journal` of the kiosk on it: on no other may it be put. It may be started
    until `start_by`, and put on the socket until `until`; the owner waits until `wait_until`. `again`: it may have been
    put on a socket before, and whether the kiosk told an outcome since was looked up after that connection was heard
    of. `sent_at`: where that is later than now the two hubs have no clock in common, and no time here can be judged. 0:
    a hub of a version before does not say.
    """

    operation: Operation
    attempt: int
    epoch: int
    journal: str
    start_by: float
    until: float
    wait_until: float
    again: bool
    sent_at: float = 0.0


class Carried(msgspec.Struct, frozen=True):
    """Carrier → owner: it is put on the socket."""

    request_id: str
    attempt: int


class NotCarried(msgspec.Struct, frozen=True):
    """Carrier → owner: this attempt put nothing on a socket, and will not. `kind` is a problem, or of those above."""

    request_id: str
    attempt: int
    kind: str
    detail: str = ""
    retry_after: int | None = None


class Begun(msgspec.Struct, frozen=True):
    """Carrier → owner: the kiosk accepted it."""

    request_id: str
    kiosk_id: str


class Went(msgspec.Struct, frozen=True):
    """Carrier → owner: how far the kiosk says it is."""

    request_id: str
    kiosk_id: str
    data: bytes


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """Carrier → owner: the kiosk's outcome. Told again until it is settled here or there."""

    request_id: str
    kiosk_id: str
    is_v1: bool
    operation: str
    executed: str
    status: int
    body: bytes
    error: Error | None
    elapsed: float

    @classmethod
    def of(cls, kiosk_id: str, response: Response, *, is_v1: bool) -> "Answered":
        """What a kiosk said."""
        return cls(
            request_id=response.request_id,
            kiosk_id=kiosk_id,
            is_v1=is_v1,
            operation=response.operation,
            executed=str(response.executed),
            status=response.status,
            body=bytes(response.body),
            error=response.error,
            elapsed=response.elapsed,
        )

    def response(self) -> Response:
        """As the kiosk said it."""
        return Response(
            request_id=self.request_id,
            operation=self.operation,
            executed=Executed(self.executed),
            status=self.status,
            body=msgspec.Raw(self.body),
            error=self.error,
            elapsed=self.elapsed,
        )


class Lost(msgspec.Struct, frozen=True):
    """Carrier → owner: the connection these were put on is gone; they are not asked for here any more."""

    kiosk_id: str
    request_ids: list[str]


class Settle(msgspec.Struct, frozen=True):
    """Owner → carrier: the outcome is on disk: the kiosk may forget it."""

    request_id: str


class NotMine(msgspec.Struct, frozen=True):
    """Owner → carrier: nobody waits for that outcome here: store it yourself."""

    request_id: str


class Drop(msgspec.Struct, frozen=True):
    """Owner → carrier: do not ask for this any more."""

    request_id: str


class Whose(msgspec.Struct, frozen=True):
    """To all: a kiosk told outcomes of what has no row. Who has them under way?"""

    kiosk_id: str
    request_ids: list[str]


class Mine(msgspec.Struct, frozen=True):
    """The answer."""

    operations: list[Operation]
