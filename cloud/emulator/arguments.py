"""The parameters of a call, however they came: query, form, JSON or multipart. Telegram sees all values as texts."""

import json
from typing import Any

import msgspec
from tornado.httputil import HTTPServerRequest

from cloud.emulator.errors import Refusal, bad

Json = dict[str, Any]


class Upload(msgspec.Struct, frozen=True):
    """A file of a multipart body."""

    name: str
    data: bytes


class Arguments:
    """What a call was given. Wrong types are refused, where Telegram would often read a zero: a bot that sends them has
    a mistake in it."""

    def __init__(self, values: dict[str, str], files: dict[str, Upload]) -> None:
        self.values = values
        self.files = files

    def text(self, name: str) -> str:
        """A String; empty when not given."""
        return self.values.get(name, "")

    def number(self, name: str, default: int = 0) -> int:
        """An Integer. Raises `Refusal`."""
        text = self.values.get(name, "")
        if not text:
            return default
        try:
            return int(text)
        except ValueError:
            raise bad(f"parameter {name} must be an Integer, not {text[:50]!r}") from None

    def flag(self, name: str) -> bool:
        """A Boolean. Raises `Refusal`."""
        text = self.values.get(name, "").lower()
        if text not in {"", "true", "false", "1", "0"}:
            raise bad(f"parameter {name} must be a Boolean, not {text[:50]!r}")
        return text in {"true", "1"}

    def json(self, name: str) -> Any:
        """A value given as JSON; None when not given. Raises `Refusal`."""
        text = self.values.get(name, "")
        if not text:
            return None
        try:
            return json.loads(text)
        except ValueError:
            words = {"reply_markup": "reply keyboard markup", "commands": "commands"}.get(name, name.replace("_", " "))
            raise bad(f"can't parse {words} JSON object") from None


def read(request: HTTPServerRequest) -> Arguments:
    """What an HTTP request gives. Raises `Refusal`."""
    values = {name: got[-1].decode("utf-8", "replace") for name, got in request.arguments.items()}
    files = {name: Upload(got[-1].filename, got[-1].body) for name, got in request.files.items()}
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() == "application/json" and request.body:
        try:
            given = json.loads(request.body)
        except ValueError:
            raise bad("can't parse JSON object") from None
        if not isinstance(given, dict):
            raise Refusal(400, "Bad Request: object expected")
        values |= {name: _as_text(value) for name, value in given.items() if value is not None}
    return Arguments(values, files)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
