"""The way to the hub in steps, what each may find, and the verdict on all of them. Pure.

A step is judged from what was seen on the way (`Seen`), in the order in which a packet needs them. The first that
failed is the verdict: what comes behind it was not tried, or says nothing by itself. A finding is a key (`dns.silent`)
with the figures that belong into its sentence; pages have the words.

**Captive portals.** Nothing but the hub's own name is ever asked for, so that a kiosk in a closed network calls
nobody else. A portal shows itself there: by a redirect to another host, by a page in HTML, by status 511, either on
port 80 of the hub's name or in the place of the hub itself. Where TLS stands with a certificate of the hub's own there
is none, and port 80 is not asked.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

CLOCK_TOLERANCE_S = 60.0


class Step(StrEnum):
    """In the order of the way."""

    LINK = "link"
    ADDRESS = "address"
    ROUTE = "route"
    DNS = "dns"
    PORTAL = "portal"
    PROXY = "proxy"
    REACH = "reach"
    TLS = "tls"
    CLOCK = "clock"
    HUB = "hub"
    TOKEN = "token"  # noqa: S105 - a word


class State(StrEnum):
    """How a step went."""

    PASSED = "passed"
    FAILED = "failed"
    DOUBTFUL = "doubtful"  # it works and is not as it should be
    SKIPPED = "skipped"  # not needed here, or not come to


class Interface(msgspec.Struct, frozen=True, kw_only=True):
    """One way out of the machine. `kind` is cable, wifi or mobile."""

    name: str
    kind: str = "cable"
    up: bool = False  # with a carrier
    addresses: tuple[str, ...] = ()  # those that lead anywhere: not link-local


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP answer, as far as it matters."""

    status: int
    location: str = ""  # the host of a redirect
    html: bool = False
    is_hub: bool = False  # its body is a hub's own report
    date: float | None = None  # Unix seconds


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What the other end showed; Unix seconds."""

    subject: str = ""
    issuer: str = ""
    begins: float | None = None
    ends: float | None = None


class Seen(msgspec.Struct, kw_only=True):
    """What a walk saw; None where it did not come so far."""

    host: str = ""  # the hub's
    via: str = ""  # the proxy's address without a password, if there is one
    local: bool = False  # the first hop is this machine
    near: bool = False  # the hub is in one's own network: what works up to there says nothing of the internet
    encrypted: bool = True  # wss://
    interfaces: tuple[Interface, ...] = ()
    default_route: bool | None = None
    servers: tuple[str, ...] = ()  # of names, by the system's own file
    name: str = ""  # that was looked up; empty: it was an address
    looked_up: str = ""  # found, silent, no-name, bad-name
    addresses: tuple[str, ...] = ()
    connected: str = ""  # to the first hop: yes, refused, silent, unreachable
    reason: str = ""  # of the system, in English
    tunnel: int | None = None  # status of the proxy's answer to CONNECT; 0: it did not answer
    tls: str = ""  # trusted, untrusted, name, expired, not-yet, none, broken, silent, no-authorities
    certificate: Certificate | None = None
    port_80: Told | None = None
    hub: Told | None = None
    hub_silent: bool = False
    wall: float = 0.0  # our clock then, Unix seconds
    token: str = ""  # good, refused, disabled, duplicate, missing, untried


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What one step found."""

    step: Step
    state: State
    finding: str = ""
    fields: Mapping[str, str | float] = {}


class Walk(msgspec.Struct, frozen=True, kw_only=True):
    """All steps, once. `at` is Unix seconds, `took` seconds."""

    at: float
    took: float
    looks: tuple[Look, ...]

    @property
    def first_failed(self) -> Look | None:
        """What is wrong; None: nothing up to the hub."""
        return verdict(self.looks)


def verdict(looks: Sequence[Look]) -> Look | None:
    """The first step that failed, else the first that is doubtful; None where all is well."""
    for state in (State.FAILED, State.DOUBTFUL):
        for look in looks:
            if look.state is state:
                return look
    return None


def judge(seen: Seen) -> tuple[Look, ...]:
    """Every step, those behind the first that failed as skipped."""
    looks: list[Look] = []
    failed = False
    for step, rule in _RULES:
        look = None if failed else rule(seen)
        if look is None:
            look = Look(step=step, state=State.SKIPPED)
        failed = failed or look.state is State.FAILED
        looks.append(look)
    return tuple(looks)


def _passed(step: Step, **fields: str | float) -> Look:
    return Look(step=step, state=State.PASSED, fields=fields)


def _failed(step: Step, finding: str, **fields: str | float) -> Look:
    return Look(step=step, state=State.FAILED, finding=f"{step.value}.{finding}", fields=fields)


def _link(seen: Seen) -> Look | None:
    if seen.local:
        return None
    up = [each.name for each in seen.interfaces if each.up]
    if up:
        return _passed(Step.LINK, names=", ".join(up))
    if not seen.interfaces:
        return _failed(Step.LINK, "none")
    kinds = {each.kind for each in seen.interfaces}
    # With several kinds the cable is what a person can see to.
    kind = next(kind for kind in ("cable", "wifi", "mobile") if kind in kinds)
    return _failed(Step.LINK, kind, names=", ".join(each.name for each in seen.interfaces))


def _address(seen: Seen) -> Look | None:
    if seen.local:
        return None
    found = [address for each in seen.interfaces if each.up for address in each.addresses]
    if found:
        return _passed(Step.ADDRESS, addresses=", ".join(found[:4]))
    return _failed(Step.ADDRESS, "none", names=", ".join(each.name for each in seen.interfaces if each.up))


def _route(seen: Seen) -> Look | None:
    if seen.local or seen.default_route is None:
        return None
    if seen.default_route or seen.connected == "yes":
        return _passed(Step.ROUTE)
    return _failed(Step.ROUTE, "none")


def _dns(seen: Seen) -> Look | None:
    servers = ", ".join(seen.servers)
    match seen.looked_up:
        case "found":
            return _passed(Step.DNS, name=seen.name, addresses=", ".join(seen.addresses[:2]))
        case "silent":
            return _failed(Step.DNS, "silent" if servers else "no-server", name=seen.name, servers=servers)
        case "no-name" | "bad-name":
            return _failed(Step.DNS, "no-name", name=seen.name, servers=servers)
    return None


def _portal(seen: Seen) -> Look | None:
    if seen.tls == "trusted" or (not seen.encrypted and seen.hub is not None and seen.hub.is_hub):
        return _passed(Step.PORTAL)
    for told in (seen.port_80, None if seen.encrypted else seen.hub):
        if told is not None and is_portal(told, seen.host):
            return _failed(Step.PORTAL, "found", host=told.location or seen.host)
    return None


def is_portal(told: Told, host: str) -> bool:
    """Whether an HTTP answer under the hub's name is somebody else's page."""
    if told.status == 511:
        return True
    if 300 <= told.status < 400:
        return bool(told.location) and told.location.lower() != host.lower()
    return told.status == 200 and told.html


def _proxy(seen: Seen) -> Look | None:
    if not seen.via:
        return None
    if seen.connected in {"refused", "silent", "unreachable"}:
        return _failed(Step.PROXY, seen.connected, proxy=seen.via, reason=seen.reason)
    match seen.tunnel:
        case None:
            return None
        case 200:
            return _passed(Step.PROXY, proxy=seen.via)
        case 407:
            return _failed(Step.PROXY, "password", proxy=seen.via)
        case 0:
            return _failed(Step.PROXY, "no-answer", proxy=seen.via)
        case 502 | 503 | 504:
            return _failed(Step.PROXY, "no-hub", proxy=seen.via, status=seen.tunnel, host=seen.host)
    return _failed(Step.PROXY, "denied", proxy=seen.via, status=seen.tunnel, host=seen.host)


def _reach(seen: Seen) -> Look | None:
    if seen.via:
        return None
    match seen.connected:
        case "yes":
            return _passed(Step.REACH, host=seen.host)
        case "refused" | "silent" | "unreachable" as how:
            return _failed(Step.REACH, how, host=seen.host, reason=seen.reason, near=float(seen.near))
    return None


def _tls(seen: Seen) -> Look | None:
    shown = seen.certificate or Certificate()
    match seen.tls:
        case "" | "expired" | "not-yet" if seen.tls == "" or clock_offset(seen) is not None:
            return None  # dates are a matter of the clock first
        case "trusted":
            return _passed(Step.TLS, issuer=shown.issuer)
        case "untrusted":
            return _failed(Step.TLS, "untrusted", issuer=shown.issuer or "?", host=seen.host)
        case "name":
            return _failed(Step.TLS, "name", subject=shown.subject or "?", issuer=shown.issuer or "?", host=seen.host)
        case "expired" | "not-yet" as how:
            return _failed(Step.TLS, how, begins=shown.begins or 0.0, ends=shown.ends or 0.0, wall=seen.wall)
    return _failed(Step.TLS, seen.tls, host=seen.host, reason=seen.reason)


def clock_offset(seen: Seen) -> float | None:
    """Seconds by which the hub's clock is ahead of ours, where that is too much; None: it is not, or is not known.

    A date in an answer says it to the second. Of a certificate that is not yet valid we only know that our clock is
    behind at least so much.
    """
    if seen.hub is not None and seen.hub.date is not None:
        offset = seen.hub.date - seen.wall
        return offset if abs(offset) > CLOCK_TOLERANCE_S else None
    if seen.tls == "not-yet" and seen.certificate is not None and seen.certificate.begins is not None:
        return max(CLOCK_TOLERANCE_S, seen.certificate.begins - seen.wall)
    return None


def _clock(seen: Seen) -> Look | None:
    offset = clock_offset(seen)
    if offset is not None:
        # What stops the kiosk is a certificate that is refused for its dates; else times are wrong and all works.
        state = State.FAILED if seen.tls in {"expired", "not-yet"} else State.DOUBTFUL
        finding = "clock.behind" if offset > 0 else "clock.ahead"
        return Look(step=Step.CLOCK, state=state, finding=finding, fields={"offset": abs(offset), "wall": seen.wall})
    if seen.hub is not None and seen.hub.date is not None:
        return _passed(Step.CLOCK)
    return None


def _hub(seen: Seen) -> Look | None:
    told, near = seen.hub, float(seen.near)
    if told is None:
        return _failed(Step.HUB, "silent", host=seen.host, near=near) if seen.hub_silent else None
    if told.is_hub and told.status == 200:
        return _passed(Step.HUB, host=seen.host)
    finding = "none"
    if told.is_hub or told.status == 503:
        finding = "unwell"
    elif told.status >= 500:
        finding = "down"
    elif told.status == 429:
        finding = "busy"
    return _failed(Step.HUB, finding, host=seen.host, status=told.status, near=near)


def _token(seen: Seen) -> Look | None:
    if seen.token in {"refused", "disabled", "duplicate", "missing"}:
        return _failed(Step.TOKEN, seen.token)
    return _passed(Step.TOKEN) if seen.token == "good" else None  # noqa: S105 - a word


_RULES = (
    (Step.LINK, _link), (Step.ADDRESS, _address), (Step.ROUTE, _route), (Step.DNS, _dns), (Step.PORTAL, _portal),
    (Step.PROXY, _proxy), (Step.REACH, _reach), (Step.TLS, _tls), (Step.CLOCK, _clock), (Step.HUB, _hub),
    (Step.TOKEN, _token),
)  # fmt: skip
