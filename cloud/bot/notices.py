"""Alerts as messages: to the chat for them, or to each admin in private; what nobody acknowledges to some more chats.

Nothing is kept here for a Telegram that is away: `Alerts` has it, and says what is to be told once it is back. A notice
counts as told when one chat has it and none is waited for; a chat that refuses it (somebody has blocked the bot) is not
waited for. While none takes anything, nothing counts as told. After a line that broke before the answer a message may
come twice, and none is lost.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from enum import Enum

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from cloud.alerts.alert import Alert, Notice, Severity, What
from cloud.alerts.service import Alerts
from cloud.bot.acts_alerts import ACK, taken_note
from cloud.bot.alert_words import Words, buttons
from cloud.bot.asks import Asks
from cloud.bot.reply import Caller, Language, Target
from cloud.bot.talk import Limited, Rejected, Talk, TalkError
from cloud.bot.texts import Texts
from cloud.bot.users import Users
from cloud.cancelled import cancelled
from cloud.kiosks.registry import Registry

log = logging.getLogger(__name__)

CHANNEL = "telegram"
ACK_FOR = 7 * 86400.0
_ASK_FOR = 3  # times the first pause: for so long a look for news lasts, then others' copies are looked at
_LONGEST = 60  # times the first pause: between attempts while Telegram is away, or no chat takes anything
_LATER = 5  # times the first pause: until the next look whether a chat that wanted a pause takes something
_REFUSALS_MAX = 3  # of one notice by chats that take others
_OPEN_MAX = 500  # messages that are changed when somebody takes note of what they tell
_REMEMBERED = 5000  # alerts whose message is known, so that their end can be a reply to it


class _Came(Enum):
    """What came of one notice."""

    TOLD = "told"
    LATER = "later"  # a chat is to be waited for
    REFUSED = "refused"  # by all chats


class _Open(msgspec.Struct, kw_only=True):
    """A message of alerts that somebody has still to take note of. `known` says of how many somebody has."""

    language: Language
    numbers: frozenset[int]
    ask_id: str
    known: int


class Notices:
    """Tells Telegram of alerts. `async with` starts it.

    `chat` is where alerts go, in the setting's language; None: to each admin, in theirs.
    """

    def __init__(
        self,
        *,
        alerts: Alerts,
        talk: Talk,
        registry: Registry,
        users: Users,
        asks: Asks,
        say: Texts,
        chat: Target | None = None,
        pause: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._alerts = alerts
        self._talk = talk
        self._registry = registry
        self._users = users
        self._asks = asks
        self._say = say
        self._chat = chat
        self._pause = self._first_pause = pause
        self._longest_pause = _LONGEST * pause
        self._clock = clock
        self._messages: OrderedDict[tuple[Target, int], int] = OrderedDict()  # who was told of which alert in which
        self._open: OrderedDict[tuple[Target, int], _Open] = OrderedDict()
        self._taken: dict[tuple[int, What], set[Target]] = {}  # of notices that not all chats have yet
        self._refusals: dict[tuple[int, What], tuple[int, int]] = {}  # how often, and `_accepted` at the first
        self._accepted = 0  # messages
        self._asked: dict[str, str] = {}  # the question for alerts that are owed, by their numbers
        self._refusing: set[Target] = set()
        self._is_away = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Notices":
        self._task = asyncio.create_task(self._run(), name="bot-notices")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._task is not None:
            await cancelled(self._task)

    async def _run(self) -> None:
        while True:
            try:
                pause = await self._round(await self._alerts.next(CHANNEL, _ASK_FOR * self._first_pause))
                if not self._is_away:
                    await self._show_who_knows()
            except Exception:
                log.exception("telling of alerts failed")
                pause = self._longest_pause
            if pause:
                await asyncio.sleep(pause)

    async def _round(self, notices: Sequence[Notice]) -> float:
        """Tell these; returns how many seconds to wait before asking for more."""
        owed = {(alert.number, notice.what) for notice in notices for alert in notice.alerts}
        self._taken = {key: targets for key, targets in self._taken.items() if key in owed}
        self._refusals = {key: count for key, count in self._refusals.items() if key in owed}
        self._asked = {subject: ask for subject, ask in self._asked.items() if subject in map(_subject, notices)}
        told: list[Notice] = []
        came: set[_Came] = set()
        try:
            # What was refused before comes last, so that it holds nothing up.
            for notice in sorted(notices, key=self._refused_before):
                if not self._alerts.tells:  # another hub does, by now
                    break
                result = await self._tell(notice)
                came.add(result)
                if result is _Came.TOLD:
                    told.append(notice)
        except TalkError as error:
            if not self._is_away:
                log.warning("alerts wait for Telegram", extra={"error": str(error)})
            self._is_away = True
            self._pause = min(2 * self._pause, self._longest_pause)
            return self._pause / 2
        finally:
            if told:
                await self._alerts.told(CHANNEL, told)
        if self._is_away and notices:
            self._is_away = False
            log.info("Telegram takes alerts again")
        self._pause = self._first_pause
        if _Came.REFUSED in came:
            return self._longest_pause if _Came.TOLD not in came else self._first_pause
        if _Came.LATER in came:
            # Not for as long as that chat wants: others are to hear of what comes meanwhile.
            return _LATER * self._first_pause
        return 0.0

    async def _tell(self, notice: Notice) -> _Came:
        """Tell all chats; raises `TalkError` when Telegram is away."""
        keys = [(alert.number, notice.what) for alert in notice.alerts]
        ask_id = ""
        later = taken = False
        for target, language in await self._targets(notice):
            left = [
                alert for alert, key in zip(notice.alerts, keys, strict=True) if target not in self._taken.get(key, ())
            ]
            if not left:
                taken = True
                continue
            rest = msgspec.structs.replace(notice, alerts=left)
            try:
                ask_id = ask_id or await self._ask(notice)
                await self._send(target, language, rest, ask_id)
            except Limited:  # `Talk` does not call it before its time
                later = True
            except Rejected as error:
                if target not in self._refusing:
                    log.warning("a chat takes no alerts", extra={"chat": target.chat_id, "error": str(error)})
                self._refusing.add(target)
            except TalkError:
                raise
            except Exception:  # a mistake of ours in one notice holds up no other: it is given up as one refused
                log.exception("an alert could not be put into words", extra={"number": keys[0][0]})
            else:
                taken = True
                self._accepted += 1
                self._refusing.discard(target)
                for key in keys:
                    self._taken.setdefault(key, set()).add(target)
        if later:
            return _Came.LATER
        if taken or self._is_hopeless(keys):
            return _Came.TOLD
        return _Came.REFUSED

    async def _send(self, target: Target, language: Language, notice: Notice, ask_id: str) -> None:
        words = self._words(language)
        over = notice.what in (What.CLEARED, What.MISSED)
        message_id = await self._talk.send(
            target,
            words.message(notice),
            buttons=buttons(self._say, language, notice, ask_id),
            reply_to=self._message_of(target, notice.alerts) if over else 0,
            silent=notice.severity is Severity.INFO or notice.what is What.MISSED,
        )
        if not over:
            self._open[target, message_id] = _Open(
                language=language,
                numbers=frozenset(alert.number for alert in notice.alerts),
                ask_id=ask_id,
                known=sum(alert.acknowledged_at is not None for alert in notice.alerts),
            )
        while len(self._open) > _OPEN_MAX:
            self._open.popitem(last=False)
        for alert in notice.alerts:
            if over:
                self._messages.pop((target, alert.number), None)
            elif notice.what is What.RAISED:
                self._messages[target, alert.number] = message_id
            else:
                self._messages.setdefault((target, alert.number), message_id)
        while len(self._messages) > _REMEMBERED:
            self._messages.popitem(last=False)

    async def _show_who_knows(self) -> None:
        """Once somebody has taken note of alerts, be it in another chat, their messages say who."""
        if not self._open:
            return
        standing = {alert.number: alert for alert in self._alerts.standing()}
        for (target, message_id), one in list(self._open.items()):
            alerts = [standing[number] for number in sorted(one.numbers) if number in standing]
            known = sum(alert.acknowledged_at is not None for alert in alerts)
            if alerts and known > one.known:
                words = self._words(one.language)
                reply = taken_note(words, self._say, one.language, alerts, of=len(one.numbers), ask_id=one.ask_id)
                try:
                    await self._talk.edit(target, message_id, reply.html, buttons=reply.buttons)
                except Rejected as error:
                    log.info("a message of alerts cannot be changed any more", extra={"error": str(error)})
                except TalkError:  # at the next look
                    return
                one.known = known
            if known == len(alerts):
                del self._open[target, message_id]

    async def _ask(self, notice: Notice) -> str:
        """What a button for many alerts stands for: any admin may press it. Empty where the database does not answer,
        which must not keep anybody from hearing of it."""
        if len(notice.alerts) == 1 or notice.what in (What.CLEARED, What.MISSED):
            return ""
        chat = self._chat.chat_id if self._chat is not None and isinstance(self._chat.chat_id, int) else 0
        caller = Caller(user_id=0, shown="", language=self._users.default, target=Target(chat))
        subject = _subject(notice)
        try:
            if subject not in self._asked:
                self._asked[subject] = await self._asks.keep(ACK, subject, caller, ACK_FOR, any_admin=True)
            return self._asked[subject]
        except (SQLAlchemyError, OSError) as error:
            log.warning("alerts are told without a button to acknowledge them", extra={"error": str(error)[:200]})
            return ""

    async def _targets(self, notice: Notice) -> list[tuple[Target, Language]]:
        """Where it goes, each once."""
        chats = [self._chat] if self._chat is not None else [Target(admin) for admin in sorted(self._users.admins)]
        was_escalated = any(alert.escalated_at is not None for alert in notice.alerts)
        if notice.what is What.ESCALATED or (notice.what is What.CLEARED and was_escalated):
            chats += [Target(chat_id) for chat_id in self._alerts.rules().escalate_to]
        found: dict[int | str, tuple[Target, Language]] = {}
        for chat in chats:
            language = self._users.default
            if isinstance(chat.chat_id, int) and chat.chat_id > 0:
                language = await self._users.language(chat.chat_id)
            found.setdefault(chat.chat_id, (chat, language))
        return list(found.values())

    def _message_of(self, target: Target, alerts: Collection[Alert]) -> int:
        """The message that raised them all; 0 where it was not one, or is not known any more."""
        messages = {self._messages.get((target, alert.number), 0) for alert in alerts}
        return messages.pop() if len(messages) == 1 else 0

    def _is_hopeless(self, keys: Sequence[tuple[int, What]]) -> bool:
        """Whether it is this notice that no chat takes, and not the chats that take none."""
        before, accepted = self._refusals.get(keys[0], (0, self._accepted))
        for key in keys:
            self._refusals[key] = before + 1, accepted
        if before + 1 < _REFUSALS_MAX or self._accepted == accepted:
            return False
        log.error("an alert is given up: no chat takes it", extra={"number": keys[0][0], "what": str(keys[0][1])})
        return True

    def _refused_before(self, notice: Notice) -> int:
        return max(self._refusals.get((alert.number, notice.what), (0, 0))[0] for alert in notice.alerts)

    def _words(self, language: Language) -> Words:
        return Words(self._say, language, self._name_of, self._clock())

    def _name_of(self, kiosk_id: str) -> str:
        kiosk = self._registry.get(kiosk_id)
        return kiosk.name if kiosk is not None else ""


def _subject(notice: Notice) -> str:
    """The alerts of a notice, as a question holds them."""
    return ",".join(str(alert.number) for alert in notice.alerts)
