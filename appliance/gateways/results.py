"""The three ways a call of a gateway can end."""

import msgspec


class Answered(msgspec.Struct, frozen=True):
    """The gateway answered: its HTTP status, and its body as a JSON object."""

    status: int
    body: msgspec.Raw


class NeverGot(msgspec.Struct, frozen=True):
    """The request surely did not reach the gateway."""

    detail: str


class NoAnswer(msgspec.Struct, frozen=True):
    """The request went out, at least in part, and no whole answer came."""

    detail: str


Result = Answered | NeverGot | NoAnswer
