"""Plants one bug of each kind into the desk and says how many random days it takes to see it.

    python -m tests.chaos.desk_planted [SEED] [BUG…]

A checker that finds nothing proves nothing until it has been seen to find something.
"""

import contextlib
import logging
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from appliance.cash import cutoff
from appliance.cash.carrier import Carrier
from appliance.cash.service import CashDesk
from appliance.cash.session import Session
from appliance.cash.takings import Takings
from appliance.operations import Operations
from appliance.supervisor.page import Page
from appliance.supervisor.watched import Watched
from hardware.cctalk.driver import CctalkHopper
from hardware.errors import DeviceError, OutcomeUnknown
from hardware.events import BillStacked, CoinAccepted, Event
from hardware.roles import Payout
from hardware.shtrih.driver import ShtrihRegister
from tests.chaos import desk_days
from wire.receipt import FiscalDocument, Receipt

DAYS_MAX = 400
_READY_S = 20.0


@contextlib.contextmanager
def _credit_twice() -> Iterator[None]:
    """Every note is written down twice."""
    record = Page.record

    async def twice(self: Page, event: Event | None, memory: Any) -> None:
        await record(self, event, memory)
        if isinstance(event, BillStacked):
            await record(self, event, None)

    with patch.object(Page, "record", twice):
        yield


@contextlib.contextmanager
def _new_nonce() -> Iterator[None]:
    """What may have been written is written anew."""
    entry = Page._entry

    def anew(self: Page, event: Event) -> Any:
        self._failed = None
        return entry(self, event)

    with patch.object(Page, "_entry", anew):
        yield


@contextlib.contextmanager
def _forget_the_bind() -> Iterator[None]:
    """After a restart devices belong to nobody."""
    begin_end = CashDesk._begin_end

    def unbound(self: CashDesk, work: Any) -> Any:
        with patch.object(Watched, "bind", lambda *_: None):
            return begin_end(self, work)

    with patch.object(CashDesk, "_begin_end", unbound):
        yield


@contextlib.contextmanager
def _release_early() -> Iterator[None]:
    """Devices belong to nobody as soon as nothing is left to do in a session, be it that its end is not written."""
    end = Carrier._end

    async def released(self: Carrier) -> Any:
        for watched in self._watched.values():
            watched.bind("")
        return await end(self)

    with patch.object(Carrier, "_end", released):
        yield


@contextlib.contextmanager
def _deaf_to_coins() -> Iterator[None]:
    """A session does not hear of coins that come while it closes."""
    heard = Session.heard

    def deaf(self: Session, device: str, event: Event, now: float) -> Any:
        if isinstance(event, CoinAccepted) and not self.open:
            return []
        return heard(self, device, event, now)

    with patch.object(Session, "heard", deaf):
        yield


@contextlib.contextmanager
def _pay_again() -> Iterator[None]:
    """A payout whose answer was lost is asked for once more under another name."""
    pay_out = CctalkHopper.pay_out

    async def again(self: CctalkHopper, count: int, reference: str) -> Payout:
        try:
            return await pay_out(self, count, reference)
        except DeviceError:
            return await pay_out(self, count, f"{reference}-again")

    with patch.object(CctalkHopper, "pay_out", again):
        yield


@contextlib.contextmanager
def _pay_unwritten() -> Iterator[None]:
    """Hoppers are asked before that is written down."""

    async def no(_self: Carrier) -> None:
        return None

    with patch.object(Carrier, "_keep", no):
        yield


@contextlib.contextmanager
def _register_again() -> Iterator[None]:
    """A receipt whose answer was lost is registered once more under another name, when the register is there again."""
    register = ShtrihRegister.register

    async def again(self: ShtrihRegister, receipt: Receipt, reference: str) -> FiscalDocument:
        try:
            return await register(self, receipt, reference)
        except OutcomeUnknown:
            await self.ready(_READY_S)
            return await register(self, receipt, f"{reference}-again")

    with patch.object(ShtrihRegister, "register", again):
        yield


@contextlib.contextmanager
def _forget_sessions() -> Iterator[None]:
    """Sessions that were cut off are closed without looking into the book."""
    read = cutoff.CutOff._read

    async def empty(self: cutoff.CutOff) -> Any:
        work, takings = await read(self)
        return work, Takings(takings.work, takings.currency, count=takings.count)

    with patch.object(cutoff.CutOff, "_read", empty):
        yield


@contextlib.contextmanager
def _lose_outcomes() -> Iterator[None]:
    """What was cut off by the end of a run has no end in the next."""

    async def no(*_: object, **__: object) -> None:
        return None

    with patch.object(Operations, "_recover", no):
        yield


BUGS: dict[str, Callable[[], contextlib.AbstractContextManager[None]]] = {
    "credit twice": _credit_twice,
    "a new nonce for a write that failed": _new_nonce,
    "forget the bind": _forget_the_bind,
    "release before the end is written": _release_early,
    "deaf to coins while closing": _deaf_to_coins,
    "pay again after a lost answer": _pay_again,
    "pay before it is written": _pay_unwritten,
    "register again after a lost answer": _register_again,
    "close cut-off sessions as empty": _forget_sessions,
    "lose outcomes of the run before": _lose_outcomes,
}


def days_until_found(bug: str, seed: int, place: Path, most: int = DAYS_MAX) -> tuple[int, str]:
    """How many days it took, 0: it was not found; and the breach."""
    draw = random.Random(f"{seed} {bug}")
    with BUGS[bug]():
        for number in range(1, most + 1):
            day = desk_days.play(draw.randrange(1 << 31), place)
            if day.breaches:
                return number, day.breaches[0]
    return 0, ""


def main(arguments: list[str]) -> int:
    """The command: exit status 1 if a bug was not found."""
    logging.getLogger().setLevel(logging.ERROR)
    logging.lastResort = None
    numbers = [int(word) for word in arguments if word.isdecimal()]
    seed = numbers[0] if numbers else random.SystemRandom().randrange(1_000_000)
    bugs = [
        bug for bug in BUGS if not arguments[len(numbers) :] or any(word in bug for word in arguments[len(numbers) :])
    ]
    missed = 0
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as directory:
        for bug in bugs:
            days, breach = days_until_found(bug, seed, Path(directory))
            missed += not days
            print(f"{bug}: {f'found on day {days}: {breach[:160]}' if days else 'NOT FOUND'}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
