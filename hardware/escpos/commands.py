"""The commands of ESC/POS that this family knows, each declared once: rendering, reading and the simulator live off it.

Nothing frames the stream: whoever reads it must know the length of every command, and loses its place at the first
that it does not know.

Sources: Epson TM-U220 command pages, Bixolon SRP-350, Citizen CT-S2000, Custom KPM150H manuals, as in the package.
"""

from collections.abc import Sequence

from hardware.escpos.declaration import Command, Data, Instruction, Number, Terminated, Values, decode_fields


def _raster_bytes(values: Values) -> int:
    return _int(values, "x") * _int(values, "y")


def _columns_bytes(values: Values) -> int:
    return _int(values, "n") * (3 if _int(values, "m") in (32, 33) else 1)


def _int(values: Values, name: str) -> int:
    value = values[name]
    return value if isinstance(value, int) else 0


def _digits(*values: str) -> dict[int, str]:
    """What a parameter means, as a number and as a digit."""
    return {**dict(enumerate(values)), **{0x30 + value: words for value, words in enumerate(values)}}


ON_OFF = {0: "off", 1: "on", 0x30: "off", 0x31: "on"}
ALIGNMENTS = _digits("left", "center", "right")
SYMBOLOGIES_A = ("UPC-A", "UPC-E", "EAN13", "EAN8", "CODE39", "ITF", "CODABAR")
SYMBOLOGIES_B = (*SYMBOLOGIES_A, "CODE93", "CODE128")
CORRECTIONS = {0x30: "L", 0x31: "M", 0x32: "Q", 0x33: "H"}
ASKED = {1: "printer status", 2: "offline cause", 3: "error cause", 4: "roll paper sensor", 20: "full status"}

# Printed characters and lines
NUL = Command("NUL", b"\x00", "nothing; fills up a command that was cut short")
LF = Command("LF", b"\x0a", "print the line and feed it")
CR = Command("CR", b"\x0d", "carriage return; ignored, or as LF, by a switch of the printer")
HT = Command("HT", b"\x09", "go to the next tab position")
FF = Command("FF", b"\x0c", "print and eject or go to the next mark (page mode, presenters)")
CAN = Command("CAN", b"\x18", "forget the page that is being composed (page mode)")

# Real time
DLE_EOT = Command(
    "DLE EOT", b"\x10\x04", "ask for a status at once", (Number("n", words=ASKED),), realtime=True, answer="status"
)
DLE_ENQ = Command(
    "DLE ENQ",
    b"\x10\x05",
    "recover from an error at once",
    (Number("n", words=_digits("press feed", "go on from the line that failed", "clear the buffers and go on")),),
    realtime=True,
)
DLE_DC4 = Command(
    "DLE DC4",
    b"\x10\x14",
    "pulse to the drawer, or power down, at once",
    (Number("fn"), Number("m"), Number("t")),
    realtime=True,
)

# Settings of text
INIT = Command("ESC @", b"\x1b@", "set everything as after power on; forgets the line that is being composed")
PRINT_MODE = Command(
    "ESC !", b"\x1b!", "font (01), bold (08), double height (10) and width (20), underline (80)", (Number("n"),)
)
CODE_PAGE = Command("ESC t", b"\x1bt", "choose the code page", (Number("n"),))
NATIONAL = Command("ESC R", b"\x1bR", "choose the national set of the twelve changing ASCII letters", (Number("n"),))
ALIGN = Command("ESC a", b"\x1ba", "align lines", (Number("n", words=ALIGNMENTS),))
BOLD = Command("ESC E", b"\x1bE", "bold", (Number("n", words=ON_OFF),))
DOUBLE_STRIKE = Command("ESC G", b"\x1bG", "double strike", (Number("n", words=ON_OFF),))
UNDERLINE = Command("ESC -", b"\x1b-", "underline", (Number("n", words=_digits("off", "thin", "thick")),))
FONT = Command("ESC M", b"\x1bM", "choose the font", (Number("n", words=_digits("A", "B", "C")),))
INVERT = Command("GS B", b"\x1dB", "white on black", (Number("n", words=ON_OFF),))
SIZE = Command("GS !", b"\x1d!", "size: width times 16 and height, each less one", (Number("n"),))
TURN = Command("ESC V", b"\x1bV", "turn letters by a quarter", (Number("n", words=ON_OFF),))
UPSIDE_DOWN = Command("ESC {", b"\x1b{", "upside down", (Number("n", words=ON_OFF),))
SPACING = Command("ESC SP", b"\x1b ", "space to the right of letters, in units", (Number("n"),))
COLOR = Command("ESC r", b"\x1br", "choose the colour", (Number("n"),))
USER_SET = Command("ESC %", b"\x1b%", "use the letters defined by ESC &", (Number("n", words=ON_OFF),))
SMOOTH = Command("GS b", b"\x1db", "smooth large letters", (Number("n", words=ON_OFF),))
KANJI_OFF = Command("FS .", b"\x1c.", "no two-byte letters (clones start with them on)")
KANJI_ON = Command("FS &", b"\x1c&", "two-byte letters")

# Where things stand
LINE_DEFAULT = Command("ESC 2", b"\x1b2", "usual line height")
LINE_HEIGHT = Command("ESC 3", b"\x1b3", "line height, in units", (Number("n"),))
TABS = Command("ESC D", b"\x1bD", "tab positions", (Terminated("columns"),))
POSITION = Command("ESC $", b"\x1b$", "go to a position of the line, in units", (Number("n", 2),))
RELATIVE = Command("ESC \\", b"\x1b\\", "go on by so many units", (Number("n", 2),))
MARGIN = Command("GS L", b"\x1dL", "left margin, in units", (Number("n", 2),))
WIDTH = Command("GS W", b"\x1dW", "width of the print area, in units", (Number("n", 2),))
UNITS = Command("GS P", b"\x1dP", "units: parts of an inch across and along", (Number("x"), Number("y")))
STANDARD_MODE = Command("ESC S", b"\x1bS", "standard mode")
PAGE_MODE = Command("ESC L", b"\x1bL", "page mode")

# Feed, cut, drawer
FEED = Command("ESC d", b"\x1bd", "print and feed lines", (Number("n"),))
FEED_UNITS = Command("ESC J", b"\x1bJ", "print and feed units", (Number("n"),))
FEED_BACK = Command("ESC e", b"\x1be", "print and feed lines back", (Number("n"),))
CUT_FULL = Command("GS V", b"\x1dV", "cut, whole", selector=b"\x00", choices=b"0")
CUT_PARTIAL = Command("GS V", b"\x1dV", "cut, but for a bridge", selector=b"\x01", choices=b"1")
FEED_CUT_FULL = Command("GS V", b"\x1dV", "feed to the knife and cut, whole", (Number("n"),), selector=b"A")
FEED_CUT = Command(
    "GS V", b"\x1dV", "feed to the knife and cut, but for a bridge where the model has one", (Number("n"),), b"B"
)
CUT_ESC_I = Command("ESC i", b"\x1bi", "cut (older printers, Custom)")
CUT_ESC_M = Command("ESC m", b"\x1bm", "cut, but for a bridge (older printers)")
DRAWER = Command(
    "ESC p",
    b"\x1bp",
    "pulse to the drawer, on for twice t1 ms and off for twice t2",
    (Number("m", words=_digits("pin 2", "pin 5")), Number("t1"), Number("t2")),
)

# Pictures
RASTER = Command(
    "GS v 0",
    b"\x1dv0",
    "print a picture: x bytes in each of y rows",
    (
        Number("m", words=_digits("as it is", "double width", "double height", "double both")),
        Number("x", 2),
        Number("y", 2),
        Data("dots", _raster_bytes),
    ),
)
COLUMNS = Command(
    "ESC *",
    b"\x1b*",
    "picture in columns of 8 or 24 dots within a line",
    (
        Number("m", words={0: "8 dots", 1: "8 dots, dense", 32: "24 dots", 33: "24 dots, dense"}),
        Number("n", 2),
        Data("dots", _columns_bytes),
    ),
)
STORED_PICTURE = Command("FS p", b"\x1cp", "print a picture the printer keeps", (Number("n"), Number("m")))

# Codes of bars
BAR_HEIGHT = Command("GS h", b"\x1dh", "height of bar codes, in dots", (Number("n", low=1),))
BAR_WIDTH = Command("GS w", b"\x1dw", "width of the thinnest bar, in dots", (Number("n", low=1),))
BAR_FONT = Command("GS f", b"\x1df", "font of the digits at bar codes", (Number("n", words=_digits("A", "B", "C")),))
BAR_TEXT = Command(
    "GS H", b"\x1dH", "where the digits stand", (Number("n", words=_digits("nowhere", "above", "below", "both")),)
)
BARS_A = tuple(
    Command("GS k", b"\x1dk", f"bar code {name}, ended by a NUL", (Terminated("content"),), bytes((number,)))
    for number, name in enumerate(SYMBOLOGIES_A)
)
BARS_B = tuple(
    Command(
        "GS k",
        b"\x1dk",
        f"bar code {name}, its length first",
        (Number("n"), Data("content", lambda values: _int(values, "n"))),
        bytes((65 + number,)),
    )
    for number, name in enumerate(SYMBOLOGIES_B)
)

# QR codes: GS ( k pL pH 31 fn
SYMBOL = b"\x1d(k"
QR_MODEL = Command(
    "GS ( k 41",
    SYMBOL,
    "QR code: model",
    (Number("model", words={0x31: "model 1", 0x32: "model 2", 0x33: "micro"}, low=0x31, high=0x33), Number("reserved")),
    b"1\x41",
    counted=True,
)
QR_MODULE = Command(
    "GS ( k 43", SYMBOL, "QR code: dots a module", (Number("module", low=1, high=16),), b"1\x43", counted=True
)
QR_CORRECTION = Command(
    "GS ( k 45",
    SYMBOL,
    "QR code: error correction",
    (Number("correction", words=CORRECTIONS, low=0x30, high=0x33),),
    b"1\x45",
    counted=True,
)
QR_STORE = Command(
    "GS ( k 50", SYMBOL, "QR code: keep the content", (Number("m"), Data("content")), b"1\x50", counted=True
)
QR_PRINT = Command("GS ( k 51", SYMBOL, "QR code: print what is kept", (Number("m"),), b"1\x51", counted=True)
QR_ASK_SIZE = Command(
    "GS ( k 52", SYMBOL, "QR code: ask for its size", (Number("m"),), b"1\x52", counted=True, answer="block"
)
OTHER_SYMBOL = Command("GS ( k", SYMBOL, "another code in two dimensions", (Data("content"),), counted=True)
TEST_PRINT = Command(
    "GS ( A",
    b"\x1d(A",
    "print a test page",
    (
        Number("n", words=_digits("basic sheet", "roll paper", "roll paper")),
        Number("m", words={1: "dump", 2: "status", 3: "pattern"}),
    ),
    counted=True,
)
OTHER_COUNTED = tuple(
    Command(f"GS ( {letter}", b"\x1d(" + letter.encode(), "a setting of its own", (Data("content"),), counted=True)
    for letter in "CDEHKLMNPQVz"
)

# What the printer is asked in the order of the stream
READ_STATUS = Command(
    "GS r",
    b"\x1dr",
    "ask for a status, answered when everything before was done",
    (Number("n", words={1: "paper", 2: "drawer", 4: "ink", 0x31: "paper", 0x32: "drawer", 0x34: "ink"}),),
    answer="buffered status",
)
AUTO_STATUS = Command(
    "GS a",
    b"\x1da",
    "tell of changes unasked: drawer (01), on line (02), errors (04), paper (08), switches (40)",
    (Number("n"),),
    answer="automatic status",
)
READ_ID = Command(
    "GS I",
    b"\x1dI",
    "ask who the printer is",
    (
        Number(
            "n",
            words={
                1: "model number",
                2: "type",
                3: "version",
                0x41: "firmware",
                0x42: "maker",
                0x43: "model",
                0x44: "serial number",
                0x45: "fonts",
            },
        ),
    ),
    answer="identity",
)
PAPER_SENSORS = Command("ESC c 3", b"\x1bc3", "which sensors count as paper end", (Number("n"),))
STOP_SENSORS = Command("ESC c 4", b"\x1bc4", "which sensors stop printing", (Number("n"),))
BUTTONS = Command("ESC c 5", b"\x1bc5", "lock the buttons", (Number("n", words=ON_OFF),))
PERIPHERAL = Command("ESC =", b"\x1b=", "printer or display is meant", (Number("n"),))

COMMANDS: tuple[Command, ...] = (
    *(NUL, LF, CR, HT, FF, CAN),
    *(DLE_EOT, DLE_ENQ, DLE_DC4),
    *(INIT, PRINT_MODE, CODE_PAGE, NATIONAL, ALIGN, BOLD, DOUBLE_STRIKE, UNDERLINE, FONT, INVERT, SIZE, TURN),
    *(UPSIDE_DOWN, SPACING, COLOR, USER_SET, SMOOTH, KANJI_OFF, KANJI_ON),
    *(LINE_DEFAULT, LINE_HEIGHT, TABS, POSITION, RELATIVE, MARGIN, WIDTH, UNITS, STANDARD_MODE, PAGE_MODE),
    *(FEED, FEED_UNITS, FEED_BACK, CUT_FULL, CUT_PARTIAL, FEED_CUT_FULL, FEED_CUT, CUT_ESC_I, CUT_ESC_M, DRAWER),
    *(RASTER, COLUMNS, STORED_PICTURE),
    *(BAR_HEIGHT, BAR_WIDTH, BAR_FONT, BAR_TEXT, *BARS_A, *BARS_B),
    *(QR_MODEL, QR_MODULE, QR_CORRECTION, QR_STORE, QR_PRINT, QR_ASK_SIZE, OTHER_SYMBOL, TEST_PRINT, *OTHER_COUNTED),
    *(READ_STATUS, AUTO_STATUS, READ_ID, PAPER_SENSORS, STOP_SENSORS, BUTTONS, PERIPHERAL),
)


def _by_first(commands: Sequence[Command]) -> dict[int, tuple[Command, ...]]:
    table: dict[int, list[Command]] = {}
    for command in commands:
        table.setdefault(command.prefix[0], []).append(command)
    return {byte: tuple(sorted(those, key=lambda command: -command.fixed)) for byte, those in table.items()}


BY_FIRST = _by_first(COMMANDS)
"""By the first byte, the longest first."""


def decode(data: bytes, at: int = 0) -> tuple[Instruction, int] | bool | None:
    """The command that stands at `at`, and where it ends; None: more bytes are needed; False: no command known here."""
    waiting = False
    for command in BY_FIRST.get(data[at], ()):
        matched = command.matches(data, at)
        if matched is None:
            waiting = True
        elif matched:
            # The table names longer matches first: one that may still come is preferred.
            return None if waiting else decode_fields(command, data, at)
    return None if waiting else False
