"""Pictures for paper, out of the plainest file there is: PBM, black and white dots. Pure.

PBM is what ImageMagick writes (`convert logo.png -monochrome logo.pbm`), in both of its forms: `P4`, bytes, and `P1`,
digits. There is nothing here that reads PNG or JPEG, and nothing that makes grey into dots.

Source: netpbm, pbm(5).
"""

import base64
import binascii
import re

from hardware.slip import Align, Picture

WIDTH_MAX, HEIGHT_MAX = 1024, 4096
_HEAD = re.compile(rb"P([14])(?:\s|#[^\n]*\n)+([0-9]{1,6})(?:\s|#[^\n]*\n)+([0-9]{1,6})\s")
_OTHERS = {b"\x89PNG": "PNG", b"\xff\xd8": "JPEG", b"GIF8": "GIF", b"BM": "BMP", b"P5": "grey PGM", b"P6": "colour PPM"}


def read_picture(text: str, align: Align = Align.CENTER) -> Picture:
    """A picture from the Base64 of a PBM file. Raises `ValueError` in words."""
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not Base64") from None
    head = _HEAD.match(data)
    if head is None:
        other = next((f"; this is {name}" for start, name in _OTHERS.items() if data.startswith(start)), "")
        raise ValueError(f"is not a PBM file, of black and white dots (P4 or P1){other}")
    width, height = int(head[2]), int(head[3])
    if not (1 <= width <= WIDTH_MAX and 1 <= height <= HEIGHT_MAX):
        raise ValueError(f"is {width} by {height} dots; right would be at most {WIDTH_MAX} by {HEIGHT_MAX}")
    body = data[head.end() :]
    across = (width + 7) // 8
    if head[1] == b"1":
        body = _packed(body, width, height)
    if len(body) < across * height:
        raise ValueError(f"breaks off: {width} by {height} dots are {across * height} bytes, not {len(body)}")
    # Bits beyond the right edge may be anything in the file, and would be black on paper.
    keep = 0xFF << (across * 8 - width) & 0xFF
    rows = (body[at : at + across] for at in range(0, across * height, across))
    return Picture(width=width, rows=tuple(row[:-1] + bytes((row[-1] & keep,)) for row in rows), align=align)


def _packed(digits: bytes, width: int, height: int) -> bytes:
    """`P1` as `P4`."""
    bits = re.sub(rb"#[^\n]*|\s", b"", digits)[: width * height].decode("ascii", "replace")
    if set(bits) - {"0", "1"}:
        raise ValueError("holds other digits than 0 and 1")
    if len(bits) < width * height:
        raise ValueError(f"breaks off: {width} by {height} dots are {width * height} digits, not {len(bits)}")
    across = (width + 7) // 8
    rows = (bits[at : at + width].ljust(across * 8, "0") for at in range(0, width * height, width))
    return b"".join(int(row, 2).to_bytes(across, "big") for row in rows)
