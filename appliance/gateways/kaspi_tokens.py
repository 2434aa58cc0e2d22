"""Tokens of a protected Kaspi terminal: kept in the journal's file, told to nobody.

The access token lives for about a day and is renewed with the refresh token, which changes with it: a refresh token
that is lost means that a person has to walk to the kiosk and accept on the terminal's screen. So it is on the disk
before it is used, in the book's page of the terminal; the journal's directory is its owner's alone.
"""

import logging

import msgspec

from appliance.journal import Journal, StorageError

_log = logging.getLogger(__name__)


class Tokens(msgspec.Struct, frozen=True):
    """A pair. Shows neither."""

    access: str
    refresh: str

    def __repr__(self) -> str:
        return "Tokens(…)"


class TokenStore:
    """One terminal's tokens; `name` is that under which the kiosk was registered there."""

    def __init__(self, journal: Journal, url: str, name: str) -> None:
        self._journal = journal
        self._page = f"kaspi-pos {name} {url}"  # no device's name has a blank in it
        self._tokens: Tokens | None = None
        self._read = False
        self._unwritten = False

    async def get(self) -> Tokens | None:
        """Those in force; None when it never was registered. Raises `StorageError`."""
        if not self._read:
            page = await self._journal.read(lambda book: book.page(self._page))
            self._tokens = _tokens(page)
            self._read = True
        if self._unwritten and self._tokens is not None:
            await self.put(self._tokens)
        return self._tokens

    async def put(self, tokens: Tokens) -> None:
        """Take others. A disk that does not take them is asked again the next time."""
        self._tokens, self._read = tokens, True
        memory = {"access": tokens.access, "refresh": tokens.refresh}
        try:
            await self._journal.write(lambda book: book.put_page(self._page, memory), point="appliance.kaspi.token")
        except StorageError as error:
            self._unwritten = True
            _log.error("a terminal's tokens could not be written: lost with the power, a person must register anew",
                extra={"reason": str(error)})  # fmt: skip
        else:
            self._unwritten = False


def _tokens(page: dict[str, object]) -> Tokens | None:
    access, refresh = page.get("access"), page.get("refresh")
    return Tokens(access, refresh) if isinstance(access, str) and isinstance(refresh, str) else None
