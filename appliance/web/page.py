"""What every page in HTML has: the layout, its style and script by their hashes, and the language of who reads it.

A page comes whole: nothing else is loaded, from here or from elsewhere. `appliance/web/pages` holds templates, style
and scripts, each read once. A template is given `t` (a key of the page's words, and fields, to a sentence), `lang`,
`languages`, and what the handler adds. Autoescape is on: device texts, names of routes and bodies of operations come
from others.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from tornado.template import Loader

from appliance.web.handlers import Page
from appliance.web.page_shell import SHELL
from appliance.web.setup_words import LANGUAGES, choose

PAGES = Path(__file__).absolute().parent / "pages"
Words = Mapping[str, Mapping[str, str]]  # language → key → sentence
_COOKIE = "lang"
_COOKIE_DAYS = 365
_PLAIN_HOST = re.compile(r"[A-Za-z0-9_.:\[\]-]{1,255}")
_ICON = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><rect width='16' height='16' rx='3' fill='#17609f'/>"
    "<path d='M4 3v10M12 3 5 8l7 5' stroke='#fff' stroke-width='2' fill='none'/></svg>"
)
ICON = f"data:image/svg+xml,{quote(_ICON)}"


@cache
def templates() -> Loader:
    """All templates of `pages`, each read once."""
    return Loader(str(PAGES))


@cache
def read_asset(name: str) -> str:
    """A style or a script, to stand in a page as it is."""
    text = (PAGES / name).read_text(encoding="utf-8").strip()
    if "</s" in text.lower():
        raise ValueError(f"{name} would end its own element")
    return text


@cache
def hash_of(name: str) -> str:
    """As a policy names what may stand in a page."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(read_asset(name).encode()).digest()).decode()}'"


def policy(script: str, host: str) -> str:
    """The page's Content-Security-Policy: itself and nothing else. `host` is as it was asked for, looked at before."""
    # Older browsers do not take 'self' for a WebSocket of the same place.
    sockets = f" ws://{host} wss://{host}" if _PLAIN_HOST.fullmatch(host) else ""
    scripts = f"script-src {hash_of(script)}; connect-src 'self'{sockets}; " if script else ""
    return (
        f"default-src 'none'; style-src {hash_of('style.css')}; {scripts}img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )


def say(words: Words, language: str, key: str, /, **fields: object) -> str:
    """A sentence. A key that there is not is shown as it is: a page with a hole is better than none."""
    text = words[language].get(key) or SHELL[language].get(key) or words["en"].get(key) or key
    return text.format(**fields) if fields else text


def render(template: str, language: str, words: Words, **facts: Any) -> str:
    """A template as text; whole pages and parts of them alike."""

    def t(key: str, /, **fields: object) -> str:
        return say(words, language, key, **fields)

    made: bytes = templates().load(template).generate(t=t, lang=language, languages=LANGUAGES, icon=ICON, **facts)
    return made.decode()


def language_of(request: Page) -> str:
    """What `?lang=` asks for, else what was chosen before, else the browser's."""
    wanted = request.get_query_argument("lang", "")
    if wanted not in LANGUAGES:
        wanted = request.get_cookie(_COOKIE, "") or ""
    return choose(wanted, request.request.headers.get("Accept-Language", ""))


def keep_language(request: Page) -> None:
    """What `?lang=` asks for is gone by from now on."""
    wanted = request.get_query_argument("lang", "")
    if wanted in LANGUAGES:
        request.set_cookie(_COOKIE, wanted, path="/", expires_days=_COOKIE_DAYS, httponly=True, samesite="Strict")


class WebPage(Page):
    """A page for people. `words` are its own, `script` names one of `pages` or is empty."""

    words: ClassVar[Words] = {"kk": {}, "ru": {}, "en": {}}
    script = ""
    refresh_s = 0  # how often a browser without scripts asks again; 0: not by itself

    def set_default_headers(self) -> None:
        """As of any page, but with a style; and a browser is to say that a form comes from here (Origin)."""
        super().set_default_headers()
        self.set_header("Content-Security-Policy", policy(self.script, self.request.host))
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Vary", "Accept-Language, Cookie")

    @property
    def language(self) -> str:
        """See `language_of`."""
        return language_of(self)

    def show(self, template: str, status: int = 200, **facts: Any) -> None:
        """The page, in the language of who asks."""
        keep_language(self)
        self.set_status(status)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        script = read_asset(self.script) if self.script else ""
        self.finish(render(
            template, self.language, self.words, style=read_asset("style.css"), script=script,
            refresh_s=self.refresh_s, **facts,
        ))  # fmt: skip
