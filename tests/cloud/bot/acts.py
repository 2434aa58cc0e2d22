"""Commands for tests: what was done stands in `done`."""

import asyncio

from cloud.bot.asks import Ask
from cloud.bot.command import Answered, Command, Press, WrongUse
from cloud.bot.hands import Hands
from cloud.bot.reply import Button, Caller, Reply
from cloud.errors import Refused, StorageError


class Acts:
    """`gate` is closed where a test wants a command to wait."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = asyncio.Event()

    @property
    def given(self) -> dict[str, object]:
        """For `Parts`."""
        return {"commands": self.commands, "presses": self.presses, "replies": self.replies}

    @property
    def commands(self) -> list[Command]:
        return [
            Command(name="look", usage="[id]", help="core.no_command", act=self.look),
            Command(name="change", usage="<id>", help="core.no_command", act=self.look, changes=True),
            Command(name="ask", usage="<id>", help="core.no_command", act=self.ask),
            Command(name="fail", usage="<how>", help="core.no_command", act=self.fail),
        ]

    presses: dict[str, Press]
    replies: dict[str, Answered]

    async def look(self, hands: Hands, caller: Caller, words: list[str]) -> Reply:
        self.begun.set()
        await self.gate.wait()
        self.done.append(" ".join(words))
        return Reply(html=f"did <b>{' '.join(words)}</b>")

    async def ask(self, hands: Hands, caller: Caller, words: list[str]) -> list[Reply]:
        one = await hands.asks.keep("sure", words[0], caller, 60)
        why = await hands.asks.keep("why", words[0], caller, 60)
        buttons = [[Button("Yes", f"sure:{one}:yes"), Button("Page", "page:2"), Button("Odd", "odd:1")]]
        return [Reply(html="Sure?", buttons=buttons), Reply(html="Why?", ask=why)]

    async def sure(self, hands: Hands, caller: Caller, rest: str) -> Reply:
        ask_id, _, choice = rest.partition(":")
        self.begun.set()
        await self.gate.wait()
        ask = await hands.asks.use(ask_id, caller, "sure")
        if ask is None:
            return Reply(toast="No longer")
        self.done.append(f"{ask.subject} {choice}")
        return Reply(html="Done", edits=True)

    async def page(self, hands: Hands, caller: Caller, rest: str) -> Reply:
        return Reply(toast=f"Page {rest}")

    async def why(self, hands: Hands, caller: Caller, ask: Ask, text: str) -> Reply:
        self.done.append(f"{ask.subject} because {text}")
        return Reply(html="Noted")

    async def fail(self, hands: Hands, caller: Caller, words: list[str]) -> Reply:
        match words:
            case ["wrong"]:
                raise WrongUse("core.quote_open")
            case ["refused"]:
                raise Refused("conflict", "not <now>")
            case ["storage"]:
                raise StorageError("no disk")
            case ["slow"]:
                await asyncio.sleep(60)
        raise RuntimeError("a bug")


def acts() -> Acts:
    made = Acts()
    made.presses = {"sure": Press(act=made.sure), "page": Press(act=made.page, changes=False)}
    made.replies = {"why": made.why}
    return made
