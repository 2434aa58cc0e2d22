"""Handlers of `/admin`: kiosks and API keys. Every act is logged."""

import logging
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from cloud.accounts.account import Act
from cloud.backends.callback_url import check_callback_url
from cloud.backends.keys import ApiKey
from cloud.db.engine import explain
from cloud.errors import Refused
from cloud.kiosks.doubles import Double
from cloud.kiosks.registry import Kiosk
from cloud.kiosks.shown import show_code, show_enrolment, show_line, when
from cloud.web.handler import Handler
from wire.crashpoint import crash_point
from wire.ids import KIOSK_ID, parse_kiosk_id

log = logging.getLogger(__name__)

_LINES, _LINES_MAX = 100, 1000  # of the audit, where the query says nothing, and at most
Name = Annotated[str, msgspec.Meta(max_length=200, description="For people.")]
Url = Annotated[str, msgspec.Meta(max_length=2000, description="http(s) address that final states are sent to.")]


class NewKiosk(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST /admin/kiosks."""

    id: Annotated[
        str,
        msgspec.Meta(
            description="1 to 64 letters, digits, _ - . :",
            examples=["kiosk_001"],
            extra_json_schema={"pattern": f"^{KIOSK_ID}$"},
        ),
    ]
    name: Name = ""


class KioskChange(msgspec.Struct, forbid_unknown_fields=True):
    """Body of PATCH /admin/kiosks/{id}; members left out stay as they are."""

    name: Name | None = None
    enabled: bool | None = None


class NewApiKey(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST /admin/api-keys."""

    name: Name
    callback_url: Url = ""


class ApiKeyChange(msgspec.Struct, forbid_unknown_fields=True):
    """Body of PATCH /admin/api-keys/{id}. An empty address ends callbacks; a new one comes with a new secret."""

    callback_url: Url


class AdminHandler(Handler):
    """The base: only for the holder of the admin key."""

    def prepare(self) -> None:
        """Refuse everybody else."""
        self.authorize_admin()

    def answer(self, value: Any, status: int = 200) -> None:
        """See `Handler`."""
        crash_point("hub.admin.answer.before")
        super().answer(value, status)
        crash_point("hub.admin.answer.after")

    def log_act(self, act: str, **fields: object) -> None:
        """One line for each act."""
        log.info("admin act", extra={"act": act, "address": self.request.remote_ip, **fields})

    async def note(self, act: str, subject: str, **data: object) -> None:
        """A row of the audit for each, too. The key is one, whoever holds it: the address tells more."""
        address = str(self.request.remote_ip)
        await self.services.audit.note_done(
            Act(who="admin key", door="admin-api", act=act, subject=subject, address=address, data=data)
        )

    def show(self, kiosk: Kiosk) -> dict[str, object]:
        """A kiosk as the API tells it; its token is never among it."""
        where = self.services.where
        link, place, double = self.services.links.get(kiosk.id), where.of(kiosk.id), where.double(kiosk.id)
        hello = link.hello if link is not None else None
        shown: dict[str, object] = {
            "id": kiosk.id,
            "name": kiosk.name,
            "enabled": kiosk.enabled,
            "generation": kiosk.generation,
            "created_at": when(kiosk.created_at),
            "enrolment": show_enrolment(kiosk),
            "connected": place is not None,
            "connected_at": None,
            "address": link.socket.address if link is not None and link.socket is not None else None,
            "dialect": None,
            "version": hello.version if hello else None,
            "routes": hello.routes if hello else None,
            "unsettled": hello.unsettled if hello else None,
            "duplicate": None if double is None else _show_duplicate(double),
            "hub": None,
        }
        if place is None:
            return shown
        is_silent = place.dialect == "v1"  # of itself
        return shown | {
            "connected_at": when(place.since),
            "address": place.address or None,
            "dialect": place.dialect,
            "version": None if is_silent else place.version,
            "routes": None if is_silent else list(place.routes),
            "unsettled": place.unsettled,
            "hub": where.hub_of(place) or None,
        }


class KiosksHandler(AdminHandler):
    """/admin/kiosks"""

    async def get(self) -> None:
        """All kiosks."""
        self.answer({"kiosks": [self.show(kiosk) for kiosk in self.services.registry.all()]})

    async def post(self) -> None:
        """Register one; answers with its code and its token, which are not shown again."""
        new = self.read(NewKiosk)
        kiosk, code = await self.services.enrolment.add_kiosk(_kiosk_id(new.id, "bad-request"), new.name, "admin")
        self.log_act("kiosk added", kiosk=kiosk.id)
        await self.note("kiosk.add", kiosk.id, name=new.name)
        token = self.services.tokens.issue(kiosk.id, kiosk.generation)
        self.answer({**self.show(kiosk), **show_code(code), "token": token}, 201)


class KioskHandler(AdminHandler):
    """/admin/kiosks/{id}"""

    async def get(self, kiosk_id: str) -> None:
        """One kiosk."""
        kiosk = self.services.registry.get(_kiosk_id(kiosk_id))
        if kiosk is None:
            raise Refused("unknown-kiosk", f"there is no kiosk {kiosk_id}")
        try:
            until = await self.services.enrolment.open_until(kiosk_id)
        except (SQLAlchemyError, OSError) as error:  # all else is at hand, and wanted most when something fails
            log.warning("codes cannot be read", extra={"error": explain(error)})
            until = None
        devices = msgspec.to_builtins(list(self.services.where.devices(kiosk_id)))
        more = {"devices": devices, "code_good_until": None if until is None else when(until)}
        self.answer({**self.show(kiosk), **more})

    async def patch(self, kiosk_id: str) -> None:
        """Rename, enable, disable. Disabling closes its socket."""
        change = self.read(KioskChange)
        registry = self.services.registry
        _kiosk_id(kiosk_id)
        if change.name is None and change.enabled is None:
            raise Refused("bad-request", "body: name or enabled is missing")
        if change.name is not None:
            kiosk = await registry.rename(kiosk_id, change.name)
            await self.note("kiosk.rename", kiosk_id, name=change.name)
        if change.enabled is not None:
            kiosk = await registry.enable(kiosk_id, change.enabled)
            await self.note("kiosk.enable" if change.enabled else "kiosk.disable", kiosk_id)
        self.log_act("kiosk changed", kiosk=kiosk_id, enabled=change.enabled, renamed=change.name is not None)
        self.answer(self.show(kiosk))

    async def delete(self, kiosk_id: str) -> None:
        """Take it out of service for good; closes its socket."""
        await self.services.registry.remove(_kiosk_id(kiosk_id))
        self.log_act("kiosk removed", kiosk=kiosk_id)
        await self.note("kiosk.remove", kiosk_id)
        self.set_status(204)
        self.finish()


class KioskTokenHandler(AdminHandler):
    """/admin/kiosks/{id}/token"""

    async def post(self, kiosk_id: str) -> None:
        """A new token, enough without a key. The old one is dead at once, and the socket opened with it is closed."""
        kiosk = await self.services.registry.renew_token(_kiosk_id(kiosk_id))
        self.log_act("kiosk token renewed", kiosk=kiosk_id)
        await self.note("kiosk.token", kiosk_id)
        self.answer({**self.show(kiosk), "token": self.services.tokens.issue(kiosk.id, kiosk.generation)}, 201)


class KioskCodeHandler(AdminHandler):
    """/admin/kiosks/{id}/code"""

    async def post(self, kiosk_id: str) -> None:
        """A new code; the one before is refused from now on. The kiosk goes on as it is until the code is used."""
        code = await self.services.enrolment.new_code(_kiosk_id(kiosk_id), "admin")
        self.log_act("kiosk code made", kiosk=kiosk_id)
        await self.note("kiosk.code", kiosk_id)
        self.answer({"id": kiosk_id, **show_code(code)}, 201)


class EnrolmentsHandler(AdminHandler):
    """/admin/enrolments"""

    async def get(self) -> None:
        """What was tried at the enrolment of any kiosk, and with codes that nobody made."""
        self.answer({"enrolments": await self.lines(None)})

    async def lines(self, kiosk_id: str | None) -> list[dict[str, object]]:
        """As many as the query wants."""
        text = self.get_query_argument("limit", str(_LINES))
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:5]) <= _LINES_MAX):
            raise Refused("bad-request", f"limit: right would be 1 to {_LINES_MAX}")
        return [show_line(line) for line in await self.services.enrolment.audit(kiosk_id, int(text[:5]))]


class KioskEnrolmentsHandler(EnrolmentsHandler):
    """/admin/kiosks/{id}/enrolments"""

    async def get(self, kiosk_id: str) -> None:  # type: ignore[override]
        """What was tried at the enrolment of one kiosk, which may have been removed."""
        lines = await self.lines(_kiosk_id(kiosk_id))
        if not lines and self.services.registry.get(kiosk_id) is None:
            raise Refused("unknown-kiosk", f"there is no kiosk {kiosk_id}")
        self.answer({"enrolments": lines})


class ApiKeysHandler(AdminHandler):
    """/admin/api-keys"""

    async def get(self) -> None:
        """The keys in force, without their secrets."""
        self.answer({"api_keys": [_show_key(key) for key in await self.services.keys.read_all()]})

    async def post(self) -> None:
        """A new key, and the secret that signs its callbacks; neither is shown again."""
        new = self.read(NewApiKey)
        _check_url(new.callback_url)
        key, text = await self.services.keys.add(new.name)
        secret = await self.services.keys.set_callback(key.id, new.callback_url) if new.callback_url else None
        self.log_act("API key added", api_key=key.id)
        await self.note("key.add", key.id, name=new.name)
        shown = {**_show_key(key), "callback_url": new.callback_url or None}
        self.answer({**shown, "key": text, "callback_secret": secret}, 201)


class ApiKeyHandler(AdminHandler):
    """/admin/api-keys/{id}"""

    async def patch(self, key_id: str) -> None:
        """Where its callbacks go; answers with the new signing secret."""
        change = self.read(ApiKeyChange)
        _check_url(change.callback_url)
        secret = await self.services.keys.set_callback(key_id, change.callback_url)
        self.log_act("API key callback changed", api_key=key_id)
        await self.note("key.callback", key_id, host=urlsplit(change.callback_url).hostname or "")
        self.answer({"id": key_id, "callback_url": change.callback_url or None, "callback_secret": secret or None})

    async def delete(self, key_id: str) -> None:
        """End it."""
        await self.services.keys.revoke(key_id)
        self.log_act("API key revoked", api_key=key_id)
        await self.note("key.revoke", key_id)
        self.set_status(204)
        self.finish()


def _check_url(url: str) -> None:
    try:
        check_callback_url(url)
    except ValueError as error:
        raise Refused("bad-request", str(error)) from error


def _kiosk_id(text: str, problem: str = "unknown-kiosk") -> str:
    try:
        return parse_kiosk_id(text)
    except ValueError as error:
        raise Refused(problem, str(error)) from error


def _show_key(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "created_at": when(key.created_at),
        "callback_url": key.callback_url or None,
    }


def _show_duplicate(double: Double) -> dict[str, object]:
    """The two boxes that were seen with one kiosk's identity lately."""
    return {
        "address": double.address,
        "other_address": double.other,
        "same_journal": double.is_same_journal,
        "first_seen": when(double.first_at),
        "last_seen": when(double.last_at),
        "count": double.count,
    }
