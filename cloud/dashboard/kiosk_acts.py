"""What is done to kiosks. Each act has a page that says what will happen, and a form on it.

Secrets are in the answer to the form that made them and nowhere else. A form that makes one brings what it was true of
(the token's generation, the newest code's number): sent a second time, by a reload or by two people, it is refused.
"""

import asyncio
import unicodedata

from tornado.web import HTTPError

from cloud.accounts.account import Role
from cloud.dashboard.kiosks import KioskScreen
from cloud.dashboard.sheet import qr_svg, qr_text, typed_hub
from cloud.dashboard.texts import LANGUAGES, say
from cloud.errors import Refused
from cloud.kiosks.enrolment import MadeCode
from cloud.kiosks.registry import Kiosk
from cloud.kiosks.shown import socket_url
from wire.ids import parse_kiosk_id

_NAME_MAX, _MADE_BY_MAX = 200, 16  # as the admin API and the table have it
_ADDRESS_MAX = 200


class Acting(KioskScreen):
    """What acts share. One that makes a secret holds the turn, so that no two forms do it at a time."""

    _turn = asyncio.Lock()

    def name_of(self, given: str) -> tuple[str, str]:
        """A name as typed, and the key of what is wrong with it."""
        name = " ".join(given.split())
        if len(name) > _NAME_MAX:
            return name, "kiosks.wrong-name-long"
        if any(unicodedata.category(each) in {"Cc", "Cs"} for each in name):
            return name, "kiosks.wrong-name"
        return name, ""

    def refuse(self, key: str, **fields: object) -> HTTPError:
        """A conflict in words."""
        return HTTPError(409, self.say(key, **fields).replace("%", "%%"))

    def page_of(self, kiosk: Kiosk, done: str = "") -> str:
        """Where the kiosk is shown."""
        return f"/dashboard/kiosks/{kiosk.id}" + (f"?done={done}" if done else "")

    async def ask(
        self, kiosk: Kiosk, act: str, status: int = 200, *, wrong: str = "", true_of: int | None = None,
        code_until: float | None = None,
    ) -> None:  # fmt: skip
        """The page that says what an act would do."""
        link = self.rooms.links.get(kiosk.id)
        place = self.rooms.where.of(kiosk.id)
        socket = link.socket if link is not None else None
        here_from = place.address if place is not None else socket.address if socket is not None else ""
        running, queued = await self.rooms.operations.load_of(kiosk.id)
        self.show(
            "kiosk_act.html", status, kiosk=kiosk, act=act, wrong=wrong, true_of=true_of, code_until=code_until,
            is_here=socket is not None or place is not None, here_from=here_from, running=running, queued=queued,
        )  # fmt: skip

    def show_secret(self, kiosk: Kiosk, *, act: str, code: MadeCode | None = None, token: str = "") -> None:
        """The answer to a form that made a secret: shown here, once."""
        public = self.rooms.settings.public_url
        where = socket_url(public or f"{self.request.protocol}://{self.request.host[:_ADDRESS_MAX]}")
        hub = typed_hub(where)
        sheets = []
        for language, name in LANGUAGES.items() if code is not None else ():
            words = [say(language, f"kiosks.sheet-{each}") for each in ("hub", "code")]
            text = qr_text(hub, code.text if code else "", *words)
            sheets.append((language, name, qr_svg(text, say(language, "kiosks.sheet-title"))))
        self.show(
            "kiosk_secret.html", kiosk=kiosk, act=act, code=code, token=token, where=where, hub=hub, sheets=sheets,
            is_guess=not public, say_in=say,
        )  # fmt: skip


class KioskAdd(Acting):
    """/dashboard/kiosks/add"""

    reads = writes = Role.ADMIN

    def get(self) -> None:
        """The form."""
        self.show("kiosk_add.html", given={"id": "", "name": ""}, wrong={})

    async def post(self) -> None:
        """Register it; answers with code and token."""
        fields = self.fields()
        kiosk_id = fields.get("id", "")
        name, name_wrong = self.name_of(fields.get("name", ""))
        wrong = {"name": name_wrong} if name_wrong else {}
        try:
            parse_kiosk_id(kiosk_id)
        except ValueError:
            wrong["id"] = "kiosks.wrong-id" if kiosk_id else "kiosks.wrong-no-id"
        status = 422
        if not wrong:
            try:
                kiosk, code = await self.rooms.enrolment.add_kiosk(kiosk_id, name, self.account_name[:_MADE_BY_MAX])
            except Refused as error:
                if error.problem != "conflict":
                    raise
                wrong["id"], status = "kiosks.wrong-exists", 409
        if wrong:
            self.show("kiosk_add.html", status, given={"id": kiosk_id, "name": name}, wrong=wrong)
            return
        await self.note("kiosk.add", kiosk.id, name=name)
        token = self.rooms.tokens.issue(kiosk.id, kiosk.generation)
        self.show_secret(kiosk, act="added", code=code, token=token)


class KioskRename(Acting):
    """/dashboard/kiosks/{id}/rename"""

    reads = writes = Role.OPERATOR

    def get(self, kiosk_id: str) -> None:
        """The form."""
        kiosk = self.kiosk(kiosk_id)
        self.show("kiosk_rename.html", kiosk=kiosk, given=kiosk.name, wrong="")

    async def post(self, kiosk_id: str) -> None:
        """Give it another name."""
        kiosk = self.kiosk(kiosk_id)
        name, wrong = self.name_of(self.fields().get("name", ""))
        if wrong:
            self.show("kiosk_rename.html", 422, kiosk=kiosk, given=name, wrong=wrong)
            return
        await self.rooms.registry.rename(kiosk.id, name)
        await self.note("kiosk.rename", kiosk.id, before=kiosk.name, name=name)
        self.go(self.page_of(kiosk, "renamed"))


class KioskEnable(Acting):
    """/dashboard/kiosks/{id}/enable"""

    reads = writes = Role.OPERATOR

    async def get(self, kiosk_id: str) -> None:
        """What will happen."""
        await self.ask(self.kiosk(kiosk_id), "enable")

    async def post(self, kiosk_id: str) -> None:
        """Let it in."""
        kiosk = self.kiosk(kiosk_id)
        await self.rooms.registry.enable(kiosk.id, True)
        await self.note("kiosk.enable", kiosk.id)
        self.go(self.page_of(kiosk, "enabled"))


class KioskDisable(Acting):
    """/dashboard/kiosks/{id}/disable"""

    reads = writes = Role.OPERATOR

    async def get(self, kiosk_id: str) -> None:
        """What will happen."""
        kiosk = self.kiosk(kiosk_id)
        await self.ask(kiosk, "disable")

    async def post(self, kiosk_id: str) -> None:
        """Keep it out; its socket is closed."""
        kiosk = self.kiosk(kiosk_id)
        await self.rooms.registry.enable(kiosk.id, False)
        await self.note("kiosk.disable", kiosk.id)
        self.go(self.page_of(kiosk, "disabled"))


class KioskToken(Acting):
    """/dashboard/kiosks/{id}/token"""

    reads = writes = Role.ADMIN

    async def get(self, kiosk_id: str) -> None:
        """What will happen."""
        kiosk = self.kiosk(kiosk_id)
        await self.ask(kiosk, "token", true_of=kiosk.generation)

    async def post(self, kiosk_id: str) -> None:
        """A new token; the one before is dead."""
        async with self._turn:
            await self.rooms.registry.refresh()
            kiosk = self.kiosk(kiosk_id)
            if self.fields().get("true_of") != str(kiosk.generation):
                raise self.refuse("kiosks.token-meanwhile", kiosk=kiosk.id)
            kiosk = await self.rooms.registry.renew_token(kiosk.id)
        await self.note("kiosk.token", kiosk.id)
        self.show_secret(kiosk, act="token", token=self.rooms.tokens.issue(kiosk.id, kiosk.generation))


class KioskCode(Acting):
    """/dashboard/kiosks/{id}/code"""

    reads = writes = Role.ADMIN

    async def get(self, kiosk_id: str) -> None:
        """What will happen."""
        kiosk = self.kiosk(kiosk_id)
        until, newest = await self.rooms.enrolment.open_until(kiosk.id), await self.rooms.enrolment.newest(kiosk.id)
        await self.ask(kiosk, "code", true_of=newest, code_until=until)

    async def post(self, kiosk_id: str) -> None:
        """A new code; the one before is refused."""
        kiosk = self.kiosk(kiosk_id)
        async with self._turn:
            if self.fields().get("true_of") != str(await self.rooms.enrolment.newest(kiosk.id)):
                raise self.refuse("kiosks.code-meanwhile", kiosk=kiosk.id)
            code = await self.rooms.enrolment.new_code(kiosk.id, self.account_name[:_MADE_BY_MAX])
        await self.note("kiosk.code", kiosk.id)
        self.show_secret(kiosk, act="code", code=code)


class KioskRemove(Acting):
    """/dashboard/kiosks/{id}/remove"""

    reads = writes = Role.ADMIN

    async def get(self, kiosk_id: str) -> None:
        """What will happen."""
        kiosk = self.kiosk(kiosk_id)
        await self.ask(kiosk, "remove")

    async def post(self, kiosk_id: str) -> None:
        """Take it out of service for good."""
        kiosk = self.kiosk(kiosk_id)
        if self.fields().get("typed", "") != kiosk.id:
            await self.ask(kiosk, "remove", 422, wrong="kiosks.wrong-typed")
            return
        await self.rooms.registry.remove(kiosk.id)
        await self.note("kiosk.remove", kiosk.id, name=kiosk.name)
        self.go(f"/dashboard/kiosks?done=removed&which={kiosk.id}")
