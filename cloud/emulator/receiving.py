"""Methods by which a bot learns of itself and of what people do."""

from typing import Any

from cloud.emulator import rules
from cloud.emulator.arguments import Arguments
from cloud.emulator.bot import Bot
from cloud.emulator.entities import units
from cloud.emulator.errors import bad, conflict
from cloud.emulator.updates import AT_ONCE, PRESS_KEPT_FOR
from cloud.emulator.webhook import CONNECTIONS

Json = dict[str, Any]

_WAIT_MAX = 50  # seconds a getUpdates may wait
_BY_URL = "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"


async def get_me(bot: Bot, given: Arguments) -> Json:
    return {
        **bot.world.bot,
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
        "has_topics_enabled": False,
    }


async def log_out(bot: Bot, given: Arguments) -> bool:
    return True


async def get_updates(bot: Bot, given: Arguments) -> list[Json]:
    if bot.webhook.url:
        raise conflict(_BY_URL)
    _want(bot, given)
    limit = min(max(given.number("limit", AT_ONCE), 1), AT_ONCE)
    timeout = min(max(given.number("timeout"), 0), _WAIT_MAX)
    return await bot.updates.get(given.number("offset"), limit, timeout)


async def set_webhook(bot: Bot, given: Arguments) -> bool:
    url, secret = given.text("url"), given.text("secret_token")
    if url:
        rules.webhook_of(url, secret)
    _want(bot, given)
    if given.flag("drop_pending_updates"):
        bot.updates.drop()
    if url:
        bot.updates.end_poll(conflict("terminated by setWebhook request"))
    bot.webhook.set(url, secret, min(max(given.number("max_connections", CONNECTIONS), 1), 100))
    return True


async def delete_webhook(bot: Bot, given: Arguments) -> bool:
    if given.flag("drop_pending_updates"):
        bot.updates.drop()
    bot.webhook.set("")
    return True


async def get_webhook_info(bot: Bot, given: Arguments) -> Json:
    return bot.webhook.info()


async def answer_callback_query(bot: Bot, given: Arguments) -> bool:
    press = bot.world.presses.get(given.text("callback_query_id"))
    if press is None or press.at + PRESS_KEPT_FOR < bot.world.clock():
        raise bad("query is too old and response timeout expired or query ID is invalid")
    if units(given.text("text")) > rules.ANSWER_MAX:
        raise bad("MESSAGE_TOO_LONG")
    given.number("cache_time")
    press.answer = {"text": given.text("text"), "show_alert": given.flag("show_alert")}
    bot.world.tell(bot.world.chats[press.chat_id], given.text("callback_query_id"))
    return True


def _want(bot: Bot, given: Arguments) -> None:
    wanted = rules.kinds_of(given.json("allowed_updates"))
    if wanted is not None:
        bot.updates.wanted = wanted
