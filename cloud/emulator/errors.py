"""Telegram's ways of saying no."""

from typing import Any


class Refusal(Exception):
    """A call that is refused: the status, Telegram's words, and `parameters` of the answer."""

    def __init__(self, status: int, words: str, **parameters: Any) -> None:
        super().__init__(words)
        self.status = status
        self.words = words
        self.parameters = parameters


def bad(words: str, **parameters: Any) -> Refusal:
    """400."""
    return Refusal(400, f"Bad Request: {words}", **parameters)


def forbidden(words: str) -> Refusal:
    """403."""
    return Refusal(403, f"Forbidden: {words}")


def conflict(words: str) -> Refusal:
    """409."""
    return Refusal(409, f"Conflict: {words}")


def too_many(seconds: int) -> Refusal:
    """429."""
    return Refusal(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)
