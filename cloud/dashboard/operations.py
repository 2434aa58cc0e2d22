"""/dashboard/operations: the list, and the same as CSV."""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

from tornado.http1connection import HTTP1Connection
from tornado.web import HTTPError

from cloud.accounts.account import Role
from cloud.dashboard import csv_rows
from cloud.dashboard.asked import QUICK, Asked, read_asked
from cloud.dashboard.operation_words import TONES, outcome, problem, took
from cloud.dashboard.screen import Screen
from cloud.db.engine import explain
from cloud.operations.by_hand import Resolution
from cloud.operations.operation import Operation, State
from cloud.operations.search import OUTCOMES, UNDER_WAY, Found, Wanted
from cloud.zones import zone

log = logging.getLogger(__name__)

_PAGE = 50
ROWS_MAX = 100_000
_EXPORT_WITHIN = 600.0
_EXPORTS_MAX = 2  # at a time: each reads as fast as it is taken


class _Operations(Screen):
    active = "operations"

    def _asked(self) -> Asked:
        given = {name: self.get_query_argument(name, "") for name in self.request.query_arguments}
        return read_asked(given, zone(self.rooms.settings.timezone), time.time())

    async def _resolutions(self, found: Sequence[Operation]) -> dict[str, Resolution]:
        return await self.rooms.resolving.of_all(found)


class OperationsPage(_Operations):
    """GET: newest first, filtered."""

    async def get(self) -> None:
        """A page of the list."""
        asked, cursor = self._asked(), self.get_query_argument("cursor", "")
        facts = {
            "asked": asked.values, "wrong": asked.wrong, "outcomes": list(OUTCOMES), "quick": list(QUICK),
            "cursor": cursor, "is_all": asked.is_all, "filters": urlencode(_kept(asked)), "rows_max": ROWS_MAX,
        }  # fmt: skip
        if asked.wrong:
            # A page like any other, with 200: of all else browsers complain in their console.
            self.show("operations.html", rows=[], found=Found(operations=[]), is_live=False, **facts)
            return
        try:
            found = await self.rooms.search.page(asked.wanted, cursor, _PAGE)
        except ValueError as error:
            raise HTTPError(400, self.say("operations.wrong-cursor")) from error
        shown = await self.rooms.operations.latest(found.operations)
        if not cursor:
            shown = await self._with_under_way(shown, asked.wanted)
        kept, names = await self._resolutions(shown), await self.rooms.search.names_of_keys()
        rows = [
            {
                "it": it, "outcome": (stand := outcome(it, kept.get(it.request_id))), "tone": TONES[stand],
                "problem": problem(it, self.say), "took": took(it),
                "who": names.get(it.api_key_id or "", it.api_key_id or ""),
            }
            for it in shown
        ]  # fmt: skip
        page = "_operations_rows.html" if self.is_fragment else "operations.html"
        self.show(page, rows=rows, found=found, is_live=not cursor, **facts)

    async def _with_under_way(self, found: list[Operation], wanted: Wanted) -> list[Operation]:
        """What has no row yet, at any hub: without an Idempotency-Key it gets one when it ends."""
        if wanted.outcome not in {"", "under-way", *UNDER_WAY}:
            return found
        known = {it.request_id for it in found}
        under_way = await self.rooms.operations.under_way(wanted.kiosk_id, wanted.operation, wanted.beginning)
        more = [it for it in under_way if _fits(it, wanted) and it.request_id not in known]
        more.sort(key=lambda it: it.created_at, reverse=True)
        return sorted(found + more[:_PAGE], key=lambda it: (it.created_at, it.request_id), reverse=True)


class OperationsExport(_Operations):
    """GET .csv: all that the filter finds, as a file."""

    reads = Role.OPERATOR
    _under_way = 0

    async def get(self) -> None:
        """Stream it: neither all rows nor the loop is held."""
        asked = self._asked()
        if asked.wrong:
            raise HTTPError(422, " ".join(self.say(key) for key in asked.wrong.values()))
        if OperationsExport._under_way >= _EXPORTS_MAX:
            raise HTTPError(503, self.say("operations.export-busy"))
        OperationsExport._under_way += 1
        try:
            await self.note("operations.export", "", **_kept(asked))
            async with asyncio.timeout(_EXPORT_WITHIN):
                await self._stream(asked.wanted)
        except Exception as error:
            if not self._headers_written:
                raise
            # Whatever it was, the database that went away too: Tornado would end the file in order, and who has it
            # would take it for all. So the connection ends in the middle of a chunk.
            log.warning("an export was cut off", extra={"error": explain(error)})
            if isinstance(self.request.connection, HTTP1Connection):
                self.request.connection.close()
        finally:
            OperationsExport._under_way -= 1

    async def _stream(self, wanted: Wanted) -> None:
        search = self.rooms.search
        names = await search.names_of_keys()
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="operations-{stamp}.csv"')
        self.write(csv_rows.head())
        count = 0
        async for page in search.all(wanted, ROWS_MAX):
            some = page[: ROWS_MAX - count]
            details = await search.details([it.request_id for it in some])
            kept = await self._resolutions(some)
            self.write(await asyncio.to_thread(csv_rows.lines, some, details, names, kept))
            if len(some) < len(page):
                self.write(csv_rows.cut(ROWS_MAX))
            count += len(page)
            await self.flush()
        self.finish()


def _kept(asked: Asked) -> dict[str, str]:
    return {name: value for name, value in asked.values.items() if value}


def _fits(it: Operation, wanted: Wanted) -> bool:
    """As the database would say of one under way."""
    outcomes = UNDER_WAY if wanted.outcome in {"", "under-way"} else (State(wanted.outcome),)
    return (
        it.state in outcomes
        and (not wanted.kiosk_id or it.kiosk_id == wanted.kiosk_id)
        and (not wanted.operation or it.operation == wanted.operation)
        and it.request_id.startswith(wanted.beginning)
        and (wanted.since is None or it.created_at >= wanted.since)
        and (wanted.until is None or it.created_at < wanted.until)
    )
