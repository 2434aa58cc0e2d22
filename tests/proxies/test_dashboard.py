"""The dashboard through real proxies: people come by https; nothing is lost or said twice on the way."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.journeys.site import Site, unique
from tests.proxies.front import Caddy, Front, Nginx, install

PASSWORD = "bright copper kettles"
LIES = {"X-Forwarded-For": "192.0.2.66", "X-Real-IP": "192.0.2.66", "X-Forwarded-Host": "elsewhere.example"}
# Set by whoever carries a message, for that part of the way.
_OF_THE_WAY = {"server", "date", "via", "alt-svc", "connection", "transfer-encoding", "content-length", "keep-alive"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A hub that trusts its proxy."""
    install()
    built = Site(tmp_path_factory.mktemp("dashboard"), {"TRUST_PROXY": "true"})
    try:
        yield built
    finally:
        built.close()


@pytest.fixture(scope="module", params=[Caddy, Nginx], ids=["caddy", "nginx"])
def front(request: pytest.FixtureRequest, site: Site) -> Iterator[Front]:
    """One of them before it."""
    started: Front = request.param(site.directory / f"{request.param.name}-front", site.hub.port)
    started.start()
    try:
        yield started
    finally:
        started.kill()


def link(site: Site, name: str) -> str:
    """Where a new admin sets a password."""
    made = site.hub.cli("account", "add", name, "--role", "admin")
    assert made.returncode == 0, made.stderr
    return re.findall(r"/dashboard/welcome/\S+", made.stdout)[0]


def set_up(http: httpx.Client, address: str) -> httpx.Response:
    """Set it, which signs in."""
    return http.post(address, data={"password": PASSWORD, "again": PASSWORD}, headers=LIES)


@contextmanager
def signed_in(front: Front, site: Site) -> Iterator[httpx.Client]:
    """A browser of somebody who is."""
    with front.client() as http:
        assert set_up(http, link(site, unique("person"))).status_code == 303
        yield http


def session_cookies(answer: httpx.Response) -> list[str]:
    """What it is set by."""
    return [line for line in answer.headers.get_list("set-cookie") if "kioskwire_session" in line]


def test_the_session_is_for_https_and_for_this_host_alone(front: Front, site: Site) -> None:
    with front.client() as http:
        (cookie,) = session_cookies(set_up(http, link(site, unique("person"))))
        assert cookie.startswith("__Host-kioskwire_session=")
        for flag in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
            assert flag in cookie, cookie
        assert "Domain" not in cookie
        assert http.get("/dashboard").status_code == 200
        csrf = re.search(r'name="csrf" value="([^"]+)"', http.get("/dashboard/account").text)
        assert csrf is not None
        assert http.post("/dashboard/sign-out", data={"csrf": csrf[1]}).status_code == 303
        assert http.get("/dashboard").status_code == 303


def test_who_says_http_by_https_is_not_believed(front: Front, site: Site) -> None:
    with front.client() as http:
        address = link(site, unique("person"))
        fields = {"password": PASSWORD, "again": PASSWORD}
        (cookie,) = session_cookies(http.post(address, data=fields, headers={"X-Forwarded-Proto": "http"}))
    assert cookie.startswith("__Host-")


def test_headers_come_as_the_hub_gave_them_and_once(front: Front, site: Site) -> None:
    with signed_in(front, site) as http:
        cookie = "; ".join(f"{each.name}={each.value}" for each in http.cookies.jar)
        for path in ("/dashboard", "/dashboard/sign-in", "/dashboard/nothing", "/dashboard/operations.csv"):
            through = http.get(path)
            own = site.hub.http.get(path, headers={"Cookie": cookie, "X-Forwarded-Proto": "https"})
            assert through.status_code == own.status_code, path
            names = [name for name, _ in through.headers.multi_items() if name != "set-cookie"]
            assert len(names) == len(set(names)), path
            told, given = (
                {name: value for name, value in answer.headers.items() if name not in _OF_THE_WAY}
                for answer in (through, own)
            )
            assert told == given, path
            assert "content-security-policy" in told or path.endswith(".csv")


def test_assets_are_kept_and_come_compressed(front: Front, site: Site) -> None:
    with front.client() as http:
        page = http.get("/dashboard/sign-in").text
        addresses = re.findall(r'(?:href|src)="(/dashboard/assets/[^"#]+)', page)
        assert len(addresses) > 2
        for address in addresses:
            packed, plain = (
                http.get(address, headers={"Accept-Encoding": encoding}) for encoding in ("gzip", "identity")
            )
            assert (
                packed.headers["cache-control"]
                == plain.headers["cache-control"]
                == "public, max-age=31536000, immutable"
            )
            assert packed.headers["content-encoding"] == "gzip", address
            assert "content-encoding" not in plain.headers, address
            assert packed.content == plain.content
            assert packed.headers.get_list("vary") == ["Accept-Encoding"]


def test_who_came_is_the_proxy_s_word(front: Front, site: Site) -> None:
    with signed_in(front, site) as http:
        shown = http.get("/dashboard/audit", headers=LIES).text
    assert "192.0.2.66" not in shown
    assert "elsewhere.example" not in shown


def test_another_site_s_form_is_refused(front: Front, site: Site) -> None:
    with signed_in(front, site) as http:
        for headers in ({"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}):
            answer = http.post("/dashboard/sign-in", data={"name": "a", "password": "b"}, headers=headers)
            assert answer.status_code == 403, headers


def test_links_that_set_a_password_are_not_logged(front: Front, site: Site) -> None:
    with front.client() as http:
        address = link(site, unique("person"))
        assert http.get(address).status_code == 200
        assert set_up(http, address).status_code == 303
    secret = address.rpartition("/")[2]
    logs = [path for path in front.directory.rglob("*") if path.is_file() and path.suffix in {".log", ""}]
    logs += list((site.hub.directory).glob("*.log"))
    assert logs
    assert [path.name for path in logs if secret.encode() in path.read_bytes()] == []


def test_without_trust_what_proxies_say_is_not_believed(tmp_path_factory: pytest.TempPathFactory) -> None:
    alone = Site(tmp_path_factory.mktemp("alone"))
    try:
        with httpx.Client(base_url=alone.hub.url, trust_env=False, timeout=30) as http:
            said = {**LIES, "X-Forwarded-Proto": "https", "X-Scheme": "https"}
            fields = {"password": PASSWORD, "again": PASSWORD}
            answer = http.post(link(alone, "person"), data=fields, headers=said)
            (cookie,) = session_cookies(answer)
            assert cookie.startswith("kioskwire_session=")
            assert "Secure" not in cookie
            assert http.get("/dashboard", headers=said).status_code == 200
            assert "192.0.2.66" not in http.get("/dashboard/audit", headers=said).text
            assert answer.headers["location"].startswith("/dashboard")
    finally:
        alone.close()
