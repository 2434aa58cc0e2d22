"""What a command is: one declaration that requests and answers are written and read by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hardware.errors import LocalProtocolError
from hardware.shtrih.fields import MONEY, PASSWORD, U8, Field, pack, text, unpack

Values = dict[str, object]


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    `limit_s`: how long an answer may take. `changes`: doing it twice is not the same as doing it once, so that it is
    never sent again without asking what became of it. `prints`: refused while there is no paper.
    """

    code: int
    name: str
    words: str
    request: tuple[Field, ...] = ()
    reply: tuple[Field, ...] = ()
    limit_s: float = 10.0
    changes: bool = False
    prints: bool = False
    finish: Callable[[Values], None] | None = None  # puts together what the reply has in two places

    @property
    def number(self) -> bytes:
        """Its one or two bytes."""
        return self.code.to_bytes(2 if self.code > 0xFF else 1, "big")

    @property
    def hex(self) -> str:
        """As it is written: "10", "FF01"."""
        return self.number.hex().upper()

    def ask(self, values: Mapping[str, object]) -> bytes:
        """The request's bytes. Raises `LocalProtocolError`, naming the field."""
        try:
            return self.number + pack(self.request, values)
        except LocalProtocolError as error:
            raise LocalProtocolError(f"{self.name}: {error}") from None

    def read_request(self, data: bytes) -> Values | None:
        """The fields behind the number; None: these bytes are no request of it."""
        return unpack(self.request, data[len(self.number) :])

    def answer(self, error: int = 0, values: Mapping[str, object] | None = None) -> bytes:
        """An answer's bytes: what a device sends."""
        head = self.number + bytes([error])
        return head if error else head + pack(self.reply, values or {})

    def read_reply(self, data: bytes) -> "Reply | None":
        """Error and fields of an answer; None: these bytes are no answer of it."""
        head = len(self.number)
        if not data.startswith(self.number) or len(data) <= head:
            return None
        error = data[head]
        if error:
            rest = data[head + 1 :]
            return Reply(error, {"extra": rest.hex().upper()} if rest else {})
        values = unpack(self.reply, data[head + 1 :])
        if values is None:
            return None
        if self.finish:
            self.finish(values)
        return Reply(0, values)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a device answered. With an error there are no fields."""

    error: int
    values: Mapping[str, object]

    def number(self, name: str) -> int:
        """A field that is a number; 0 where an older device does not have it."""
        value = self.values.get(name)
        return value if isinstance(value, int) else 0

    def text(self, name: str) -> str:
        """A field that is a text; empty where the device does not have it."""
        value = self.values.get(name)
        return value if isinstance(value, str) else ""


PASSWORD_FIELD = Field("password", PASSWORD)
CASHIER = Field("cashier", U8)
TAXES = tuple(Field(f"tax{group}", U8, 0) for group in range(1, 5))
TEXT_40 = Field("text", text(40), "")
FLAGS = Field("flags", U8, 2)  # bit 0 control tape, bit 1 receipt
PAYMENTS = tuple(Field(f"sum{kind}", MONEY, 0) for kind in range(1, 17))
