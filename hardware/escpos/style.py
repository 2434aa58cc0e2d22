"""How a simulated printer's letters look, and the commands that change it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Style:
    """How letters look; the default is nothing."""

    align: int = 0
    bold: bool = False
    underline: bool = False
    invert: bool = False
    width: int = 1
    height: int = 1

    def __str__(self) -> str:
        words = [("", "center", "right")[self.align % 3]]
        words += [name for name in ("bold", "underline", "invert") if getattr(self, name)]
        if (self.width, self.height) != (1, 1):
            words.append(f"{self.width}x{self.height}")
        return " ".join(word for word in words if word)


def _print_mode(style: Style, n: int) -> Style:
    return replace(
        style,
        bold=bool(n & 0x08),
        height=2 if n & 0x10 else 1,
        width=2 if n & 0x20 else 1,
        underline=bool(n & 0x80),
    )


STYLES: Mapping[str, Callable[[Style, int], Style]] = {
    "ESC !": _print_mode,
    "ESC a": lambda style, n: replace(style, align=n & 0x0F),
    "ESC E": lambda style, n: replace(style, bold=bool(n & 1)),
    "ESC -": lambda style, n: replace(style, underline=bool(n & 0x0F)),
    "GS B": lambda style, n: replace(style, invert=bool(n & 1)),
    "GS !": lambda style, n: replace(style, width=(n >> 4 & 7) + 1, height=(n & 7) + 1),
}
"""By the command's name: the style before and its number to the style after."""
