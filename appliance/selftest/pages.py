"""The pages of a running kiosk: that all their parts came along, and those that only they load."""

import io
import re
import zipfile
from urllib.parse import urlencode

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPResponse

from appliance.selftest.whole import Broken
from appliance.web.engineer_shell import PATH
from appliance.web.setup_words import LANGUAGES

PIN = "907351"  # of the engineer, for as long as the trial takes
_SIGNS = ("<style>", "<script>", 'id="part-verdict"', 'id="part-devices"', "</html>")
_ENGINEERS = ("", "/devices", "/routes", "/collection", "/restart", "/enrolment", "/pin", "/logs", "/support")
_PACKED = frozenset({"manifest.json", "health.json", "settings.txt", "routing.yaml", "system.json"})


async def see_pages(url: str) -> None:
    """The kiosk's own page, with its templates, style and script, in every language; the engineer's, and the bundle.

    Raises `Broken`.
    """
    for language in LANGUAGES:
        text = (await _ask(f"{url}/?lang={language}")).body.decode()
        missing = [sign for sign in _SIGNS if sign not in text]
        if missing:
            raise Broken(f"the kiosk's page in {language} is without {' and '.join(missing)}")
    cookie = await _sign_in(f"{url}{PATH}")
    for path in _ENGINEERS:
        if "</html>" not in (await _ask(f"{url}{PATH}{path}", cookie)).body.decode():
            raise Broken(f"the page {PATH}{path} has no end")
    with zipfile.ZipFile(io.BytesIO((await _ask(f"{url}{PATH}/bundle", cookie)).body)) as bundle:
        if missing := sorted(_PACKED - set(bundle.namelist())):
            raise Broken(f"the support bundle is without {' and '.join(missing)}")


async def _sign_in(url: str) -> str:
    """The engineer's cookie."""
    found = re.search(r'name="csrf" value="([^"]+)"', (await _ask(url)).body.decode())
    if found is None:
        raise Broken(f"the page {PATH} does not ask for the PIN")
    form = urlencode({"csrf": found[1], "pin": PIN})
    answer = await AsyncHTTPClient().fetch(url, method="POST", body=form, follow_redirects=False, raise_error=False)
    if answer.code != 303:
        raise Broken(f"the right PIN is answered with {answer.code}")
    return answer.headers["Set-Cookie"].partition(";")[0]


async def _ask(url: str, cookie: str = "") -> HTTPResponse:
    try:
        return await AsyncHTTPClient().fetch(url, headers={"Cookie": cookie} if cookie else None)
    except HTTPClientError as error:
        raise Broken(f"the page {url.partition('//')[2].partition('/')[2] or '/'} answers {error.code}") from None
