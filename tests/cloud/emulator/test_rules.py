"""Lengths, keyboards, commands and addresses as the Bot API takes them."""

from typing import Any

import pytest

from cloud.emulator import rules
from cloud.emulator.errors import Refusal


def _refused(words: str, *, status: int = 400) -> Any:
    return pytest.raises(Refusal, match=f"^Bad Request: {words}" if status == 400 else f"^{words}")


def _button(**fields: Any) -> dict[str, Any]:
    return {"inline_keyboard": [[{"text": "A", "callback_data": "a:1", **fields}]]}


def test_a_text_is_counted_after_parsing_in_utf_16_units() -> None:
    assert rules.text_of(f"<b>{'😀' * 2048}</b>", "HTML").text == "😀" * 2048
    with _refused("message is too long"):
        rules.text_of("😀" * 2048 + "x", "")


def test_an_edit_that_is_too_long_is_refused_in_other_words() -> None:
    with _refused("MESSAGE_TOO_LONG"):
        rules.text_of("x" * 4097, "", edits=True)
    with _refused("MEDIA_CAPTION_TOO_LONG"):
        rules.caption_of("x" * 1025, "", edits=True)


def test_a_text_must_not_be_empty() -> None:
    with _refused("message text is empty"):
        rules.text_of("", "HTML")
    for text in (" \n", "<b></b>", "<b> </b>"):
        with _refused("text must be non-empty"):
            rules.text_of(text, "HTML")


def test_a_text_has_a_limit_before_it_is_parsed() -> None:
    with _refused("text is too long"):
        rules.text_of("<b>" + "x" * 33000, "HTML")


def test_a_caption_is_shorter() -> None:
    assert rules.caption_of("", "HTML").text == ""
    assert len(rules.caption_of("x" * 1024, "").text) == 1024
    with _refused("message caption is too long"):
        rules.caption_of("x" * 1025, "HTML")


def test_html_that_cannot_be_parsed_is_told_with_its_place() -> None:
    with _refused('can\'t parse entities: Unsupported start tag "x" at byte offset 2$'):
        rules.text_of("a <x>", "html")


def test_other_modes_are_refused() -> None:
    with _refused("unsupported parse_mode"):
        rules.text_of("*a*", "MarkdownV3")


def test_entities_may_be_given_instead_of_html() -> None:
    given = [{"type": "bold", "offset": 0, "length": 1}]
    assert rules.text_of("ab", "", given).entities == given
    with _refused("can't parse entities"):
        rules.text_of("ab", "", [{"type": "bold", "offset": 1, "length": 2}])
    with _refused("can't parse MessageEntity"):
        rules.text_of("ab", "", ["bold"])


def test_a_keyboard_is_shown_as_given() -> None:
    markup = _button(style="danger")
    assert rules.inline_keyboard(markup) == markup
    assert rules.inline_keyboard({"inline_keyboard": []}) == {}


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        (_button(callback_data="x" * 65), "BUTTON_DATA_INVALID"),
        (_button(callback_data="я" * 33), "BUTTON_DATA_INVALID"),
        (_button(callback_data=""), ".*Text buttons are unallowed in the inline keyboard"),
        (_button(callback_data=5), '.*Field "callback_data" must be of type String'),
        (_button(text=" "), "inline keyboard button text can't be empty"),
        (_button(style="purple"), ".*invalid button style"),
        (_button(url="javascript:alert(1)"), ".*Wrong HTTP URL"),
        ({"inline_keyboard": [["A"]]}, ".*InlineKeyboardButton must be an Object"),
        ({"inline_keyboard": [{"text": "A"}]}, ".*must be an Array of Arrays"),
        ({"inline_keyboard": [[{"callback_data": "a"}]]}, '.*Can\'t find field "text"'),
        ({"inline_keyboard": [[{"text": "A", "callback_data": "a"}] * 9]}, "reply markup is too long"),
        ({"inline_keyboard": [[{"text": "A", "callback_data": "a"}]] * 101}, "reply markup is too long"),
    ],
)
def test_a_wrong_keyboard_is_refused(markup: dict[str, Any], words: str) -> None:
    with _refused(words):
        rules.inline_keyboard(markup)


@pytest.mark.parametrize(
    ("command", "words", "why"),
    [
        ("Start", "x", "BOT_COMMAND_INVALID"),
        ("add-kiosk", "x", "BOT_COMMAND_INVALID"),
        ("x" * 33, "x", "BOT_COMMAND_INVALID"),
        ("start", "", "BOT_COMMAND_DESCRIPTION_INVALID"),
        ("start", "x" * 257, "BOT_COMMAND_DESCRIPTION_INVALID"),
    ],
)
def test_a_wrong_command_is_refused(command: str, words: str, why: str) -> None:
    with _refused(why):
        rules.commands([{"command": command, "description": words}])


def test_at_most_a_hundred_commands() -> None:
    one = {"command": "start", "description": "Begin"}
    assert rules.commands([one] * 100) == [one] * 100
    with _refused("too many commands"):
        rules.commands([one] * 101)


@pytest.mark.parametrize(
    ("url", "secret", "words"),
    [
        ("nonsense", "", "invalid webhook URL"),
        ("http://example.com/x", "", "bad webhook: An HTTPS URL must be provided"),
        ("https://example.com:8080/x", "", "bad webhook: Webhook can be set up only on ports"),
        ("https://example.com/x", "s" * 257, "secret token is too long"),
        ("https://example.com/x", "a b", "secret token contains unallowed characters"),
    ],
)
def test_a_wrong_webhook_is_refused(url: str, secret: str, words: str) -> None:
    with _refused(words):
        rules.webhook_of(url, secret)


def test_a_webhook_may_be_here_without_tls() -> None:
    rules.webhook_of("http://127.0.0.1:8000/telegram", "abc-_9")
    rules.webhook_of("https://example.com:8443/telegram", "")


def test_files_have_a_size_and_a_name() -> None:
    rules.file_of("a.json", b"x")
    with _refused("file must be non-empty"):
        rules.file_of("a.json", b"")
    with _refused("Request Entity Too Large", status=413):
        rules.file_of("a.json", bytes(rules.FILE_MAX_BYTES + 1))


def test_scopes_languages_and_kinds_of_updates_are_known_ones() -> None:
    assert rules.scope_of({"type": "chat", "chat_id": 5}) == {"type": "chat", "chat_id": 5}
    with _refused("can't parse BotCommandScope"):
        rules.scope_of({"type": "everybody"})
    with _refused("can't parse BotCommandScope"):
        rules.scope_of({"type": "chat"})
    with _refused("invalid language code"):
        rules.language_of("rus")
    assert rules.kinds_of(["message", "callback_query"]) == ["message", "callback_query"]
    with _refused("there is no update of type mesage"):
        rules.kinds_of(["mesage"])
