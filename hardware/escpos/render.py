"""A slip as bytes for one model of printer, in blocks that may be sent one after another.

Every block ends where a command ends, so that a question may stand between two of them; a picture is cut into strips
that print without a seam. What cannot be printed is refused here, before the first byte.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from hardware.errors import Refused
from hardware.escpos import commands as c
from hardware.escpos.codepages import MissingLetter, runs, stand_in
from hardware.escpos.declaration import encode
from hardware.escpos.profiles import Profile
from hardware.slip import Align, Barcode, Cut, Element, Feed, OpenDrawer, Picture, QrCode, Slip, Text

BLOCK_BYTES = 1024
PULSE = 50  # twice milliseconds, on and off
MISSING = ("refuse", "transliterate")
_ALIGN = {Align.LEFT: 0, Align.CENTER: 1, Align.RIGHT: 2}
_CORRECTION = {words: number for number, words in c.CORRECTIONS.items()}
_CODE39 = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%+-./")


@dataclass(frozen=True, slots=True)
class _Style:
    align: int = 0
    bold: bool = False
    underline: bool = False
    invert: bool = False
    size: int = 0


def render(
    slip: Slip,
    profile: Profile,
    *,
    missing: str = "transliterate",
    block_bytes: int = BLOCK_BYTES,
    copy_words: str = "",
    prologue: bytes = b"",
) -> list[bytes]:
    """The whole slip, from ESC @ on.

    Args:
        slip: what is to stand on paper.
        profile: the model.
        missing: what becomes of letters that the model lacks: "refuse", or "transliterate" by `codepages.STAND_INS`.
        block_bytes: about how long a block is; only a single command may be longer.
        copy_words: printed large above and below it; a copy opens no drawer.
        prologue: sent behind ESC @.

    Raises:
        Refused: it cannot be printed on this model; says what and why.
    """
    return _Renderer(profile, missing, block_bytes).render(slip, copy_words, prologue)


class _Renderer:
    def __init__(self, profile: Profile, missing: str, block_bytes: int) -> None:
        self._profile = profile
        self._missing = missing
        self._block_bytes = block_bytes
        self._style = _Style()
        self._page: int | None = None

    def render(self, slip: Slip, copy_words: str, prologue: bytes) -> list[bytes]:
        atoms = [encode(c.INIT) + (encode(c.KANJI_OFF) if self._profile.kanji_off else b"") + prologue]
        for element in _marked(slip.elements, copy_words) if copy_words else slip.elements:
            atoms += self._element(element)
        return _in_blocks(atoms, self._block_bytes)

    def _element(self, element: Element) -> Iterator[bytes]:
        match element:
            case Text():
                return self._text(element)
            case QrCode():
                return self._qr(element)
            case Barcode():
                return self._barcode(element)
            case Picture():
                return self._picture(element)
            case Feed(lines=lines):
                return self._feed(lines)
            case Cut(partial=partial):
                return iter((encode(c.FEED_CUT if partial else c.FEED_CUT_FULL, n=0),))
            case OpenDrawer(pin=pin):
                return self._drawer(pin)

    # Text

    def _text(self, text: Text) -> Iterator[bytes]:
        if not (1 <= text.width <= 8 and 1 <= text.height <= 8):
            raise Refused("size", f"letters are 1 to 8 times as large, not {text.width} by {text.height}")
        yield self._styled(
            _Style(
                _ALIGN[text.align], text.bold, text.underline, text.invert, (text.width - 1) << 4 | (text.height - 1)
            )
        )
        for line in text.text.replace("\r\n", "\n").removesuffix("\n").split("\n"):
            for part in wrap(self._printable(line), self._profile.columns // text.width):
                yield self._letters(part) + encode(c.LF)

    def _printable(self, line: str) -> str:
        line = line.expandtabs(8)
        for letter in line:
            if ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0:
                raise Refused("control-character", f"U+{ord(letter):04X} in the text is no letter")
        return stand_in(line, self._profile.pages) if self._missing == "transliterate" else line

    def _letters(self, line: str) -> bytes:
        try:
            found = runs(line, self._profile.pages, self._page)
        except MissingLetter as error:
            raise Refused("letter", str(error)) from None
        parts = bytearray()
        for run in found:
            if run.page is not None and run.page != self._page:
                parts += encode(c.CODE_PAGE, n=run.page)
                self._page = run.page
            parts += run.data
        return bytes(parts)

    def _styled(self, style: _Style) -> bytes:
        """The commands from the style that is set to this one."""
        was, self._style = self._style, style
        changed = bytearray()
        if style.align != was.align:
            changed += encode(c.ALIGN, n=style.align)
        if style.bold != was.bold:
            changed += encode(c.BOLD, n=style.bold)
        if style.underline != was.underline:
            changed += encode(c.UNDERLINE, n=style.underline)
        if style.invert != was.invert:
            changed += encode(c.INVERT, n=style.invert)
        if style.size != was.size:
            changed += encode(c.SIZE, n=style.size)
        return bytes(changed)

    def _aligned(self, align: Align) -> bytes:
        """Only the alignment changed: codes and pictures have no other style."""
        style = self._style
        return self._styled(_Style(_ALIGN[align], style.bold, style.underline, style.invert, style.size))

    # Codes

    def _qr(self, code: QrCode) -> Iterator[bytes]:
        content = code.content.encode()
        if not self._profile.qr:
            raise Refused("qr", f"the model {self._profile.name} makes no QR codes")
        if not 1 <= len(content) <= self._profile.qr_max:
            raise Refused("qr", f"a QR code here holds 1 to {self._profile.qr_max} bytes, not {len(content)}")
        if not 1 <= code.module <= 16:
            raise Refused("qr", f"a module of a QR code is 1 to 16 dots, not {code.module}")
        if code.correction not in _CORRECTION:
            raise Refused("qr", f"the correction of a QR code is L, M, Q or H, not {code.correction!r}")
        yield self._aligned(code.align)
        yield encode(c.QR_MODEL, model=0x32, reserved=0)
        yield encode(c.QR_MODULE, module=code.module)
        yield encode(c.QR_CORRECTION, correction=_CORRECTION[code.correction])
        yield encode(c.QR_STORE, m=0x30, content=content)
        yield encode(c.QR_PRINT, m=0x30)

    def _barcode(self, code: Barcode) -> Iterator[bytes]:
        if not 1 <= code.height <= 255:
            raise Refused("barcode", f"a bar code is 1 to 255 dots high, not {code.height}")
        bars = _bars(code)
        yield self._aligned(code.align)
        yield encode(c.BAR_HEIGHT, n=code.height)
        yield encode(c.BAR_WIDTH, n=2)
        yield encode(c.BAR_FONT, n=0)
        yield encode(c.BAR_TEXT, n=2)
        yield bars

    # The rest

    def _picture(self, picture: Picture) -> Iterator[bytes]:
        across = (picture.width + 7) // 8
        if not 1 <= picture.width <= self._profile.dots:
            raise Refused("picture", f"a picture is 1 to {self._profile.dots} dots wide here, not {picture.width}")
        for number, row in enumerate(picture.rows, 1):
            if len(row) != across:
                raise Refused("picture", f"row {number} has {len(row)} bytes; {picture.width} dots are {across}")
        yield self._aligned(picture.align)
        high = max(1, (self._block_bytes - 8) // across)
        for top in range(0, len(picture.rows), high):
            rows = picture.rows[top : top + high]
            yield encode(c.RASTER, m=0, x=across, y=len(rows), dots=b"".join(rows))

    def _feed(self, lines: int) -> Iterator[bytes]:
        if not 0 <= lines <= 255:
            raise Refused("feed", f"0 to 255 lines can be fed, not {lines}")
        if lines:
            yield encode(c.FEED, n=lines)

    def _drawer(self, pin: int) -> Iterator[bytes]:
        if pin not in (2, 5):
            raise Refused("drawer", f"a drawer hangs on pin 2 or 5, not {pin}")
        yield encode(c.DRAWER, m=0 if pin == 2 else 1, t1=PULSE, t2=PULSE)


def wrap(line: str, columns: int) -> list[str]:
    """A line in parts of at most `columns` letters, cut at spaces where there are any."""
    parts: list[str] = []
    while len(line) > columns:
        at = line.rfind(" ", 0, columns + 1)
        if at <= 0 or not line[:at].strip():
            parts.append(line[:columns])
            line = line[columns:]
        else:
            parts.append(line[:at])
            line = line[at + 1 :]
    return [*parts, line]


def _bars(code: Barcode) -> bytes:
    content, symbology = code.content, code.symbology.lower()
    match symbology:
        case "ean13" | "ean8":
            digits = 13 if symbology == "ean13" else 8
            number = 2 if symbology == "ean13" else 3
            return encode(c.BARS_A[number], content=_ean(content, digits).encode())
        case "code39":
            wrong = sorted(set(content) - _CODE39)
            if wrong or not 1 <= len(content) <= 255:
                raise Refused("barcode", f"CODE39 has no {wrong[0]!r}" if wrong else "CODE39 holds 1 to 255 letters")
            return encode(c.BARS_A[4], content=content.encode())
        case "code128":
            wrong = sorted(letter for letter in set(content) if not " " <= letter <= "~")
            data = b"{B" + content.encode("ascii", "replace").replace(b"{", b"{{")
            if wrong or not content or len(data) > 255:
                raise Refused(
                    "barcode", f"CODE128 has no {wrong[0]!r} here" if wrong else "CODE128 holds 1 to 253 letters"
                )
            return encode(c.BARS_B[8], n=len(data), content=data)
    raise Refused("barcode", f"there is no bar code {code.symbology!r}; there are ean13, ean8, code39 and code128")


def _ean(content: str, digits: int) -> str:
    """With its check digit, which may be left out and must be right."""
    if not content.isascii() or not content.isdigit() or len(content) not in (digits - 1, digits):
        raise Refused("barcode", f"EAN{digits} is {digits - 1} or {digits} digits, not {content!r}")
    body = content[: digits - 1]
    weighted = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body)))
    whole = f"{body}{-weighted % 10}"
    if len(content) == digits and content != whole:
        raise Refused("barcode", f"the check digit of {content} is {whole[-1]}")
    return whole


def _marked(elements: tuple[Element, ...], words: str) -> list[Element]:
    """A copy: it says so above and below (either line may be spoiled), and opens no drawer."""
    mark = Text(text=words, align=Align.CENTER, bold=True, width=2, height=2)
    marked: list[Element] = [mark, *(element for element in elements if not isinstance(element, OpenDrawer))]
    end = len(marked)
    while end > 1 and isinstance(marked[end - 1], Feed | Cut):
        end -= 1
    return [*marked[:end], mark, *marked[end:]]


def _in_blocks(atoms: list[bytes], block_bytes: int) -> list[bytes]:
    blocks: list[bytes] = []
    block = bytearray()
    for atom in atoms:
        if block and len(block) + len(atom) > block_bytes:
            blocks.append(bytes(block))
            block.clear()
        block += atom
    return [*blocks, bytes(block)] if block else blocks
