"""The language switch, for whoever looks at a page: also at the one to sign in at."""

from cloud.dashboard.screen import LANGUAGE_COOKIE, Screen
from cloud.dashboard.texts import LANGUAGES

_YEAR_DAYS = 365


class LanguageSwitch(Screen):
    """POST /dashboard/language: `language`, and `back`, the page to go back to. Also for the account, if signed in."""

    reads = None
    writes = None

    async def get(self) -> None:
        """Who reloads what the form led to."""
        self.redirect("/dashboard", status=303)

    async def post(self) -> None:
        """Keep it in a cookie and with the account. A language we do not have changes nothing."""
        given = self.fields()
        if (language := given.get("language", "")) in LANGUAGES:
            secure = self.request.protocol == "https"
            self.set_cookie(
                LANGUAGE_COOKIE, language, path="/dashboard", expires_days=_YEAR_DAYS, httponly=True, samesite="Lax",
                secure=secure,
            )  # fmt: skip
            if self.session and self.session.account.language != language:
                await self.rooms.accounts.set_language(self.session.account, language)
                await self.note("account.language", self.account_name, language=language)
        self.go(inside(given.get("back", "")))


def inside(address: str) -> str:
    """An address that a request brought, if it is a page of ours; else the overview. Nobody is led elsewhere."""
    path = address.partition("?")[0]
    is_ours = path == "/dashboard" or (path.startswith("/dashboard/") and "//" not in path and ".." not in path)
    return address if is_ours and address.isascii() and address.isprintable() and "\\" not in address else "/dashboard"
