"""What the methods work on."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from cloud.emulator.arguments import Arguments
from cloud.emulator.chats import World
from cloud.emulator.updates import Updates
from cloud.emulator.webhook import Webhook


class Bot(msgspec.Struct, frozen=True):
    """One bot: the small Telegram around it, and how updates come to it."""

    world: World
    updates: Updates
    webhook: Webhook


Act = Callable[[Bot, Arguments], Awaitable[Any]]
