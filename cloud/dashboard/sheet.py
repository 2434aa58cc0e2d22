"""What an installer takes along: the hub's address, the code, and both as a QR code. Pure.

The QR code holds plain text, two labelled lines and nothing else: the kiosk's own address is not known to the hub, so
there is no link to make, and any phone shows a text, from which the installer types the code into the kiosk's page
`/setup`. There is no token in it: a code is good once, for one box, and for a day.
"""

import segno

from cloud.dashboard.rendering import Html


def typed_hub(socket_url: str) -> str:
    """The hub as it is typed at `/setup`: `wss://hub.example.com/ws` is hub.example.com; without encryption in full."""
    return socket_url.removeprefix("wss://").removesuffix("/ws") if socket_url.startswith("wss://") else socket_url


def qr_text(hub: str, code: str, hub_word: str, code_word: str) -> str:
    """What the QR code says."""
    return f"{hub_word}: {hub}\n{code_word}: {code}"


def qr_svg(text: str, title: str) -> Html:
    """The QR code as SVG: dark on light in either theme, else phones do not read it; as UTF-8, which they take bytes
    for, where segno would write Cyrillic as a Japanese computer does.
    """
    code = segno.make(text, error="m", micro=False, encoding="utf-8")
    return Html(
        code.svg_inline(
            scale=4, border=4, dark="#000", light="#fff", title=title, omitsize=True, svgclass="qr"
        ).encode()
    )
