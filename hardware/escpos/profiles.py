"""Models: what each has. The numbers of code pages are the makers' own; a clone's test page prints its table.

Sources: Epson's tables as gathered by escpos-printer-db (TM-T88V, TM-T20II; 53 is KZ-1048 there, and is missing from
TM-T88IV and older), the same for Citizen CT-S651; Bixolon's command manual; Custom's KPM150H manual for its status.
The pages of `custom` are the common ones only and must be compared with its test page.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from hardware.escpos.codepages import codec_name


@dataclass(frozen=True, slots=True)
class Profile:
    """One model.

    `pages` is number for ESC t → Python's codec, the preferred first. `dots` is the width of the print area, `columns`
    its letters of the usual size. `presenter`: DLE EOT 4 tells of the presenter (bits 5 and 6 stand for themselves).
    `kanji_off`: it starts with two-byte letters on, as clones for China do. `full_status`: it knows DLE EOT 20.
    """

    name: str
    pages: Mapping[int, str] = field(default_factory=dict)
    columns: int = 42
    dots: int = 512
    qr: bool = True
    qr_max: int = 1020  # bytes in a QR code; small printers take no more
    presenter: bool = False
    full_status: bool = False
    kanji_off: bool = False


_COMMON = {17: "cp866", 46: "cp1251", 19: "cp858", 2: "cp850", 18: "cp852", 0: "cp437"}

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            Profile("generic", _COMMON, 32, 384, kanji_off=True),
            Profile("epson", {17: "cp866", 46: "cp1251", 53: "kz1048", **_COMMON, 16: "cp1252"}, 42, 512),
            Profile("citizen", {17: "cp866", 19: "cp858", 2: "cp850", 18: "cp852", 16: "cp1252", 0: "cp437"}, 48, 576),
            Profile(
                "bixolon",
                {17: "cp866", 28: "cp1251", 19: "cp858", 2: "cp850", 18: "cp852", 16: "cp1252", 0: "cp437"},
                42,
                512,
            ),
            Profile("custom", {17: "cp866", 19: "cp858", 2: "cp850", 0: "cp437"}, 48, 640, full_status=True),
        )
    }
)


def profile(
    name: str = "generic",
    *,
    code_pages: Mapping[int, str] | None = None,
    columns: int | None = None,
    dots: int | None = None,
    presenter: bool | None = None,
) -> Profile:
    """A model's profile, with what the owner's own printer has otherwise.

    Raises:
        ValueError: there is no such model or code page, or a number that no printer has.
    """
    if name not in PROFILES:
        raise ValueError(f"there is no printer model {name!r}; there are {', '.join(PROFILES)}")
    chosen = PROFILES[name]
    if code_pages is not None:
        for number in code_pages:
            if not 0 <= number <= 255:
                raise ValueError(f"code page numbers are 0 to 255, not {number}")
        chosen = replace(chosen, pages={number: codec_name(page) for number, page in code_pages.items()})
    if columns is not None:
        if not 8 <= columns <= 255:
            raise ValueError(f"a line has 8 to 255 letters, not {columns}")
        chosen = replace(chosen, columns=columns)
    if dots is not None:
        if not 8 <= dots <= 4096:
            raise ValueError(f"a line has 8 to 4096 dots, not {dots}")
        chosen = replace(chosen, dots=dots)
    return chosen if presenter is None else replace(chosen, presenter=presenter)
