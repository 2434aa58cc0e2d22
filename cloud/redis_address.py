"""What `REDIS_URL` may say: one Redis, a Sentinel's master, a cluster. Pure but for the files of `Address.context`.

    redis://[[user]:password@]host[:port][/number]            rediss://… the same with TLS
    redis+sentinel://[[user]:password@]h1[:26379],h2,…/master[/number]
    redis+cluster://[[user]:password@]h1[:6379],h2,…

Options after a `?`: those of TLS by the names that Redis's clients have for them, and what the sentinels want to know.
"""

import re
import ssl
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import unquote

import msgspec

Kind = Literal["single", "sentinel", "cluster"]
_SCHEME = re.compile(r"redis(?P<tls>s?)(?:\+(?P<kind>sentinel|cluster))?")
_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.%]+)\]|(?P<host>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?")
_MASTER = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_TLS_OPTIONS = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"}
_LOGIN_OPTIONS = {"username", "password"}
_SENTINEL_OPTIONS = {"sentinel_username", "sentinel_password"}
_HOSTS = 32

RIGHT = (
    "redis://[user:password@]host[:port][/number], redis+sentinel://[user:password@]host[:port],host[:port]/master or "
    "redis+cluster://[user:password@]host[:port],host[:port]; with TLS rediss://…"
)


class AddressError(ValueError):
    """An address that cannot be used; the words say what would be right, and quote nothing of it."""


class Node(NamedTuple):
    """Where somebody listens."""

    host: str
    port: int


class Login(NamedTuple):
    """How to sign in; without a password nobody does. Not for logs."""

    user: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return "Login(…)"


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """`nodes` are the server, the sentinels or some of the cluster; `master` is what the sentinels call it."""

    kind: Kind
    nodes: tuple[Node, ...]
    is_tls: bool = False
    login: Login = Login()
    database: int = 0
    master: str = ""
    sentinel_login: Login = Login()
    ca: str = ""
    certificate: str = ""
    key: str = ""
    is_verified: bool = True
    is_named: bool = True  # the certificate is to be of this host

    def context(self) -> ssl.SSLContext:
        """How to speak TLS there. Raises OSError for files that cannot be used."""
        context = ssl.create_default_context(cafile=self.ca or None)
        if not (self.is_verified and self.is_named):
            context.check_hostname = False
        if not self.is_verified:
            context.verify_mode = ssl.CERT_NONE
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key or None)
        return context


def parse(url: str) -> Address:
    """What it says. Raises `AddressError`."""
    scheme, mark, rest = url.partition("://")
    found = _SCHEME.fullmatch(scheme)
    if not mark or found is None or not url.isprintable() or " " in url or "#" in url:
        raise AddressError(RIGHT)
    kind: Kind = found["kind"] or "single"  # type: ignore[assignment]
    place, _, query = rest.partition("?")
    hosts, _, path = place.partition("/")
    login, at, hosts = hosts.rpartition("@")
    if "@" in path or "@" in login:
        raise AddressError(f"{RIGHT}; what is special in a password is written as %40 and the like")
    options = _options(query, is_tls=bool(found["tls"]), kind=kind)
    master, database = _path(path, kind)
    if "db" in options:
        database = _number(options["db"])
    user, _, password = login.partition(":")
    if at and not password:
        raise AddressError("user:password@ or :password@ before the host")
    return Address(
        kind=kind,
        nodes=_nodes(hosts, kind),
        is_tls=bool(found["tls"]),
        login=Login(unquote(user) or options.get("username", ""), unquote(password) or options.get("password", "")),
        database=database,
        master=master,
        sentinel_login=Login(options.get("sentinel_username", ""), options.get("sentinel_password", "")),
        ca=options.get("ssl_ca_certs", ""),
        certificate=options.get("ssl_certfile", ""),
        key=options.get("ssl_keyfile", ""),
        is_verified=options.get("ssl_cert_reqs", "required") != "none",
        is_named=options.get("ssl_check_hostname", "true").lower() not in ("false", "0", "no"),
    )


def missing_files(address: Address) -> list[str]:
    """The files of it that are not there."""
    return [path for path in (address.ca, address.certificate, address.key) if path and not Path(path).is_file()]


def _nodes(hosts: str, kind: Kind) -> tuple[Node, ...]:
    listed = hosts.split(",")
    if len(listed) > (1 if kind == "single" else _HOSTS):
        one = "one host; several are for redis+sentinel:// and redis+cluster://"
        raise AddressError(one if kind == "single" else f"{_HOSTS} hosts at most")
    nodes = []
    for text in listed:
        found = _HOST.fullmatch(text)
        port = int(found["port"] or (26379 if kind == "sentinel" else 6379)) if found else 0
        if found is None or not 0 < port < 65536:
            raise AddressError(f"{RIGHT}; a port is a number from 1 to 65535, what is special in a password %2F or so")
        nodes.append(Node(found["six"] or found["host"], port))
    return tuple(nodes)


def _path(path: str, kind: Kind) -> tuple[str, int]:
    """The master's name, and the database's number."""
    parts = path.removesuffix("/").split("/") if path else []
    if kind == "cluster":
        if parts and parts != ["0"]:
            raise AddressError("no database's number: a cluster has none but 0")
        return "", 0
    master = ""
    if kind == "sentinel":
        if not parts or not _MASTER.fullmatch(parts[0]):
            raise AddressError(
                "redis+sentinel://host[:port],host[:port]/master, the name that the sentinels know it by"
            )
        master, parts = parts[0], parts[1:]
    if len(parts) > 1:
        raise AddressError(f"{RIGHT}; what is special in a password is written as %2F and the like")
    return master, _number(parts[0]) if parts and parts[0] else 0


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > 999_999:
        raise AddressError("a database's number after the host, such as /0")
    return int(text)


def _options(query: str, *, is_tls: bool, kind: Kind) -> dict[str, str]:
    options: dict[str, str] = {}
    known = _LOGIN_OPTIONS | (_TLS_OPTIONS if is_tls else set())
    known |= {"db"} if kind != "cluster" else set()
    known |= _SENTINEL_OPTIONS if kind == "sentinel" else set()
    for pair in query.split("&") if query else []:
        name, equals, value = pair.partition("=")
        if name in _TLS_OPTIONS and not is_tls:
            raise AddressError("rediss://… for options of TLS")
        if name not in known or not equals or name in options:
            raise AddressError(f"of the options, {', '.join(sorted(known))}, each once")
        options[name] = unquote(value)
    if options.get("ssl_cert_reqs", "required") not in ("required", "none"):
        raise AddressError("ssl_cert_reqs required or none")
    if options.get("ssl_check_hostname", "true").lower() not in ("true", "false", "1", "0", "yes", "no"):
        raise AddressError("ssl_check_hostname true or false")
    return options
