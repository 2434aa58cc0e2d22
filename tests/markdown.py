"""Reading our documents as the tests need it: their code blocks and their tables."""

import re

FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def fences(text: str, info: str) -> list[str]:
    """The contents of all code blocks with this info string."""
    return [content for found, content in FENCE.findall(text) if found.strip() == info]


def rows(text: str) -> list[list[str]]:
    """The cells of every table row of a document."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
