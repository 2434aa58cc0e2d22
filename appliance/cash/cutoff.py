"""A session that the end of the last run cut off: brought to its end from the book.

Its devices were bound to it again before they were opened, so that what their drivers find out about notes, coins and
payouts of before is written down as its own. It is waited for until each has told, or has been away for too long; then
what the book has is the truth.

**Nothing new is paid out.** Minutes may have gone by, and the customer with them; coins that fall into an empty room
are gone. What was asked of a hopper before the cut is found out by its driver; the rest is owed, with the claim the
session had from its beginning.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

import msgspec

from appliance.cash.ending import EVENTS_MAX, ending, write_ending
from appliance.cash.outcome import outcome
from appliance.cash.result import INTERRUPTED, CashResult, CashWork, NeverBegun, read_result
from appliance.cash.takings import Takings
from appliance.journal import Journal, StorageError, Work
from appliance.supervisor import Watched
from hardware.errors import DeviceError
from hardware.events import DeviceState
from hardware.roles import BillValidator, CoinAcceptor

SETTLE_S = 30.0  # how long devices have to come back; what they tell later is unclaimed money, or clears it
QUIET_S = 1.5  # after the last of them has: coins inside are told within that time
LOOK_S = 0.1
CALL_S = 10.0
AGAIN_S = 1.0
POWER = "power"

_AT_REST = frozenset({DeviceState.READY, DeviceState.DISABLED, DeviceState.FAULT})
_log = logging.getLogger(__name__)


class CutOff:
    """One session's end. `watched`: those of its devices that there still are."""

    def __init__(
        self, *, id: str, watched: Mapping[str, Watched], journal: Journal, clock: Callable[[], float],
        reason: str = POWER,
    ) -> None:  # fmt: skip
        self.id = id
        self._watched = watched
        self._journal = journal
        self._clock = clock
        self._reason = reason

    async def close(self) -> CashResult | NeverBegun:
        """Wait for the devices, and write the end. Tries until the disk takes it."""
        await self._disable_all()
        began = time.monotonic()
        # Of what is waited for, some makes no event.
        while time.monotonic() < began + SETTLE_S and not await self._is_settled():  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
        await self._disable_all()
        await asyncio.sleep(QUIET_S)
        while True:
            try:
                if (result := await self._write()) is not None:
                    return result
                await asyncio.sleep(0)  # something came in between
            except StorageError as error:
                _log.error("the end of a cash session cannot be written", extra={"work": self.id, "reason": str(error)})
                await asyncio.sleep(AGAIN_S)

    async def _is_settled(self) -> bool:
        if any(each.status.state not in _AT_REST for each in self._watched.values()):
            return False
        try:
            _work, takings = await self._read()
        except StorageError:
            return False
        payouts = takings.payouts.values()
        open_payouts = any(each.paid is None and not each.remedy for each in payouts)
        return not open_payouts and not takings.held

    async def _disable_all(self) -> None:
        """They were opened so; this is for those that were not closed in between."""
        for watched in self._watched.values():
            device = watched.device
            if not isinstance(device, BillValidator | CoinAcceptor):
                continue
            try:
                await watched.use(device.disable, CALL_S, anyway=True)
            except DeviceError as error:
                _log.info("a device could not be told to take nothing", extra={
                    "device": watched.name, "reason": str(error),
                })  # fmt: skip

    async def _read(self) -> tuple[Work, Takings]:
        work, entries = await self._journal.read(
            lambda book: (book.find_work(self.id), book.entries(work=self.id, limit=EVENTS_MAX))
        )
        assert work is not None, "works are not forgotten while they are open"
        kept = msgspec.json.decode(work.data, type=CashWork)
        return work, Takings(self.id, kept.currency).feed_entries(entries)

    async def _write(self) -> CashResult | NeverBegun | None:
        work, takings = await self._read()
        if work.result is not None:  # by a write whose answer was lost
            return read_result(work.result)
        kept = msgspec.json.decode(work.data, type=CashWork)
        status, reason = kept.ending or (INTERRUPTED, self._reason)
        result = outcome(kept, takings, status=status, reason=reason)
        end = ending(self.id, result, takings.count, self._clock())
        if not await self._journal.write(lambda book: write_ending(book, end), point="appliance.cash.recover"):
            return None
        _log.warning("a cash session that was cut off is closed", extra={
            "work": self.id, "status": result.status, "collected": result.collected, "owed": result.change_owed,
        })  # fmt: skip
        return result
