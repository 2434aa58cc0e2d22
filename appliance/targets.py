"""What an operation is carried out by: a gateway, a device, the cash desk; and the three ways that can end.

`operations` knows targets and nothing behind them. A target never raises for what happens outside: it says whether
the thing was done, surely was not, or may have been.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import msgspec

from appliance.routes import Route


class Answered(msgspec.Struct, frozen=True):
    """It was done, or refused by who would have done it: an HTTP status, and a JSON object."""

    status: int
    body: msgspec.Raw


class NeverGot(msgspec.Struct, frozen=True):
    """Surely nothing happened, and nothing will. `problem` is one of `wire.problems`."""

    detail: str
    problem: str = "gateway-unreachable"


class NoAnswer(msgspec.Struct, frozen=True):
    """It may have happened."""

    detail: str


Result = Answered | NeverGot | NoAnswer


class NotUnderstood(ValueError):
    """What is asked for cannot be carried out by this target; the words name what is wrong and what would be right."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One operation, as its target sees it."""

    request_id: str
    operation: str  # the route's name it came by
    method: str  # GET or POST
    body: bytes  # a JSON object
    route: Callable[[], Route | None]  # the route as it stands now; the file may have changed since it was begun
    tell: Callable[[dict[str, Any]], None]  # how far it is, for whoever watches now; not durable


class Target(ABC):
    """Carries operations out, each at most once for its request id."""

    @abstractmethod
    def check(self, ask: Ask) -> None:
        """Look at what is asked for; nothing is begun or written. Raises `NotUnderstood`."""

    @abstractmethod
    async def run(self, ask: Ask) -> Result:
        """Carry it out. The journal has it as started. Called once in the life of an operation.

        When the appliance stops this is cancelled at any await: what was begun is then found out by the next run.
        """

    def can_tell(self, ask: Ask) -> bool:
        """Whether `find_out` is worth calling."""
        return False

    async def find_out(self, ask: Ask) -> Answered | NeverGot | None:
        """What became of it, or its end, after its answer was lost to a timeout or a power cut. None: unknowable."""
        return None

    def cancel(self, request_id: str, reason: str) -> bool:
        """Wish that a running one end soon, with what has happened until then. False: it does not run, or cannot."""
        return False


class Targets(ABC):
    """Which target an operation goes to."""

    @abstractmethod
    def of(self, route: Route) -> Target:
        """The target of a route."""

    async def of_cut_off(self, request_id: str, route: Route | None) -> Target | None:
        """Who can tell what became of an operation of the run before, whose route may have gone or changed."""
        return None if route is None else self.of(route)

    @abstractmethod
    def forget(self) -> None:
        """Other routes are in force: let go of what only the old ones needed."""


def answer(fields: object, status: int = 200) -> Answered:
    """An answer of our own making."""
    return Answered(status, msgspec.Raw(msgspec.json.encode(fields)))
