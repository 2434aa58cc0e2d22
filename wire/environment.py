"""A program's settings out of strings: every mistake at once, in words, with secrets masked. Pure.

A program declares its settings as a `msgspec.Struct` whose fields are annotated with `msgspec.Meta(description=…)`;
the environment variable is the field's name in upper case. `Secret` holds what must not be shown.
"""

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from wire.masking import mask_secret

T = TypeVar("T", bound=msgspec.Struct)


class Secret:
    """A text that shows itself only when asked: not in a repr, a log or an error."""

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret itself."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return mask_secret(self._text)


class Mistake(msgspec.Struct, frozen=True):
    """One thing wrong in the settings: which, what it is (masked), what is wrong and would be right."""

    name: str
    value: str
    words: str

    def __str__(self) -> str:
        # Of a variable, NAME= is what one would see; a path into a file has no such form.
        shown = self.name if "." in self.name and not self.value else f"{self.name}={self.value}"
        return f"{shown}: {self.words}"


class SettingsError(Exception):
    """The settings cannot be used. Holds every mistake; its text lists them, one a line."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(map(str, mistakes)))


class Setting(msgspec.Struct, frozen=True):
    """One setting, for documentation: its variable, default (masked when secret) and description."""

    variable: str
    default: str
    description: str


def read(kind: type[T], source: Mapping[str, str]) -> tuple[T | None, list[Mistake]]:
    """Read `kind` out of `source`. An empty string counts as not set.

    Returns the settings, or None with all mistakes found.
    """
    values: dict[str, Any] = {}
    mistakes = []
    for field in msgspec.structs.fields(kind):
        variable = field.name.upper()
        text = source.get(variable, "").strip()
        if not text:
            if field.required:
                mistakes.append(Mistake(variable, "", f"is required: {_description(field.type)}"))
            continue
        if _is_secret(field.type) and not _is_text(text):  # a path may be anything, but a secret is signed with or sent
            mistakes.append(Mistake(variable, mask_secret(text), "is not UTF-8 text"))
            continue
        try:
            values[field.name] = msgspec.convert(text, field.type, strict=False, dec_hook=_decode)
        except (msgspec.ValidationError, ValueError) as error:
            shown = mask_secret(text) if _is_secret(field.type) else text
            mistakes.append(Mistake(variable, shown, f"{error}; right would be: {_description(field.type)}"))
    return (None, mistakes) if mistakes else (kind(**values), [])


def describe(kind: type[msgspec.Struct]) -> list[Setting]:
    """Every setting of `kind`, in order."""
    found = []
    for field in msgspec.structs.fields(kind):
        default = "required" if field.required else str(field.default)
        if isinstance(field.default, Secret) or default == "":
            default = "not set"
        found.append(Setting(field.name.upper(), default, _description(field.type)))
    return found


def unknown(kind: type[msgspec.Struct], names: list[str]) -> list[str]:
    """Sentences about names in a settings file that no setting has, with the one probably meant."""
    known = [field.name.upper() for field in msgspec.structs.fields(kind)]
    sentences = []
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            sentences.append(f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else ""))
    return sentences


def _decode(kind: type, text: Any) -> Any:
    if kind is Secret:
        return Secret(str(text))
    raise NotImplementedError(kind)


def _is_text(text: str) -> bool:
    """False for what the environment held in another encoding."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_secret(kind: Any) -> bool:
    return kind is Secret or any(_is_secret(part) for part in get_args(kind) if get_origin(kind))


def _description(kind: Any) -> str:
    for part in getattr(kind, "__metadata__", ()):
        if isinstance(part, msgspec.Meta) and part.description:
            return part.description
    return ""
