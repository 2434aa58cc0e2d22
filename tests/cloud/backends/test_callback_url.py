"""Addresses for callbacks."""

import pytest

from cloud.backends.callback_url import check_callback_url


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:9/x", "https://shop.example/hook?a=b", "http://[::1]:80/"])
def test_an_address_is_taken(url: str) -> None:
    check_callback_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "shop.example",
        "ftp://shop.example/",
        "http://",
        "file:///etc/passwd",
        "http://u:p@shop.example/",
        "http://shop.example/\n",
        "javascript:alert(1)",
        "http://u@shop.example/",
        "http://:p@shop.example/",
        "http://@shop.example/",
        "http://[",
        "http://shop.example:port/",
    ],
)
def test_what_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="callback_url: "):
        check_callback_url(url)
