"""/status, /list_kiosks, /kiosk: how everything is. They change nothing, and answer without the database as well."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from cloud.alerts.alert import Alert, Condition
from cloud.bot import shown_kiosk, shown_list, shown_status
from cloud.bot.command import Command, Press
from cloud.bot.hands import Hands
from cloud.bot.html import Html
from cloud.bot.kiosk_words import known
from cloud.bot.reply import DATA_MAX, Button, Caller, Reply, Rows
from cloud.bot.shown_kiosk import Looked
from cloud.bot.shown_stand import stand
from cloud.bot.shown_status import HubLine, Status
from cloud.db.engine import explain
from cloud.errors import StorageError
from cloud.kiosks.registry import Kiosk
from cloud.operations.facts import Told, Updated
from cloud.operations.operation import Operation, State
from wire.messages import Device

log = logging.getLogger(__name__)

_PATIENCE = 5.0  # seconds that the database has
_HOUR = 3600.0
_OPERATIONS_SHOWN = 5
_LIST_KIND, _LIST_FOR = "list", 86400.0  # what a list is about, where that does not fit into a button
_AWAY = (StorageError, SQLAlchemyError, OSError, TimeoutError)


# /status


async def status(hands: Hands, caller: Caller, _words: list[str]) -> Reply:
    """/status"""
    return Reply(html=await _status(hands, caller), buttons=_again(hands, caller, "status:"))


async def press_status(hands: Hands, caller: Caller, _rest: str) -> Reply:
    """Look again."""
    return Reply(html=await _status(hands, caller), buttons=_again(hands, caller, "status:"), edits=True)


async def _status(hands: Hands, caller: Caller) -> Html:
    report: Mapping[str, Any] = hands.health()
    kiosks = hands.registry.all()
    enabled = [kiosk for kiosk in kiosks if kiosk.enabled]
    online = sum(hands.where.is_connected(kiosk.id) for kiosk in enabled)
    hour: Mapping[str, int] | None = None
    unknown: int | None = None
    callbacks: int | None = None
    if report["database"] == "connected":
        try:
            async with asyncio.timeout(_PATIENCE):
                hour = await hands.store.counts(hands.clock() - _HOUR)
                unknown = (await hands.facts.open_operations()).get(State.UNKNOWN, 0)
                callbacks = await hands.facts.callbacks_waiting()
        except _AWAY as error:
            log.warning("operations could not be counted", extra={"error": explain(error)})
    alerts = hands.alerts
    told = Status(
        version=report["version"],
        up=report["uptime"],
        url=hands.public_url,
        reasons=report["reasons"],
        database=report["database"],
        redis=report["redis"],
        bot=report["telegram"],
        online=online,
        enabled=len(enabled),
        disabled=len(kiosks) - len(enabled),
        doubles=len(hands.where.doubles()),
        running=int(report["operations_running"]),
        queued=hands.operations.queued,
        hour=hour,
        unknown=unknown,
        callbacks=callbacks,
        alerts=None if alerts is None else len(alerts.standing()),
        mutes=() if alerts is None else alerts.mutes(),
        hubs=[
            HubLine(
                name=each["name"],
                is_this=each["is_this"],
                kiosks=each["kiosks"],
                status=each["status"],
                troubles=list(each["troubles"].values()),
            )
            for each in report.get("hubs", ())
        ],
    )
    return shown_status.shown(hands.say, caller.language, told)


# /list_kiosks


async def list_kiosks(hands: Hands, caller: Caller, words: list[str]) -> Reply:
    """/list_kiosks offline station"""
    return await _list(hands, caller, 0, " ".join(" ".join(words).split())[:200], "")


async def press_list(hands: Hands, caller: Caller, rest: str) -> Reply:
    """Another page, or the same one as it is now."""
    page, _, text = rest.partition(":")
    ask_id = ""
    if text.startswith("?"):
        ask_id = text[1:]
        ask = await hands.asks.look(ask_id, _LIST_KIND)
        if ask is None:
            return Reply(toast=hands.say.plain(caller.language, "kiosks.list_gone"))
        text = ask.subject
    reply = await _list(hands, caller, int(page) if page.isascii() and page.isdigit() else 0, text, ask_id)
    return Reply(html=reply.html, buttons=reply.buttons, edits=True)


async def _list(hands: Hands, caller: Caller, number: int, text: str, ask_id: str) -> Reply:
    """A page of those that `text` means; `ask_id` is where that is kept already."""
    kiosks = hands.registry.all()
    last_here = await _last_here(hands, kiosks)
    stands = [stand(kiosk, hands.where, last_here) for kiosk in kiosks]
    await asyncio.sleep(0)  # some 10 ms for ten thousand, and what follows as many: others have their turn
    page = shown_list.page(stands, shown_list.wanted(text), number)
    up = float(hands.health()["uptime"])
    html = shown_list.shown(hands.say, caller.language, page, text, now=hands.clock(), up=up)
    if page.pages == 1:
        return Reply(html=html)
    about = text
    if text.startswith("?") or len(f"kiosks:{page.pages}:{text}".encode()) > DATA_MAX:
        about = f"?{ask_id or await hands.asks.keep(_LIST_KIND, text, caller, _LIST_FOR, any_admin=True)}"
    before, after = (page.number - 1) % page.pages, (page.number + 1) % page.pages
    row = [
        Button("‹", f"kiosks:{before}:{about}"),
        Button(f"{page.number + 1} / {page.pages}", f"kiosks:{page.number}:{about}"),
        Button("›", f"kiosks:{after}:{about}"),
    ]
    return Reply(html=html, buttons=[row])


async def _last_here(hands: Hands, kiosks: list[Kiosk]) -> dict[str, float | None]:
    """What the database knows of kiosks that were not here since the hub started; nothing while it is away."""
    where = hands.where
    if all(where.is_connected(kiosk.id) or where.left(kiosk.id) is not None for kiosk in kiosks):
        return {}
    try:
        async with asyncio.timeout(_PATIENCE):
            return await hands.facts.last_here()
    except _AWAY as error:
        log.warning("who was here before cannot be read", extra={"error": explain(error)})
        return {}


# /kiosk


async def kiosk(hands: Hands, caller: Caller, words: list[str]) -> Reply:
    """/kiosk kiosk_001"""
    found = await known(hands, caller, words, exactly=False)
    return found if isinstance(found, Reply) else await _kiosk(hands, caller, found)


async def press_kiosk(hands: Hands, caller: Caller, rest: str) -> Reply:
    """Look again."""
    found = await known(hands, caller, [rest], exactly=True)
    reply = found if isinstance(found, Reply) else await _kiosk(hands, caller, found)
    return Reply(html=reply.html, buttons=reply.buttons, edits=True)


async def _kiosk(hands: Hands, caller: Caller, it: Kiosk) -> Reply:
    now, where, place = hands.clock(), hands.where, hands.where.of(it.id)
    updated: Updated | None = None
    told: Told | None = None
    code_until: float | None = None
    operations: list[Operation] | None = None
    conditions: list[Condition] = []
    last_here: dict[str, float | None] = {}
    refused = hands.links.last_refusal(it.id)
    is_away = False
    try:
        async with asyncio.timeout(_PATIENCE):
            last_here = await hands.facts.last_here(it.id)
            operations = (await hands.store.page(kiosk_id=it.id, limit=_OPERATIONS_SHOWN)).operations
            updated, told = await hands.facts.updated(it.id), await hands.facts.told(it.id)
            code_until = await hands.enrolment.open_until(it.id)
            conditions = await _conditions(hands, it.id)
            refused = await where.refused(it.id)
    except _AWAY as error:
        log.warning("a kiosk's rows cannot be read", extra={"kiosk": it.id, "error": explain(error)})
        is_away = True
    alerts: list[Alert] = [] if hands.alerts is None else hands.alerts.standing()
    stands = stand(it, where, last_here)
    left = where.left(it.id)
    if refused is not None and stands.since is not None and refused.at < stands.since:
        refused = None
    running, queued = await hands.operations.load_of(it.id)
    looked = Looked(
        stand=stands,
        now=now,
        up=float(hands.health()["uptime"]),
        address=place.address if place is not None else "",
        dialect=place.dialect if place is not None else "kiosk.v2",
        version=place.version if place is not None else "",
        hub=where.hub_of(place) if place is not None else "",
        unsettled=(place.unsettled or 0) if place is not None else 0,
        devices=_devices(where.devices(it.id), told, is_here=place is not None),
        left=left,
        refused=refused,
        double=where.double(it.id),
        running=running,
        queued=queued,
        updated=updated,
        told=told,
        code_until=code_until,
        operations=operations,
        alerts=[alert for alert in alerts if alert.kiosk_id == it.id],
        conditions=conditions,
        is_away=is_away,
    )
    buttons = _again(hands, caller, f"kiosk:{it.id}")
    return Reply(html=shown_kiosk.shown(hands.say, caller.language, looked), buttons=buttons)


def _devices(found: Sequence[Device], told: Told | None, *, is_here: bool) -> Sequence[Device]:
    """As the kiosk told of them last; of one that no hub that lives has heard, what its events say."""
    if found or told is None or is_here:
        return found
    return [Device(name=each.device, state=each.state) for each in told.states]


async def _conditions(hands: Hands, kiosk_id: str) -> list[Condition]:
    if hands.standing is None:
        return []
    found: list[Condition] = await hands.standing.rows()
    return [each for each in found if each.kiosk_id == kiosk_id]


def _again(hands: Hands, caller: Caller, data: str) -> Rows:
    """A button to look again; none where the longest ids do not fit into its data."""
    if len(data.encode()) > DATA_MAX:
        return ()
    return [[Button(hands.say.plain(caller.language, "kiosks.one_again"), data)]]


COMMANDS = [
    Command(name="status", help="kiosks.help_status", act=status),
    Command(name="list_kiosks", usage="[state] [text]", help="kiosks.help_list", act=list_kiosks),
    Command(name="kiosk", usage="<id>", help="kiosks.help_kiosk", act=kiosk),
]
PRESSES = {
    "status": Press(act=press_status, changes=False),
    "kiosks": Press(act=press_list, changes=False),
    "kiosk": Press(act=press_kiosk, changes=False),
}
