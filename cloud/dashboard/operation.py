"""/dashboard/operations/<id>: all that is known of one operation, and settling by hand what nobody else can tell."""

import asyncio
import hashlib
import time
from typing import Any

import msgspec
from tornado.web import HTTPError

from cloud.accounts.account import Role
from cloud.dashboard.event_words import speak
from cloud.dashboard.operation_words import TONES, outcome, problem, shown, timeline, took
from cloud.dashboard.rendering import span
from cloud.dashboard.screen import Screen
from cloud.errors import Refused
from cloud.masking import masked_json, masked_text
from cloud.operations.by_hand import WHY_MAX, Resolution, check_words, is_by_hand
from cloud.operations.operation import Operation, State
from wire.ids import parse_request_id
from wire.legacy import NO_JOURNAL

_BODY_MAX = 20_000  # letters of a body that are shown
_LARGE, _LARGE_MAX = 16 * 1024, 64  # bytes of a body whose masked text is kept, and of how many
_EVENTS_SHOWN = 50
_EVENTS_AFTER, _EVENTS_FOR = 600.0, 6 * 3600.0  # a kiosk tells of an operation for a while after its end
_CHOICES = {"yes": State.SUCCEEDED, "no": State.FAILED}


class _Operation(Screen):
    active = "operations"

    async def _find(self, request_id: str) -> Operation:
        try:
            return await self.rooms.operations.find(parse_request_id(request_id))
        except ValueError as error:
            raise HTTPError(404, self.say("operations.none")) from error
        except Refused as error:
            raise HTTPError(404, self.say("operations.none")) from error

    async def _progress(self, it: Operation) -> msgspec.Raw | None:
        if it.state not in {State.SENT, State.ACCEPTED}:
            return None
        return (await self.rooms.operations.look(it.request_id))[1]

    async def _facts(self, it: Operation) -> dict[str, Any]:
        rooms = self.rooms
        kept = await rooms.resolving.of(it.request_id) if is_by_hand(it) else None
        delivery = await rooms.deliveries.of(it.request_id) if it.is_final else None
        names = await rooms.search.names_of_keys()
        until = min(it.finished_at or time.time(), it.created_at + _EVENTS_FOR) + _EVENTS_AFTER
        events, others = await rooms.search.events_of(it, until)
        progress = bytes(await self._progress(it) or b"")
        masked = await asyncio.to_thread(_masked, it, kept, progress, [each.data for each in events[:_EVENTS_SHOWN]])
        body, answer, told, stage, datas = masked
        asked_by = names.get(it.api_key_id or "", it.api_key_id or "") or self.say("operations.nobody")
        kiosk = rooms.registry.get(it.kiosk_id)
        stand = outcome(it, kept)
        life = timeline(
            it, resolution=kept, delivery=delivery, under_way=rooms.callbacks.under_way(it.request_id),
            asked_by=asked_by, say=self.say, span=lambda seconds: span(seconds, self.language),
        )  # fmt: skip
        return {
            "it": it, "kept": kept, "delivery": delivery, "stand": stand, "tone": TONES[stand], "life": life,
            "asked_by": asked_by, "is_key_gone": it.api_key_id is not None and rooms.keys.get(it.api_key_id) is None,
            "problem": problem(it, self.say), "detail": shown(it.detail or ""), "took": took(it),
            "body": body, "answer": answer, "told": told,
            "events": list(zip(events[:_EVENTS_SHOWN], datas, strict=True)), "events_more": len(events[_EVENTS_SHOWN:]),
            "spoken": lambda event: speak(self.language, event.kind, event.data),
            "others": others, "is_here": rooms.where.is_connected(it.kiosk_id),
            "kiosk_name": kiosk.name if kiosk else "", "progress": stage,
            "idempotency": masked_text(it.idempotency_key or ""), "is_v1": it.journal == NO_JOURNAL,
            "may_begin_for": rooms.resolving.may_begin_for(it) if it.state is State.UNKNOWN else 0.0,
            "every": 2 if it.state in {State.SENT, State.ACCEPTED, State.QUEUED} else 10 if not it.is_final else 0,
            "crumbs": [(self.say("operations.title"), "/dashboard/operations")],
        }  # fmt: skip


class OperationPage(_Operation):
    """GET: one operation, anew while it runs."""

    async def get(self, request_id: str) -> None:
        """The page, or what of it changes."""
        facts = await self._facts(await self._find(request_id))
        self.show("_operation.html" if self.is_fragment else "operation.html", **facts)


class ResolveOperation(_Operation):
    """GET: the question. POST: first what is about to be said for ever, then saying it."""

    reads = writes = Role.OPERATOR

    async def get(self, request_id: str) -> None:
        """The form, with all that speaks against filling it."""
        self._form(await self._facts(await self._find(request_id)))

    async def post(self, request_id: str) -> None:
        """Ask again, or write it."""
        given = self.fields()
        facts = await self._facts(await self._find(request_id))
        it, choice, wrong = facts["it"], given.get("executed", ""), {}
        why = given.get("why", "")
        if choice not in _CHOICES:
            wrong["executed"] = self.say("operations.wrong-choice")
        try:
            why = check_words(self.account_name, why)
        except Refused:
            wrong["why"] = self.say("operations.wrong-why", limit=WHY_MAX)
        if wrong:
            self._form(facts, 422, wrong=wrong, choice=choice, why=why)
            return
        if given.get("sure") != "yes":
            if it.state is State.UNKNOWN and facts["may_begin_for"] <= 0:
                self.show("operation_sure.html", **facts, choice=choice, why=why)
            else:
                self._form(facts, 409)
            return
        try:
            done = await self.rooms.resolving.resolve(
                it.request_id, _CHOICES[choice], f"dashboard:{self.account_name}", why
            )
        except Refused as refused:
            if refused.fact not in {"has-ended", "not-unknown", "may-begin"}:
                raise
            self._form(await self._facts(await self._find(request_id)), 409)
            return
        await self.note("operation.resolve", done.request_id, executed=choice, why=why, kiosk=done.kiosk_id)
        self.go(f"/dashboard/operations/{done.request_id}")

    def _form(self, facts: dict[str, Any], status: int = 200, **more: object) -> None:
        given = {"wrong": {}, "choice": "", "why": "", "limit": WHY_MAX, **more}
        crumbs = [*facts["crumbs"], (facts["it"].request_id, f"/dashboard/operations/{facts['it'].request_id}")]
        self.show("operation_resolve.html", status, **{**facts, **given, "crumbs": crumbs})


class _Told(msgspec.Struct, frozen=True):
    body: msgspec.Raw = msgspec.Raw(b"null")


def _masked(
    it: Operation, kept: Resolution | None, progress: bytes, datas: list[bytes]
) -> tuple[Any, Any, Any, str, list[str]]:
    """Bodies as (text, whether it is cut); None: there is none. They may have a megabyte each."""
    told = b""
    if kept is not None and kept.told is not None:
        told = bytes(msgspec.json.decode(kept.told, type=_Told).body)
    whole = [_large.shown(raw) if raw and raw != b"null" else None for raw in (bytes(it.body), it.answer, told)]
    stage = _large.shown(progress)[0] if progress else ""
    return whole[0], whole[1], whole[2], stage, [_cut(masked_json(raw, pretty=False), 400)[0] for raw in datas]


class Large:
    """Bodies that take long to mask, as they are shown: a page that is open asks for the same one every two seconds."""

    def __init__(self) -> None:
        self._kept: dict[bytes, tuple[str, int]] = {}  # by their digests; called from several threads

    def shown(self, raw: bytes) -> tuple[str, int]:
        """Masked and cut."""
        if len(raw) < _LARGE:
            return _cut(masked_json(raw))
        name = hashlib.sha256(raw).digest()
        if (found := self._kept.get(name)) is None:
            for oldest in list(self._kept)[: max(0, len(self._kept) - _LARGE_MAX + 1)]:
                self._kept.pop(oldest, None)
            found = self._kept[name] = _cut(masked_json(raw))
        return found


_large = Large()


def _cut(text: str, limit: int = _BODY_MAX) -> tuple[str, int]:
    """The text's beginning, and how many letters were left out."""
    return (text, 0) if len(text) <= limit else (text[:limit], len(text) - limit)
