"""A document on its way, in memory: what its clerk knows of it, and what those who asked for it wait for."""

import asyncio
import math

from appliance.fiscal.records import Document
from appliance.fiscal.result import End
from appliance.fiscal.shift import RECEIPT


class Hindered(Exception):
    """Not now. `elsewhere`: only this document; the next one may go."""

    def __init__(self, words: str, code: str = "", *, elsewhere: bool = False) -> None:
        super().__init__(words)
        self.code = code
        self.elsewhere = elsewhere


class Kept:
    """A document on its way.

    Args:
        until: monotonic; behind it an operator's order is not begun any more, only found out about.
    """

    def __init__(
        self, reference: str, document: Document, *, until: float = math.inf, in_book: bool = False
    ) -> None:  # fmt: skip
        self.reference = reference
        self.document = document
        self.until = until
        self.in_book = in_book
        self.in_doubt = document.asked  # the register may have it, and has not said so
        self.lost = ""  # why nobody can find out what became of it
        self.reason = document.reason
        self.since = document.since
        self.refusals = 0
        self.unknowns = 0  # answers lost since the register last said that it has no such document
        self.absences = 0
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[End] = loop.create_future()
        self.hindered: asyncio.Future[None] = loop.create_future()  # for so long that it need not be waited for
        if document.reason:
            self.hindered.set_result(None)

    @property
    def keeps(self) -> bool:
        """Whether it waits until the register can."""
        return self.document.kind == RECEIPT

    def lose_patience(self) -> bool:
        """Whoever waits may go, unless the register was asked and did not answer: that will be known soon."""
        if not self.in_doubt and not self.hindered.done():
            self.hindered.set_result(None)
        return self.hindered.done()
