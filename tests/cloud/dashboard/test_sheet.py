"""The installer's sheet."""

import pytest

from appliance.hub import read_hub
from cloud.dashboard.rendering import Html
from cloud.dashboard.sheet import qr_svg, qr_text, typed_hub
from cloud.kiosks.shown import socket_url


@pytest.mark.parametrize(
    ("public_url", "typed"),
    [
        ("https://hub.example.com", "hub.example.com"),
        ("https://hub.example.com:8443/", "hub.example.com:8443"),
        ("https://example.com/kiosks", "example.com/kiosks"),
        ("http://192.0.2.7:8000", "ws://192.0.2.7:8000/ws"),
    ],
)
def test_the_hub_is_shown_as_the_kiosks_page_takes_it(public_url: str, typed: str) -> None:
    assert typed_hub(socket_url(public_url)) == typed
    assert read_hub(typed) == socket_url(public_url)


def test_a_qr_code_is_svg_without_style_or_script() -> None:
    text = qr_text("hub.example.com", "ABCD-2345", "Хаб", "Код")
    assert text == "Хаб: hub.example.com\nКод: ABCD-2345"
    svg = qr_svg(text, "<b>")
    assert isinstance(svg, Html)
    assert b"<svg" in svg
    assert b"style=" not in svg
    assert b"<script" not in svg
    assert b"<b>" not in svg
