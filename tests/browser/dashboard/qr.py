"""What a QR code on the screen says: read module by module from a picture of it, as a phone does, but for the errors
that a camera makes. Byte mode, versions 1 to 10, by ISO/IEC 18004.

    text = read(page.locator("svg.qr").screenshot())
"""

import io

from PIL import Image

# By version and level of correction (L M Q H): blocks as (how many, code words of data in each).
_BLOCKS = {
    1: "1x19 1x16 1x13 1x9", 2: "1x34 1x28 1x22 1x16", 3: "1x55 1x44 2x17 2x13", 4: "1x80 2x32 2x24 4x9",
    5: "1x108 2x43 2x15+2x16 2x11+2x12", 6: "2x68 4x27 4x19 4x15", 7: "2x78 4x31 2x14+4x15 4x13+1x14",
    8: "2x97 2x38+2x39 4x18+2x19 4x14+2x15", 9: "2x116 3x36+2x37 4x16+4x17 4x12+4x13",
    10: "2x68+2x69 4x43+1x44 6x19+2x20 6x15+2x16",
}  # fmt: skip
_ALIGNED = {1: (), 2: (6, 18), 3: (6, 22), 4: (6, 26), 5: (6, 30), 6: (6, 34), 7: (6, 22, 38), 8: (6, 24, 42),
            9: (6, 26, 46), 10: (6, 28, 50)}  # fmt: skip
_MASKS = (
    lambda y, x: (y + x) % 2, lambda y, x: y % 2, lambda y, x: x % 3, lambda y, x: (y + x) % 3,
    lambda y, x: (y // 2 + x // 3) % 2, lambda y, x: y * x % 2 + y * x % 3, lambda y, x: (y * x % 2 + y * x % 3) % 2,
    lambda y, x: ((y + x) % 2 + y * x % 3) % 2,
)  # fmt: skip


def read(png: bytes) -> str:
    """The text. Raises `ValueError` where there is none."""
    image = Image.open(io.BytesIO(png)).convert("L")
    edge = 3  # of the page around it, where it does not begin at a pixel
    modules = _modules(image.crop((edge, edge, image.width - edge, image.height - edge)))
    size = len(modules)
    version = (size - 17) // 4
    # The format: five bits by the upper left corner, under a mask of their own.
    form = [modules[8][x] for x in (0, 1, 2, 3, 4)]
    number = int("".join(map(str, form)), 2) ^ 0b10101
    level, mask = {0b01: 0, 0b00: 1, 0b11: 2, 0b10: 3}[number >> 3], _MASKS[number & 7]
    bits = [modules[y][x] ^ (mask(y, x) == 0) for y, x in _path(size, version)]
    words = [int("".join(map(str, bits[at : at + 8])), 2) for at in range(0, len(bits) - 7, 8)]
    data = _joined(words, _BLOCKS[version].split()[level])
    stream = "".join(f"{word:08b}" for word in data)
    return _text(stream, 8 if version < 10 else 16)


def _modules(image: Image.Image) -> list[list[int]]:
    dark = [[image.getpixel((x, y)) < 128 for x in range(image.width)] for y in range(image.height)]
    rows = [y for y, row in enumerate(dark) if any(row)]
    columns = [x for x in range(image.width) if any(row[x] for row in dark)]
    top, left, wide = rows[0], columns[0], columns[-1] - columns[0] + 1
    # Along the top the finder has seven dark modules, then one that is light. Its corner may be blurred.
    run = next(x for x in range(3, wide) if not dark[top + 2][left + x]) / 7
    size = 17 + 4 * round((wide / run - 17) / 4)
    if size not in {17 + 4 * version for version in _BLOCKS}:
        raise ValueError(f"no QR code that is read here: {wide} wide, {run:.1f} a module")
    step = wide / size
    at = [int((number + 0.5) * step) for number in range(size)]
    return [[int(dark[top + y][left + x]) for x in at] for y in at]


def _path(size: int, version: int) -> list[tuple[int, int]]:
    """Where data lies, in order: two columns at a time, up and down, from the right."""
    taken = {(y, x) for y in range(9) for x in range(9)}
    taken |= {(y, x) for y in range(9) for x in range(size - 8, size)}
    taken |= {(y, x) for y in range(size - 8, size) for x in range(9)}
    taken |= {(6, at) for at in range(size)} | {(at, 6) for at in range(size)}
    last = size - 7
    for middle_y in _ALIGNED[version]:
        for middle_x in _ALIGNED[version]:
            if (middle_y, middle_x) not in {(6, 6), (6, last), (last, 6)}:
                taken |= {(middle_y + y, middle_x + x) for y in range(-2, 3) for x in range(-2, 3)}
    if version >= 7:
        taken |= {(y, x) for y in range(6) for x in range(size - 11, size - 8)}
        taken |= {(y, x) for y in range(size - 11, size - 8) for x in range(6)}
    found, is_up = [], True
    for right in [*range(size - 1, 6, -2), 5, 3, 1]:
        ys = range(size - 1, -1, -1) if is_up else range(size)
        found += [(y, x) for y in ys for x in (right, right - 1) if (y, x) not in taken]
        is_up = not is_up
    return found


def _joined(words: list[int], blocks: str) -> list[int]:
    """The words of data, whose blocks lie between each other."""
    sizes = [int(size) for part in blocks.split("+") for size in [part.split("x")[1]] * int(part.split("x")[0])]
    found: list[list[int]] = [[] for _ in sizes]
    given = iter(words)
    for at in range(max(sizes)):
        for block, size in zip(found, sizes, strict=True):
            if at < size:
                block.append(next(given))
    return [word for block in found for word in block]


def _text(stream: str, count_bits: int) -> str:
    """Segments of bytes; what says which alphabet they are of is passed over."""
    at = 0
    if stream.startswith("0111"):
        at = 12
    if stream[at : at + 4] != "0100":
        raise ValueError(f"not in bytes: {stream[: at + 4]}")
    count = int(stream[at + 4 : at + 4 + count_bits], 2)
    begin = at + 4 + count_bits
    raw = bytes(int(stream[place : place + 8], 2) for place in range(begin, begin + 8 * count, 8))
    return raw.decode("utf-8")
