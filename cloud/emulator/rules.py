"""What the Bot API takes: lengths, keyboards, commands, addresses. Pure; raises `Refusal` in Telegram's words."""

import re
from typing import Any
from urllib.parse import urlsplit

from cloud.emulator.entities import Formatted, Unparsable, parse_html, units
from cloud.emulator.errors import Refusal, bad
from cloud.emulator.tidy import tidy

Json = dict[str, Any]

TEXT_MAX, CAPTION_MAX, ANSWER_MAX = 4096, 1024, 200  # UTF-16 code units, after entities are parsed
RAW_MAX_BYTES = 1 << 15  # of a text before that
DATA_MAX_BYTES = 64
FILE_MAX_BYTES = 50 * 1024 * 1024
BUTTONS_MAX, ROW_MAX = 100, 8
COMMANDS_MAX, DESCRIPTION_MAX = 100, 256
_COMMAND = re.compile(r"[a-z0-9_]{1,32}")
_SECRET = re.compile(r"[A-Za-z0-9_-]*")
_STYLES = {"danger", "success", "primary"}
_SCOPES = {
    "default": (), "all_private_chats": (), "all_group_chats": (), "all_chat_administrators": (),
    "chat": ("chat_id",), "chat_administrators": ("chat_id",), "chat_member": ("chat_id", "user_id"),
}  # fmt: skip
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_KINDS = {
    "message", "edited_message", "channel_post", "edited_channel_post", "business_connection", "business_message",
    "edited_business_message", "deleted_business_messages", "guest_message", "message_reaction",
    "message_reaction_count", "inline_query", "chosen_inline_result", "callback_query", "shipping_query",
    "pre_checkout_query", "purchased_paid_media", "poll", "poll_answer", "my_chat_member", "chat_member",
    "chat_join_request", "chat_boost", "removed_chat_boost", "managed_bot",
}  # fmt: skip


def formatted(text: str, parse_mode: str, entities: Any = None) -> Formatted:
    """Text as a message has it, of the text, parse_mode and entities of a call."""
    if len(text.encode("utf-8", "replace")) > RAW_MAX_BYTES:
        raise bad("text is too long")
    if not parse_mode or parse_mode.lower() == "none":
        return tidy(Formatted(text, _entities(entities, units(text))))
    if parse_mode.lower() != "html":
        # Telegram has two sorts of Markdown; who writes them here has made a mistake.
        raise bad("unsupported parse_mode")
    try:
        return tidy(parse_html(text))
    except Unparsable as why:
        raise bad(f"can't parse entities: {why}") from None


def text_of(text: str, parse_mode: str, entities: Any = None, *, edits: bool = False) -> Formatted:
    """The text of a message."""
    if not text:
        raise bad("message text is empty")
    what = formatted(text, parse_mode, entities)
    if not what.text:
        raise bad("text must be non-empty")
    if units(what.text) > TEXT_MAX:
        raise bad("MESSAGE_TOO_LONG" if edits else "message is too long")
    return what


def caption_of(text: str, parse_mode: str, entities: Any = None, *, edits: bool = False) -> Formatted:
    """The caption of a document; it may be empty."""
    what = formatted(text, parse_mode, entities)
    if units(what.text) > CAPTION_MAX:
        raise bad("MEDIA_CAPTION_TOO_LONG" if edits else "message caption is too long")
    return what


def _entities(given: Any, length: int) -> list[Json]:
    if given is None:
        return []
    if not isinstance(given, list):
        raise bad("can't parse MessageEntity: expected an Array")
    taken = []
    for entity in given:
        if not isinstance(entity, dict):
            raise bad("can't parse MessageEntity: expected an Object")
        offset, size, kind = entity.get("offset"), entity.get("length"), entity.get("type")
        if not isinstance(offset, int) or not isinstance(size, int) or not isinstance(kind, str):
            raise bad("can't parse MessageEntity: offset, length and type must be given")
        if offset < 0 or size < 0 or offset + size > length:
            raise bad("can't parse entities: entity goes beyond the end of the text")
        taken.append(dict(entity))
    return taken


def file_of(name: str, data: bytes) -> None:
    """A file to be sent."""
    if not data:
        raise bad("file must be non-empty")
    if len(data) > FILE_MAX_BYTES:
        raise Refusal(413, "Request Entity Too Large")
    if not name:
        raise bad("wrong file name specified")


def webhook_of(url: str, secret: str) -> None:
    """An address for updates, and the secret that goes with it."""
    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise bad("invalid webhook URL specified") from None
    if not host:
        raise bad("invalid webhook URL specified")
    if len(secret) > 256:
        raise bad("secret token is too long")
    if not _SECRET.fullmatch(secret):
        raise bad("secret token contains unallowed characters")
    if host in _LOOPBACK:  # as a Bot API server of one's own takes it
        return
    if parts.scheme.lower() != "https":
        raise bad("bad webhook: An HTTPS URL must be provided for webhook")
    if port not in {None, 80, 88, 443, 8443}:
        raise bad("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")


def kinds_of(given: Any) -> list[str] | None:
    """allowed_updates: None when it says nothing new; an empty list is Telegram's default."""
    if given is None:
        return None
    if not isinstance(given, list) or not all(isinstance(kind, str) for kind in given):
        raise bad("can't parse allowed_updates: expected an Array of String")
    unknown = sorted(set(given) - _KINDS)
    if unknown:
        raise bad(f"there is no update of type {unknown[0]}")  # Telegram skips it; it is a mistake all the same
    return list(given)


def scope_of(given: Any) -> Json:
    """A BotCommandScope."""
    if given is None:
        return {"type": "default"}
    if not isinstance(given, dict):
        raise bad("can't parse BotCommandScope: expected an Object")
    fields = _SCOPES.get(str(given.get("type")))
    if fields is None:
        raise bad("can't parse BotCommandScope: Unsupported type specified")
    for field in fields:
        if not isinstance(given.get(field), int | str):
            raise bad(f"can't parse BotCommandScope: Can't find field \"{field}\"")
    return {"type": given["type"], **{field: int(given[field]) for field in fields}}


def language_of(text: str) -> str:
    """A language_code: two letters or none."""
    if text and not re.fullmatch("[a-z]{2}", text):
        raise bad("invalid language code specified")
    return text


def inline_keyboard(markup: Json) -> Json:
    """An inline keyboard as a message shows it; empty if it has no buttons."""
    rows = markup.get("inline_keyboard")
    if not isinstance(rows, list):
        raise bad('field "inline_keyboard" must be of type Array')
    shown = []
    for row in rows:
        if not isinstance(row, list):
            raise bad('field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays')
        if len(row) > ROW_MAX:
            raise bad("reply markup is too long")
        if row:
            shown.append([_button(button) for button in row])
    if sum(map(len, shown)) > BUTTONS_MAX:
        raise bad("reply markup is too long")
    return {"inline_keyboard": shown} if shown else {}


def _button(button: Any) -> Json:
    wrong = "can't parse inline keyboard button: "
    if not isinstance(button, dict):
        raise bad(f"{wrong}InlineKeyboardButton must be an Object")
    if "text" not in button:
        raise bad(f'{wrong}Can\'t find field "text"')
    for field in ("text", "url", "callback_data", "style"):
        if not isinstance(button.get(field, ""), str):
            raise bad(f'{wrong}Field "{field}" must be of type String')
    text = button["text"]
    if not text.strip():
        raise bad("inline keyboard button text can't be empty")
    shown = {"text": text}
    if button.get("style"):
        if button["style"] not in _STYLES:
            raise bad(f"{wrong}invalid button style specified")
        shown["style"] = button["style"]
    if button.get("url"):
        if not re.match(r"(https?|tg)://", button["url"]):
            raise bad(f"inline keyboard button URL '{button['url']}' is invalid: Wrong HTTP URL")
        return {**shown, "url": button["url"]}
    data = button.get("callback_data")
    if not data:
        raise bad(f"{wrong}Text buttons are unallowed in the inline keyboard")
    if len(data.encode()) > DATA_MAX_BYTES:
        raise bad("BUTTON_DATA_INVALID")
    return {**shown, "callback_data": data}


def force_reply(markup: Json) -> Json:
    """A ForceReply."""
    placeholder = markup.get("input_field_placeholder", "")
    if not isinstance(placeholder, str) or units(placeholder) > 64:
        raise bad("input field placeholder is too long")
    return markup


def commands(given: Any) -> list[Json]:
    """What setMyCommands takes."""
    if not isinstance(given, list):
        raise bad("expected an Array of BotCommand")
    if len(given) > COMMANDS_MAX:
        raise bad("too many commands specified")
    taken = []
    for command in given:
        if not isinstance(command, dict):
            raise bad("can't parse BotCommand: expected an Object")
        name, words = command.get("command"), command.get("description")
        if not isinstance(name, str) or not isinstance(words, str):
            raise bad("can't parse BotCommand: command and description must be Strings")
        if not _COMMAND.fullmatch(name.removeprefix("/")):
            raise bad("BOT_COMMAND_INVALID")
        if not 1 <= units(words.strip()) <= DESCRIPTION_MAX:
            raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
        taken.append({"command": name.removeprefix("/"), "description": words})
    return taken
