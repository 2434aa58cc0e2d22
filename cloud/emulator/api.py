"""The methods of the Bot API that there are here, as a table: name → what it does and the parameters it knows."""

from typing import Any

import msgspec

from cloud.emulator import receiving, rules, sending
from cloud.emulator.arguments import Arguments
from cloud.emulator.bot import Act, Bot
from cloud.emulator.chats import scope_key
from cloud.emulator.errors import bad

Json = dict[str, Any]


class Method(msgspec.Struct, frozen=True):
    """One method. `writes` says whether Telegram's limits count it."""

    name: str
    act: Act
    parameters: frozenset[str]
    writes: bool = False


async def set_my_commands(bot: Bot, given: Arguments) -> bool:
    commands = rules.commands(given.json("commands"))
    key = _menu(given)
    if commands:
        bot.world.commands[key] = commands
    else:
        bot.world.commands.pop(key, None)
    return True


async def get_my_commands(bot: Bot, given: Arguments) -> list[Json]:
    return bot.world.commands.get(_menu(given), [])


async def delete_my_commands(bot: Bot, given: Arguments) -> bool:
    bot.world.commands.pop(_menu(given), None)
    return True


async def get_chat(bot: Bot, given: Arguments) -> Json:
    chat = bot.world.find(given.text("chat_id"))
    return {**chat.shown(), "accent_color_id": 0, "max_reaction_count": 11, "accepted_gift_types": _GIFTS}


async def get_chat_member(bot: Bot, given: Arguments) -> Json:
    bot.world.find(given.text("chat_id"))
    if given.number("user_id") == bot.world.bot["id"]:
        return {"status": "member", "user": bot.world.bot}
    user = bot.world.users.get(given.number("user_id"))
    if user is None:
        raise bad("invalid user_id specified")
    return {"status": "member", "user": user.shown()}


async def get_file(bot: Bot, given: Arguments) -> Json:
    stored = bot.world.files.get(given.text("file_id"))
    if stored is None:
        raise bad("invalid file_id")
    return {
        "file_id": stored.file_id,
        "file_unique_id": stored.file_id[-10:],
        "file_size": len(stored.data),
        "file_path": f"documents/{stored.file_id}",
    }


_GIFTS = {
    "unlimited_gifts": True, "limited_gifts": True, "unique_gifts": True, "premium_subscription": True,
    "gifts_from_channels": True,
}  # fmt: skip


def _menu(given: Arguments) -> str:
    return scope_key(rules.scope_of(given.json("scope")), rules.language_of(given.text("language_code")))


_SENT = (
    "chat_id message_thread_id parse_mode disable_notification protect_content reply_parameters reply_markup "
    "reply_to_message_id allow_sending_without_reply business_connection_id message_effect_id allow_paid_broadcast "
    "direct_messages_topic_id suggested_post_parameters"
)
_EDITED = "business_connection_id chat_id message_id inline_message_id reply_markup"
_MENU = "scope language_code"
_TABLE: list[tuple[str, Act, str]] = [
    ("getMe", receiving.get_me, ""),
    ("logOut", receiving.log_out, ""),
    ("close", receiving.log_out, ""),
    ("getUpdates", receiving.get_updates, "offset limit timeout allowed_updates"),
    (
        "setWebhook",
        receiving.set_webhook,
        "url certificate ip_address max_connections allowed_updates drop_pending_updates secret_token",
    ),
    ("deleteWebhook", receiving.delete_webhook, "drop_pending_updates"),
    ("getWebhookInfo", receiving.get_webhook_info, ""),
    ("answerCallbackQuery", receiving.answer_callback_query, "callback_query_id text show_alert url cache_time"),
    ("sendChatAction", sending.send_chat_action, "business_connection_id chat_id message_thread_id action"),
    ("deleteMessage", sending.delete_message, "chat_id message_id"),
    ("setMyCommands", set_my_commands, f"commands {_MENU}"),
    ("getMyCommands", get_my_commands, _MENU),
    ("deleteMyCommands", delete_my_commands, _MENU),
    ("getChat", get_chat, "chat_id"),
    ("getChatMember", get_chat_member, "chat_id user_id"),
    ("getFile", get_file, "file_id"),
]
_PREVIEW = "link_preview_options disable_web_page_preview"
_WRITING: list[tuple[str, Act, str]] = [
    ("sendMessage", sending.send_message, f"{_SENT} text entities {_PREVIEW}"),
    (
        "sendDocument",
        sending.send_document,
        f"{_SENT} document thumbnail caption caption_entities disable_content_type_detection",
    ),
    ("editMessageText", sending.edit_message_text, f"{_EDITED} text parse_mode entities {_PREVIEW}"),
    (
        "editMessageCaption",
        sending.edit_message_caption,
        f"{_EDITED} caption parse_mode caption_entities show_caption_above_media",
    ),
    ("editMessageReplyMarkup", sending.edit_message_reply_markup, _EDITED),
]
METHODS = {
    name.lower(): Method(name, act, frozenset(parameters.split()), writes)
    for table, writes in ((_TABLE, False), (_WRITING, True))
    for name, act, parameters in table
}
