"""Methods by which a bot writes, changes and takes back messages."""

from typing import Any

from cloud.emulator import rules
from cloud.emulator.arguments import Arguments
from cloud.emulator.bot import Bot
from cloud.emulator.chats import Chat, Post, Stored
from cloud.emulator.entities import Formatted
from cloud.emulator.errors import bad

Json = dict[str, Any]

_NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current "
    "content and reply markup of the message"
)
_ACTIONS = {
    "typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice", "upload_document",
    "choose_sticker", "find_location", "record_video_note", "upload_video_note",
}  # fmt: skip
_TEXT, _CAPTION = {"text", "entities"}, {"caption", "caption_entities"}


async def send_message(bot: Bot, given: Arguments) -> Json:
    what = rules.text_of(given.text("text"), given.text("parse_mode"), given.json("entities"))
    return _send(bot, given, _body(what, "text", "entities"), given.text("text"))


async def send_document(bot: Bot, given: Arguments) -> Json:
    what = rules.caption_of(given.text("caption"), given.text("parse_mode"), given.json("caption_entities"))
    stored = _document(bot, given)
    document = {
        "file_id": stored.file_id,
        "file_unique_id": stored.file_id[-10:],
        "file_name": stored.name,
        "mime_type": "text/plain" if stored.name.endswith((".txt", ".json")) else "application/octet-stream",
        "file_size": len(stored.data),
    }
    body = {"document": document, **_body(what, "caption", "caption_entities")}
    return _send(bot, given, body, given.text("caption"))


async def edit_message_text(bot: Bot, given: Arguments) -> Json:
    what = rules.text_of(given.text("text"), given.text("parse_mode"), given.json("entities"), edits=True)
    chat, post = _to_edit(bot, given)
    if "text" not in post.message:
        raise bad("there is no text in the message to edit")
    return _edit(bot, chat, post, _body(what, "text", "entities"), _TEXT, _inline(given), given.text("text"))


async def edit_message_caption(bot: Bot, given: Arguments) -> Json:
    entities = given.json("caption_entities")
    what = rules.caption_of(given.text("caption"), given.text("parse_mode"), entities, edits=True)
    chat, post = _to_edit(bot, given)
    if "document" not in post.message:
        raise bad("there is no caption in the message to edit")
    body = _body(what, "caption", "caption_entities")
    return _edit(bot, chat, post, body, _CAPTION, _inline(given), given.text("caption"))


async def edit_message_reply_markup(bot: Bot, given: Arguments) -> Json:
    chat, post = _to_edit(bot, given)
    return _edit(bot, chat, post, {}, set(), _inline(given), post.html)


async def delete_message(bot: Bot, given: Arguments) -> bool:
    chat = bot.world.find_to_write(given.text("chat_id"))
    post = chat.posts.get(given.number("message_id"))
    if post is None:
        raise bad("message to delete not found")
    if not post.by_bot and chat.kind != "private":
        raise bad("message can't be deleted")
    chat.remove(given.number("message_id"))
    bot.world.tell(chat, post)
    return True


async def send_chat_action(bot: Bot, given: Arguments) -> bool:
    bot.world.find_to_write(given.text("chat_id"))
    if given.text("action").lower() not in _ACTIONS:
        raise bad("wrong parameter action in request")
    return True


def bare(message: Json) -> Json:
    """A message as it stands within another: replies do not nest."""
    return {name: value for name, value in message.items() if name != "reply_to_message"}


def _body(what: Formatted, text: str, entities: str) -> Json:
    if not what.text:
        return {}
    return {text: what.text, entities: what.entities} if what.entities else {text: what.text}


def _document(bot: Bot, given: Arguments) -> Stored:
    named = given.text("document")
    upload = given.files.get(named.removeprefix("attach://") if named.startswith("attach://") else "document")
    if upload is not None:
        rules.file_of(upload.name, upload.data)
        return bot.world.keep_file(upload.name, upload.data)
    if not named or named.startswith("attach://"):
        raise bad("there is no document in the request")
    if named not in bot.world.files:
        raise bad("wrong file identifier/HTTP URL specified")
    return bot.world.files[named]


def _send(bot: Bot, given: Arguments, body: Json, html: str) -> Json:
    chat = bot.world.find_to_write(given.text("chat_id"))
    message: Json = {"message_id": 0, "chat": chat.shown(), "date": int(bot.world.clock())}
    message |= {"sender_chat": chat.shown()} if chat.kind == "channel" else {"from": bot.world.bot}
    thread = given.number("message_thread_id")
    if thread:
        if thread not in chat.topics:
            raise bad("message thread not found")
        message |= {"message_thread_id": thread, "is_topic_message": True}
    replied = _replied(chat, given)
    if replied is not None:
        message["reply_to_message"] = bare(replied.message)
    message |= body
    if given.flag("protect_content"):
        message["has_protected_content"] = True
    markup = _markup(given)
    if "inline_keyboard" in markup:
        message["reply_markup"] = markup
    message["message_id"] = chat.next_id()
    silent = given.flag("disable_notification")
    post = Post(message, True, html, asks=bool(markup.get("force_reply")), silent=silent)
    chat.add(post)
    bot.world.tell(chat, post)
    return message


def _replied(chat: Chat, given: Arguments) -> Post | None:
    reply = given.json("reply_parameters")
    number: Any
    if reply is None:
        number, without = given.number("reply_to_message_id"), given.flag("allow_sending_without_reply")
    elif not isinstance(reply, dict):
        raise bad("object expected as reply parameters")
    else:
        number, without = reply.get("message_id"), reply.get("allow_sending_without_reply") is True
        if not isinstance(number, int):
            raise bad("can't parse reply parameters: Can't find field \"message_id\"")
    if not number:
        return None
    post = chat.posts.get(number)
    if post is None and not without:
        raise bad("message to be replied not found")
    return post


def _markup(given: Arguments) -> Json:
    """An inline keyboard, a ForceReply, or nothing."""
    markup = given.json("reply_markup")
    if markup is None:
        return {}
    if not isinstance(markup, dict):
        raise bad("object expected as reply markup")
    if "inline_keyboard" in markup:
        return rules.inline_keyboard(markup)
    if "force_reply" in markup:
        return rules.force_reply(markup)
    if markup and "remove_keyboard" not in markup:
        raise bad("can't parse reply keyboard markup JSON object")  # other keyboards are not in this emulator
    return {}


def _inline(given: Arguments) -> Json:
    markup = _markup(given)
    if "force_reply" in markup:
        raise bad("inline keyboard expected")
    return markup


def _to_edit(bot: Bot, given: Arguments) -> tuple[Chat, Post]:
    if given.text("inline_message_id"):
        raise bad("MESSAGE_ID_INVALID")
    chat = bot.world.find_to_write(given.text("chat_id"))
    number = given.number("message_id")
    if number <= 0:
        raise bad("message identifier is not specified")
    post = chat.posts.get(number)
    if post is None:
        raise bad("message to edit not found")
    if not post.by_bot:
        raise bad("message can't be edited")
    return chat, post


def _edit(  # noqa: PLR0917 - all of one change
    bot: Bot, chat: Chat, post: Post, new: Json, replaced: set[str], markup: Json, html: str
) -> Json:
    """Put `new` in the place of what is `replaced`. The keyboard is replaced as well, removed where there is none."""
    gone = {*replaced, "reply_markup", "edit_date"}
    changed = {name: value for name, value in post.message.items() if name not in gone} | new
    if markup:
        changed["reply_markup"] = markup
    if changed == {name: value for name, value in post.message.items() if name != "edit_date"}:
        raise bad(_NOT_MODIFIED)
    post.message = changed | {"edit_date": int(bot.world.clock())}
    post.html = html
    post.edits += 1
    bot.world.tell(chat, post)
    return post.message
