"""Why a kiosk is not here, as far as this hub saw it: how its last connection ended, and what was not let in since.

What is kept for longer is in `history`, which hears the same as a `Witness`.
"""

from collections import OrderedDict
from typing import Protocol

import msgspec

_REFUSALS_MAX = 10_000  # kiosks; beyond that the one refused longest ago is forgotten


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a connection, or of an attempt at one. `at` is Unix seconds.

    `why` is a close code as text, `lost` (no goodbye), `silent` (no answer to pings) or `replaced`; `code` is what the
    socket was closed with, None where it was not; `words` are what who closed it gave as reason.
    """

    at: float
    why: str
    code: int | None = None
    address: str = ""
    words: str = ""


class Came(msgspec.Struct, frozen=True, kw_only=True):
    """A kiosk that is welcome. `at` is Unix seconds; `version` and `boot_id` are as it says, empty for v1."""

    at: float
    address: str
    dialect: str
    version: str = ""
    boot_id: str = ""


class Witness(Protocol):
    """Who is told of every connection; must neither wait nor raise."""

    def began(self, kiosk_id: str, came: Came) -> None:
        """It is welcome."""

    def ended(self, kiosk_id: str, ended: Ended) -> None:
        """It is gone: not told of who was not welcome yet."""

    def refused(self, kiosk_id: str, ended: Ended) -> None:
        """Somebody came by its name and was not let in."""


class Nobody:
    """A witness that keeps nothing."""

    def began(self, kiosk_id: str, came: Came) -> None:
        """See `Witness`."""

    def ended(self, kiosk_id: str, ended: Ended) -> None:
        """See `Witness`."""

    def refused(self, kiosk_id: str, ended: Ended) -> None:
        """See `Witness`."""


class Refusals:
    """The last attempt of each kiosk that was not let in. Only registered kiosks stand here."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, Ended] = OrderedDict()

    def note(self, kiosk_id: str, ended: Ended) -> None:
        """It came and was refused."""
        self._last[kiosk_id] = ended
        self._last.move_to_end(kiosk_id)
        if len(self._last) > _REFUSALS_MAX:
            self._last.popitem(last=False)

    def get(self, kiosk_id: str) -> Ended | None:
        """The last one."""
        return self._last.get(kiosk_id)
