"""How the page /setup looks, for a phone and for a kiosk's own screen. Pure.

Complete without scripts. While something goes on (the hub is asked, the link comes up) it looks again by itself.
"""

import base64
import hashlib
from html import escape

import msgspec

from appliance.enrolment.standing import Standing
from appliance.hub import read_hub, short_hub
from appliance.reading import shown_url
from appliance.web.page import ICON, hash_of, read_asset
from appliance.web.page_shell import SHELL
from appliance.web.setup_words import LANGUAGES, WORDS

_STYLE = """
:root{color-scheme:light dark;
--ground:#eef1f4;--card:#fff;--ink:#16202a;--quiet:#4b5966;--link:#14528a;--action:#17609f;
--edge:#73818f;--note:#eef1f4;--bad:#a3201a;--bad-ground:#fceeed;--good:#176b33;--good-ground:#eaf6ee;--focus:#d97f00}
@media (prefers-color-scheme:dark){:root{--ground:#0f151b;--card:#19222b;--ink:#eef3f7;--quiet:#b0bdc9;--link:#8cc4f5;
--action:#2872b4;--edge:#8c9aa8;--note:#26323d;--bad:#ffa39b;--bad-ground:#431a17;--good:#7fdc9b;--good-ground:#12331f;
--focus:#ffb347}}
*{box-sizing:border-box}
html{font:18px/1.45 system-ui,"Noto Sans","DejaVu Sans",sans-serif;background:var(--ground);color:var(--ink)}
body{margin:0;padding:1rem;display:flex;justify-content:center}
main{width:100%;max-width:34rem;background:var(--card);border-radius:.75rem;padding:1.1rem 1.25rem 1.4rem}
nav{display:flex;gap:.25rem;justify-content:flex-end;margin:0 -.5rem}
nav a{padding:.5rem;min-height:2.6rem}
nav a[aria-current]{color:var(--ink);font-weight:600;text-decoration:none}
a{color:var(--link)}
h1{font-size:1.5rem;line-height:1.2;margin:.4rem 0 .8rem}
p{margin:.6rem 0}
label{display:block;font-weight:600;margin-top:1rem}
input{display:block;width:100%;font:inherit;font-size:1.15rem;padding:.6rem .7rem;margin-top:.25rem;
border:2px solid var(--edge);border-radius:.5rem;background:var(--card);color:inherit}
input:focus,button:focus,a:focus,summary:focus{outline:3px solid var(--focus);outline-offset:1px}
input[aria-invalid]{border-color:var(--bad)}
#code{text-transform:uppercase;letter-spacing:.12em;font-family:ui-monospace,"DejaVu Sans Mono",monospace}
#pin{letter-spacing:.12em;font-family:ui-monospace,"DejaVu Sans Mono",monospace}
small{display:block;color:var(--quiet);margin-top:.2rem}
small.wrong{color:var(--bad);font-weight:600}
button{width:100%;font:inherit;font-size:1.15rem;font-weight:600;margin-top:1.3rem;padding:.8rem;border:0;
border-radius:.5rem;background:var(--action);color:#fff;cursor:pointer}
.note{border-left:.4rem solid var(--edge);background:var(--note);border-radius:.4rem;padding:.6rem .8rem;margin:.8rem 0}
.bad{border-color:var(--bad);background:var(--bad-ground)}
.good{border-color:var(--good);background:var(--good-ground)}
.pin{font-size:1.6rem;line-height:1.2;font-weight:700;letter-spacing:.15em}
dl{display:grid;grid-template-columns:auto 1fr;gap:.3rem 1rem;margin:.8rem 0}
dt{color:var(--quiet)}
dd{margin:0;font-weight:600;overflow-wrap:anywhere}
summary{cursor:pointer;padding:.35rem 0;color:var(--link)}
.foot{margin-top:1.3rem}
.foot a{display:inline-block;padding:.5rem 0}
details p{overflow-wrap:anywhere;color:var(--quiet)}
@media (max-height:520px){html{font-size:16px}body{padding:.5rem}main{padding-top:.6rem}h1{margin-top:0}}
""".strip()
_REFRESH_S, _REFRESH_SLOW_S = 3, 10
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_SCRIPT = "setup.js"
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; script-src {hash_of(_SCRIPT)}; connect-src 'self'; "
    "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """A form: what was typed, and what is wrong with it (keys of the words). A code is never shown again."""

    hub: str = ""
    hub_wrong: str = ""
    code_wrong: str = ""
    pin_wrong: str = ""
    engineer_wrong: str = ""
    wrong: str = ""  # with all of it


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What the page is made of."""

    language: str
    standing: Standing
    connected: bool
    token: str  # against forms of other pages
    filled: Filled | None = None  # somebody is at it
    pin: str = ""  # to be shown here and typed there
    asks_pin: bool = False
    asks_engineer: bool = False  # for the PIN of the engineer's part


def render(view: View) -> str:
    """The whole page."""
    words = WORDS[view.language]
    body, refresh = _body(view)
    stays = "stay=1&amp;" if view.standing.takes_codes else ""
    foot = f'<p class="foot"><a href="/?{stays}lang={view.language}">{words["page"]}</a></p>'
    main = f"{_languages(view.language)}<h1>{words['title']}</h1>{body}{foot}"
    return _page(view.language, words["title"], main, refresh)


def render_refusal(language: str, key: str) -> str:
    """A page that says no."""
    words = WORDS[language]
    return _page(language, words["title"], f"<h1>{words['title']}</h1>{_note(words[key], 'bad')}")


def _page(language: str, title: str, main: str, refresh_s: int = 0) -> str:
    """Looks again by itself after so many seconds: by a script, or as a whole where there are none."""
    again = noscript = script = ""
    if refresh_s:
        address = f"/setup?lang={language}"
        again = f' data-again="{refresh_s}" data-from="{address}"'
        noscript = f'<noscript><meta http-equiv="refresh" content="{refresh_s};url={address}"></noscript>'
        script = f"<script>{read_asset(_SCRIPT)}</script>"
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><link rel="icon" href="{ICON}">{noscript}'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main{again}>{main}</main>{script}</body></html>\n"
    )


def _body(view: View) -> tuple[str, int]:
    """What stands below the heading, and after how many seconds to look again; 0: not by itself."""
    words, standing = WORDS[view.language], view.standing
    typing = view.filled is not None
    match standing.state:
        case "token":
            return _note(words["token"]), 0
        case "enrolled":
            link = words["connected" if view.connected else "not-connected"]
            text = _note(f"{words['enrolled']}. {link}", "good" if view.connected else "")
            return f"{text}{_who(view)}{_details(view)}", _REFRESH_SLOW_S if view.connected else _REFRESH_S
        case "waiting":
            told = f"{standing.next_kiosk_id} — {_shown(standing.next_hub)}"
            stuck = _note(words["stuck"], "bad") if standing.is_stuck else ""
            return f"{_note(words['waiting'] + ' ' + told)}{stuck}{_who(view)}", _REFRESH_SLOW_S
        case "asking" if not typing:
            if standing.trouble is None:
                text = _note(words["asking"])
            else:
                text = _note(f"{words['asking-again']} {_trouble(view)}", "bad") + _details(view)
            other = f'<p><a href="/setup?edit=1&amp;lang={view.language}">{words["other"]}</a></p>'
            return f"{text}{_hub(view)}{other}", _REFRESH_SLOW_S if standing.trouble else _REFRESH_S
        case "refused" if not typing:
            above = _note(f"{words['refused']} {_trouble(view)}", "bad") + _details(view)
        case "locked-out":
            above = _note(words["locked-out"], "bad")
            if standing.trouble is not None:
                above += _note(f"{words['refused']} {_trouble(view)}", "bad") + _details(view)
        case _:
            above = _details(view)
    return f"{above}{_form(view)}", 0


def _form(view: View) -> str:
    words, filled = WORDS[view.language], view.filled or Filled(hub=_shown(view.standing.hub))
    intro = "" if view.standing.trouble else f"<p>{words['intro']}</p>"
    wrong = _note(words[filled.wrong], "bad") if filled.wrong else ""
    pin = _field(view, "pin", filled.pin_wrong, 'inputmode="numeric" maxlength="12"') if view.asks_pin else ""
    shown = f'<div class="note">{words["pin-here"]}<div class="pin">{view.pin}</div></div>' if view.pin else ""
    return (
        f'{wrong}{shown}{intro}<form method="post" action="/setup?lang={view.language}" autocomplete="off">'
        f'<input type="hidden" name="token" value="{escape(view.token)}">'
        + _field(view, "hub", filled.hub_wrong, 'inputmode="url" maxlength="300"', filled.hub)
        + _field(view, "code", filled.code_wrong, 'maxlength="20" autocapitalize="characters"')
        + f'{pin}{_engineer(view, filled.engineer_wrong)}<button type="submit">{words["send"]}</button></form>'
    )


def _engineer(view: View, wrong: str) -> str:
    """The PIN that may be set here, twice; nobody has to."""
    if not view.asks_engineer:
        return ""
    return _secret(view, "engineer-pin", wrong) + _secret(view, "engineer-pin-again", "")


def _secret(view: View, name: str, wrong: str) -> str:
    """A field that is not read over a shoulder, and may be left empty."""
    words = WORDS[view.language]
    invalid = ' aria-invalid="true"' if wrong else ""
    kind = ' class="wrong"' if wrong else ""
    return (
        f'<label for="{name}">{words[name]}</label><input id="{name}" name="{name}" type="password" maxlength="20" '
        f'inputmode="numeric" autocomplete="off" aria-describedby="{name}-note"{invalid}>'
        f'<small{kind} id="{name}-note">{words[wrong or f"{name}-example"]}</small>'
    )


def _field(view: View, name: str, wrong: str, attributes: str, value: str = "") -> str:
    words = WORDS[view.language]
    invalid = ' aria-invalid="true"' if wrong else ""
    note = f'<small class="wrong" id="{name}-note">{words[wrong]}</small>' if wrong else (
        f'<small id="{name}-note">{words[f"{name}-example"]}</small>'
    )  # fmt: skip
    return (
        f'<label for="{name}">{words[name]}</label><input id="{name}" name="{name}" required {attributes} '
        f'value="{escape(value)}" autocomplete="off" autocorrect="off" spellcheck="false" '
        f'aria-describedby="{name}-note"{invalid}>{note}'
    )


def _who(view: View) -> str:
    words, standing = WORDS[view.language], view.standing
    rows = [
        (words["kiosk"], standing.kiosk_id), (words["name"], standing.name), (words["at"], _shown(standing.hub))
    ]  # fmt: skip
    cells = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows if value)
    return f"<dl>{cells}</dl>" if cells else ""


def _hub(view: View) -> str:
    return f"<dl><dt>{WORDS[view.language]['at']}</dt><dd>{escape(_shown(view.standing.hub))}</dd></dl>"


def _shown(hub: str) -> str:
    """As a person types it; what settings hold need not be an address of ours."""
    try:
        return short_hub(read_hub(hub)) if hub else ""
    except ValueError:
        return shown_url(hub)


def _trouble(view: View) -> str:
    trouble = view.standing.trouble
    return WORDS[view.language][f"trouble-{trouble}"] if trouble else ""


def _details(view: View) -> str:
    """What the program says, in English, for who is on the telephone with somebody."""
    parts = [part for part in (view.standing.words, *view.standing.notices) if part]
    if not parts:
        return ""
    text = "".join(f'<p lang="en">{escape(part)}</p>' for part in parts)
    return f"<details><summary>{WORDS[view.language]['details']}</summary>{text}</details>"


def _note(text: str, kind: str = "") -> str:
    return f'<p class="{" ".join(filter(None, ("note", kind)))}" role="status">{escape(text)}</p>'


def _languages(chosen: str) -> str:
    current = ' aria-current="true"'
    links = "".join(
        f'<a href="/setup?lang={code}" lang="{code}"{current if code == chosen else ""}>{name}</a>'
        for code, name in LANGUAGES.items()
    )
    return f'<nav aria-label="{SHELL[chosen]["shell.languages"]}">{links}</nav>'
