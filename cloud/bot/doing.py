"""Carries out what was heard, and tells what came of it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum

from sqlalchemy.exc import SQLAlchemyError

from cloud.accounts.account import Act
from cloud.accounts.audit import Audit
from cloud.bot import refusals
from cloud.bot.asks import Ask
from cloud.bot.command import Answered, Command, Press, WrongUse
from cloud.bot.commands import nearest, split
from cloud.bot.hands import Hands
from cloud.bot.hearing import Heard
from cloud.bot.html import Html, code, plain
from cloud.bot.reply import Caller, Language, Reply, Target
from cloud.bot.talk import Limited, Rejected, Talk, TalkError, Unauthorized, Unreachable
from cloud.bot.texts.times import span
from cloud.bot.usage import usage
from cloud.bot.users import Refusals
from cloud.db.engine import explain
from cloud.errors import Refused, StorageError

log = logging.getLogger(__name__)

ACT_WITHIN = 60.0  # seconds a command may take
_PATIENCE = 600.0  # seconds an answer is tried to be told
_LONGEST_PAUSE = 30.0
_QUOTED_MAX = 200  # of a command, in an answer


class How(StrEnum):
    """What is done with something that was heard."""

    DO = "done"
    TOO_OLD = "too_old"  # it changes something, and came too late
    RESTARTED = "restarted"  # it changes something, and an earlier life of the hub began it
    NO_DATABASE = "no_database"  # it changes something, and could not be stored: refused
    WAITS = "waits"  # it is stored, and the database does not answer now: it will be done


class Doing:
    """Commands, buttons, answers to questions, and refusals."""

    def __init__(
        self,
        *,
        hands: Hands,
        talk: Talk,
        commands: Sequence[Command],
        presses: Mapping[str, Press],
        replies: Mapping[str, Answered],
        moved: Callable[[int | str, int], None] = lambda _old, _new: None,
        refusals: Refusals | None = None,
        act_within: float = ACT_WITHIN,
        audit: Audit | None = None,
    ) -> None:
        self._hands = hands
        self._talk = talk
        self._commands = {command.name: command for command in commands}
        self._presses = presses
        self._replies = replies
        self._moved = moved
        self._refusals = refusals or Refusals()
        self._act_within = act_within
        self._audit = audit
        self.spoken: Callable[[int], None] = lambda _user_id: None  # an admin writes in private: there is a chat

    def changes(self, heard: Heard) -> bool:
        """Whether it must not be carried out twice."""
        if heard.what == "command":
            command = self._commands.get(heard.said.name)
            return command is not None and command.changes
        if heard.what == "press":
            press = self._presses.get(heard.verb)
            return press is not None and press.changes
        return heard.what == "text" and heard.reply_to != 0

    async def carry_out(self, heard: Heard, how: How, age: float = 0.0) -> None:
        """Do it, or say why not; returns once its caller was told, or cannot be."""
        if heard.what == "moved":
            self._moved(heard.target.chat_id, heard.moved_to)
            return
        if heard.what == "stranger":
            await self._refuse(heard)
            return
        caller = Caller(
            user_id=heard.user.id,
            shown=heard.user.shown,
            language=await self._hands.users.language(heard.user.id),
            target=heard.target,
            message_id=heard.message_id,
            is_private=heard.is_private,
        )
        if heard.is_private:
            self.spoken(caller.user_id)
        if how is How.DO:
            replies = await self._answers(heard, caller)
            await self._note(caller)
        else:
            replies = [await self._not_done(heard, caller, how, age)]
        await self._tell(heard, caller, replies)

    # What to do

    async def _answers(self, heard: Heard, caller: Caller) -> list[Reply]:
        say, language = self._hands.say, caller.language
        act = self._act_of(heard, caller)
        if act is None:
            return self._nothing_to_do(heard, language)
        try:
            async with asyncio.timeout(self._act_within):
                found = await act()
        except WrongUse as wrong:
            command = self._commands.get(heard.said.name)
            why = say(language, wrong.key, **wrong.fields)
            if command is None:
                return [Reply(html=why)]
            return [Reply(html=say(language, "core.usage", why=why, usage=code(usage(command, language))))]
        except Refused as refused:
            return [Reply(html=say(language, "core.refused", why=refusals.why(say, language, refused)))]
        except TimeoutError:
            log.error("a command took too long", extra={"command": heard.said.name or heard.verb})
            return [Reply(html=say(language, "core.too_slow", seconds=round(self._act_within)))]
        except (StorageError, SQLAlchemyError, OSError) as error:
            log.warning("a command could not use the database", extra={"error": explain(error)})
            return [Reply(html=say(language, "core.database_away", why=explain(error)))]
        except Exception:
            log.exception("a command failed", extra={"command": heard.said.name or heard.verb})
            return [Reply(html=say(language, "core.failed"))]
        return found if isinstance(found, list) else [found]

    async def _note(self, caller: Caller) -> None:
        """Write down what was done, before its caller is told: an answer may take minutes to get there."""
        for act, subject, data in caller.done if self._audit is not None else ():
            assert self._audit is not None
            await self._audit.note_done(Act(who=caller.shown, door="telegram", act=act, subject=subject, data=data))

    def _act_of(self, heard: Heard, caller: Caller) -> Callable[[], Awaitable[Reply | list[Reply]]] | None:
        """What carries it out; None where nothing does."""
        hands = self._hands
        if heard.what == "command" and (command := self._commands.get(heard.said.name)):
            log.info("a command came by Telegram", extra={"command": command.name, "by": caller.shown})

            async def obey() -> Reply | list[Reply]:
                return await command.act(hands, caller, split(heard.said.rest, command.name_after))

            return obey
        if heard.what == "press" and (press := self._presses.get(heard.verb)):
            if press.changes:
                log.info("a button was pressed in Telegram", extra={"button": heard.verb, "by": caller.shown})
            return lambda: press.act(hands, caller, heard.rest)
        if heard.what == "text" and heard.reply_to:
            return lambda: self._answered(heard, caller)
        return None

    async def _answered(self, heard: Heard, caller: Caller) -> list[Reply]:
        """A text that replies to a message of ours: to a question, or to something else."""
        asks, say = self._hands.asks, self._hands.say
        ask = await asks.of_message(int(heard.target.chat_id), heard.reply_to)
        act = self._replies.get(ask.kind) if ask is not None else None
        if ask is None or act is None:
            return [Reply(html=say(caller.language, "core.no_command"))] if heard.is_private else []
        used: Ask | None = await asks.use(ask.id, caller, ask.kind)
        if used is None:
            return [Reply(html=say(caller.language, "core.answer_gone"))]
        log.info("a question was answered in Telegram", extra={"question": ask.kind, "by": caller.shown})
        return [await act(self._hands, caller, used, heard.text)]

    def _nothing_to_do(self, heard: Heard, language: Language) -> list[Reply]:
        say = self._hands.say
        if heard.what == "press":
            return [Reply(toast=say.plain(language, "core.button_gone"))]
        if heard.what == "forwarded":
            return [Reply(html=say(language, "core.forwarded"))]
        if heard.what == "text":
            return [Reply(html=say(language, "core.no_command"))]
        if not heard.is_private and not heard.said.bot:
            return []  # it may be another bot's
        name = heard.said.name
        if near := nearest(name, list(self._commands.values())):
            return [Reply(html=say(language, "core.unknown_near", command=name, near=near))]
        return [Reply(html=say(language, "core.unknown", command=name))]

    async def _not_done(self, heard: Heard, caller: Caller, how: How, age: float) -> Reply:
        say, language = self._hands.say, caller.language
        text = code(heard.text[:_QUOTED_MAX])
        if how is How.NO_DATABASE:
            html = say(language, "core.not_stored")
        elif how is How.WAITS:
            html = say(language, "core.waits")
        elif how is How.TOO_OLD and heard.what == "press":
            html = say(language, "core.too_old_press", ago=span(language, age))
        elif how is How.TOO_OLD:
            html = say(language, "core.too_old", ago=span(language, age), text=text)
        elif heard.what == "press":
            html = say(language, "core.restarted_press", look=await self._where_to_look(heard))
        else:
            html = say(language, "core.restarted", text=text, look=await self._where_to_look(heard))
        return Reply(html=html)

    async def _where_to_look(self, heard: Heard) -> Html:
        """The command that shows how that stands which was to be changed."""
        subject = ""
        try:
            if heard.what == "command":
                words = split(heard.said.rest, 1)
                subject = words[0] if words else ""
            else:
                ask_id = heard.rest.partition(":")[0]
                ask = (
                    await self._hands.asks.of_id(ask_id)
                    if heard.what == "press"
                    else await self._hands.asks.of_message(int(heard.target.chat_id), heard.reply_to)
                )
                subject = ask.subject if ask is not None else ""
            if subject and self._hands.registry.get(subject) is None and await self._hands.store.find(subject):
                return code(f"/operation {subject}")
        except (WrongUse, StorageError, SQLAlchemyError, OSError):
            pass
        known = subject and (heard.what == "command" or self._hands.registry.get(subject) is not None)
        return code(f"/kiosk {subject}") if known else Html("/status")

    # What to tell

    async def _tell(self, heard: Heard, caller: Caller, replies: Sequence[Reply]) -> None:
        if heard.callback_id:
            toast = next((plain(reply.toast) for reply in replies if reply.toast), "")
            await self._patiently(lambda: self._talk.answer(heard.callback_id, toast))
        reply_to = 0 if heard.is_private or heard.callback_id else heard.message_id
        for reply in replies:
            if reply.html or reply.file:
                await self._patiently(lambda reply=reply: self._send(caller, reply, reply_to))  # type: ignore[misc]

    async def _send(self, caller: Caller, reply: Reply, reply_to: int) -> None:
        to = caller.target
        if reply.edits and not reply.file:
            try:
                await self._talk.edit(to, caller.message_id, reply.html, buttons=reply.buttons)
            except Rejected:  # it is gone, or too old to be changed
                pass
            else:
                return
        if reply.file:
            name, data = reply.file
            await self._talk.send_file(to, name, data, reply.html, reply_to=reply_to)
            return
        asks = bool(reply.ask) and not reply.buttons
        message_id = await self._talk.send(to, reply.html, buttons=reply.buttons, reply_to=reply_to, asks=asks)
        if reply.ask:
            try:
                await self._hands.asks.asked(reply.ask, int(to.chat_id), message_id)
            except (SQLAlchemyError, OSError) as error:
                log.warning("a question cannot be answered", extra={"error": explain(error)})

    async def _patiently(self, say: Callable[[], Awaitable[None]]) -> None:
        """Say something until it is said: it may be the only word of something that was done."""
        until, pause = time.monotonic() + _PATIENCE, 1.0
        while True:
            try:
                await say()
            except Limited as limited:
                wait = limited.after
                why: TalkError = limited
            except Unreachable as away:
                wait, pause, why = pause, min(2 * pause, _LONGEST_PAUSE), away
            except (Rejected, Unauthorized, TalkError) as error:
                log.warning("an answer was not taken by Telegram", extra={"error": str(error)})
                return
            else:
                return
            if time.monotonic() + wait > until:
                log.error("an answer could not be told", extra={"error": str(why)})
                return
            await asyncio.sleep(wait)

    # Strangers

    async def _refuse(self, heard: Heard) -> None:
        user = heard.user
        if not self._refusals.may(user.id, time.monotonic()):
            return
        log.warning("a stranger spoke to the bot", extra={"user_id": user.id, "user": user.shown})
        language = self._hands.users.language_of_stranger(user.language_code)
        html = self._hands.say(language, "core.stranger", user=code(user.id))
        to: Target = heard.target
        try:
            if heard.callback_id:
                await self._talk.answer(heard.callback_id, plain(html))
            else:
                await self._talk.send(to, html, reply_to=0 if heard.is_private else heard.message_id)
        except TalkError as error:
            log.info("a stranger could not be answered", extra={"error": str(error)})
