"""Cleaning a printer: after a slip that was cut short, and whenever it may be another one than before.

Half a command and lines that are not printed yet may wait inside it, and would stand at the head of the next slip. NULs
fill up the command, ESC @ forgets the line, a cut takes away what hangs out, and GS r is answered behind all of it.
Then nothing more may come for `QUIET_S`: an answer to an older GS r, still inside, would be taken for the new slip's.
And GS r is asked once more: the first answer may itself have been to an older one, from a printer that has gone since.

A printer that is well and never answers GS r cannot confirm anything: that is found here, before a slip is begun.
"""

from hardware.escpos import commands as c
from hardware.escpos.declaration import encode
from hardware.escpos.memory import Page
from hardware.escpos.orders import Settings
from hardware.escpos.outgoing import Outgoing, Timers

QUIET_S = 3.0  # no answer to an older GS r for so long: nothing waits inside an idle printer any more
CLEAN_S = 10.0  # for the answer that says so, and between two attempts
FILL = 16  # NULs more than the longest command


def automatic_status(settings: Settings) -> bytes:
    """What makes it tell changes unasked, where that is wanted; ESC @ switches it off."""
    return encode(c.AUTO_STATUS, n=0x0E) if settings.automatic else b""


class Cleaning:
    """Timers: "clean" for the end of it, "again" while it is not tried again."""

    def __init__(self, settings: Settings, out: Outgoing, timers: Timers, page: Page) -> None:
        self._settings, self._out, self._timers, self._page = settings, out, timers, page
        self.active = False
        self.unconfirmed = False
        """The printer is well, and did not answer GS r when it was cleaned last."""
        self._known = False  # it is the printer that was cleaned, and has been there since
        self._answered = False
        self._asked_again = False

    @property
    def needed(self) -> bool:
        """No slip may be begun before it was cleaned."""
        return not self._known or self._page.now.remains

    @property
    def due(self) -> bool:
        """It is needed, and may be tried."""
        return self.needed and "again" not in self._timers

    def begin(self, now: float) -> None:
        """Sent whole; its end is waited for."""
        settings, remains = self._settings, self._page.now.remains
        data = bytearray()
        if remains:
            data += bytes(max(settings.block_bytes, settings.profile.qr_max) + FILL)
        data += encode(c.INIT) + automatic_status(settings)
        if remains:
            data += encode(c.FEED_CUT, n=0)
        if settings.full:
            data += encode(c.READ_STATUS, n=1)
        self._out.send(bytes(data), now)
        self.active = True
        self._answered = not settings.full
        self._asked_again = not (settings.full and remains)
        self._timers["clean"] = self._out.free_at + (CLEAN_S if settings.full else 0)

    def answered(self, now: float) -> None:
        """GS r was: all before was done. Another answer after this one would be to an older question."""
        self._answered = True
        self.unconfirmed = False
        self._timers["clean"] = now + (0 if self._asked_again else QUIET_S)

    def over(self, now: float, *, well: bool) -> bool:
        """Its time is over. False when a printer that is well has not answered."""
        if not self.active:
            return True
        if self._answered and not self._asked_again:
            self._asked_again, self._answered = True, False
            self._out.send(encode(c.READ_STATUS, n=1), now)
            self._timers["clean"] = self._out.free_at + CLEAN_S
            return True
        self.active = False
        if not self._answered:
            self.unconfirmed = self.unconfirmed or well
            self._timers["again"] = now + CLEAN_S
            return not well
        self._known = True
        if self._page.now.remains:
            self._page.write(self._page.now.cleaned())
        return True

    def stop(self) -> None:
        """It cannot be finished now, and is begun anew: a printer that stands still proves nothing by its silence."""
        self.active = False
        self._timers.pop("clean", None)

    def forget(self) -> None:
        """The printer was away: it may have lost its settings, or be another one."""
        self.stop()
        self._known = False
