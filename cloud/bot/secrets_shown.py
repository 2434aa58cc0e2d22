"""Tokens and codes as they are given to a person: hidden until somebody taps on them, ready to be used. Pure."""

from urllib.parse import urlsplit

from cloud.bot.html import Html, spoiler
from cloud.bot.reply import Language
from cloud.bot.texts import Texts
from cloud.bot.texts.times import span
from cloud.kiosks.enrolment import MadeCode
from cloud.kiosks.shown import PLACE, socket_url


def typed_url(public_url: str) -> str:
    """The hub's address as a person types it on a kiosk: without what is understood anyway."""
    if not public_url:
        return PLACE
    parts = urlsplit(public_url)
    short = f"{parts.netloc}{parts.path.rstrip('/')}"
    return f"http://{short}" if parts.scheme == "http" else short


def code_lines(say: Texts, language: Language, made: MadeCode, public_url: str, now: float) -> list[Html]:
    """What to do with a one-time code."""
    hub = typed_url(public_url)
    good = {"span": span(language, made.good_until - now), "when": say.when(made.good_until)}
    return [
        say(language, "kiosks.by_code", **good),
        spoiler(made.text),
        say(language, "kiosks.by_code_how", address=hub),
        spoiler(f"kioskwire-appliance enroll --hub {hub} --code {made.text}"),
    ]


def env_lines(token: str, public_url: str) -> Html:
    """What goes into a kiosk's .env."""
    return spoiler(f"WS_SERVER_URL={socket_url(public_url)}\nWS_TOKEN={token}")


def last_lines(say: Texts, language: Language, public_url: str) -> list[Html]:
    """What to do with such a message."""
    missing = [] if public_url else [say(language, "kiosks.no_url", place=PLACE)]
    return [*missing, say(language, "kiosks.secret")]
