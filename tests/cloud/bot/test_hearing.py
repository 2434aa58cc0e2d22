"""Whom the bot hears, and what it takes them to want."""

from typing import Any

import msgspec
import pytest

from cloud.bot.hearing import Heard, User, hear, read_update
from cloud.bot.reply import Target

ADMIN = {"id": 7, "is_bot": False, "first_name": "Ann", "language_code": "ru"}
OTHER = {"id": 8, "is_bot": False, "first_name": "Eve"}
PRIVATE = {"id": 7, "type": "private"}
GROUP = {"id": -100, "type": "supergroup"}


def heard(**update: Any) -> Heard | None:
    found = read_update(msgspec.json.encode({"update_id": 1, **update}))
    assert found is not None
    return hear(found, username="Kiosk_Bot", is_admin=lambda user_id: user_id == 7)


def said(
    text: str = "/status", who: dict[str, Any] = ADMIN, chat: dict[str, Any] = PRIVATE, **more: Any
) -> Heard | None:
    message = {"message_id": 5, "date": 1000, "chat": chat, "from": who, "text": text}
    return heard(message={key: value for key, value in {**message, **more}.items() if value is not None})


def what(found: Heard | None) -> str | None:
    return found.what if found else None


def test_a_command_of_an_admin() -> None:
    found = said("/kiosk@kiosk_bot k1")
    assert found is not None
    assert (found.what, found.said.name, found.said.rest) == ("command", "kiosk", "k1")
    assert (found.user.id, found.target, found.message_id, found.sent_at) == (7, Target(7), 5, 1000)


def test_in_a_group_only_what_is_said_to_the_bot() -> None:
    reply = {"message_id": 4, "chat": GROUP}
    assert what(said("/status", chat=GROUP)) == "command"
    assert what(said("/status@other_bot", chat=GROUP)) is None
    assert what(said("/status@other_bot")) is None
    assert what(said("good morning", chat=GROUP)) is None
    assert what(said("because", chat=GROUP, reply_to_message=reply)) == "text"
    assert what(said("good morning")) == "text"


def test_strangers_are_heard_in_private_or_by_name() -> None:
    private = {"id": 8, "type": "private"}
    assert what(said(who=OTHER, chat=private)) == "stranger"
    assert what(said("hi", who=OTHER, chat=private)) == "stranger"
    assert what(said("/status", who=OTHER, chat=GROUP)) is None
    assert what(said("/status@kiosk_bot", who=OTHER, chat=GROUP)) == "stranger"


@pytest.mark.parametrize(
    "more",
    [
        {"sender_chat": GROUP, "from": {"id": 1087968824, "is_bot": True, "first_name": "Group"}},
        {"sender_chat": {"id": -5, "type": "channel"}},
        {"from": {**ADMIN, "is_bot": True}},
        {"from": None},
        {"chat": {"id": -5, "type": "channel"}},
    ],
)
def test_nobody_but_people_under_their_own_name_is_obeyed(more: dict[str, Any]) -> None:
    assert said(**{"chat": GROUP, **more}) is None


def test_what_is_edited_or_posted_in_a_channel_is_not_heard() -> None:
    message = {"message_id": 5, "date": 1, "chat": PRIVATE, "from": ADMIN, "text": "/status"}
    for kind in ("edited_message", "channel_post", "business_message"):
        assert heard(**{kind: message}) is None


def test_forwarded_words_are_not_obeyed() -> None:
    assert what(said("/remove_kiosk k1", forward_origin={"type": "user"})) == "forwarded"
    assert what(said("/remove_kiosk k1", via_bot={**OTHER, "is_bot": True})) == "forwarded"
    assert what(said("hello", chat=GROUP, forward_origin={"type": "user"})) is None


def test_topics_are_answered_where_they_are_and_threads_are_not_topics() -> None:
    first = {"message_id": 3, "chat": GROUP}
    found = said("why", chat=GROUP, message_thread_id=3, is_topic_message=True, reply_to_message=first)
    assert found is None  # in a topic everything replies to its first message
    found = said("/status", chat=GROUP, message_thread_id=3, is_topic_message=True)
    assert found is not None
    assert found.target == Target(-100, 3)
    found = said("/status", chat=GROUP, message_thread_id=3)
    assert found is not None
    assert found.target == Target(-100, 0)


def pressed(who: dict[str, Any], message: dict[str, Any] | None, data: str = "page:2:x") -> Heard | None:
    return heard(callback_query={"id": "q", "from": who, "chat_instance": "1", "data": data, "message": message})


def test_a_pressed_button() -> None:
    message = {"message_id": 9, "date": 0, "chat": GROUP}
    found = pressed(ADMIN, message)
    assert found is not None
    assert (found.what, found.verb, found.rest, found.callback_id, found.message_id) == ("press", "page", "2:x", "q", 9)
    assert what(pressed(OTHER, message)) == "stranger"
    assert pressed(ADMIN, None) is None


def test_a_group_that_moves() -> None:
    found = said("", chat=GROUP, migrate_to_chat_id=-200)
    assert found is not None
    assert (found.what, found.target.chat_id, found.moved_to) == ("moved", -100, -200)


@pytest.mark.parametrize(
    "payload",
    [
        *(b"", b"[]", b"{}", b'{"update_id": "x"}', b"\xff", b"[" * 5000),
        # What no database takes would keep the updates that come with it from being stored.
        b'{"update_id": 9223372036854775808}',
        b'{"update_id": 1, "message": {"message_id": 99999999999999999999, "chat": {"id": 1}}}',
    ],
)
def test_what_cannot_be_read_is_none(payload: bytes) -> None:
    assert read_update(payload) is None


def test_names_are_printable_and_bounded() -> None:
    assert User(1, first_name="A\x1b[1m\n" + "x" * 500).shown == f"A[1m{'x' * 60} (1)"
    assert User(1, username="ann").shown == "ann (1)"
    assert User(1, first_name="\u202e").shown == "1"
