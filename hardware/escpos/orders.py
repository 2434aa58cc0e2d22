"""What may be asked of the conversation, and the settings it is held with."""

from dataclasses import dataclass

from hardware.escpos.profiles import PROFILES, Profile
from hardware.escpos.render import BLOCK_BYTES
from hardware.slip import Slip


@dataclass(frozen=True, slots=True)
class Settings:
    """How one printer is spoken to.

    `status` is what it answers: "full", "realtime" (DLE EOT only: no slip can be confirmed) or "none" (nothing at all:
    neither confirmed nor refused). `byte_s` is the time of one byte on the line, 0 where it is not known.
    """

    profile: Profile = PROFILES["generic"]
    status: str = "full"
    automatic: bool = False
    missing: str = "transliterate"
    copy_words: str = "КОПИЯ"
    poll_s: float = 1.0
    answer_s: float = 1.0
    confirm_s: float = 15.0
    restart_s: float = 3.0
    start_s: float = 15.0
    block_bytes: int = BLOCK_BYTES
    byte_s: float = 0.0

    @property
    def full(self) -> bool:
        """It answers GS r: a slip can be confirmed."""
        return self.status == "full"

    @property
    def mute(self) -> bool:
        """It answers nothing."""
        return self.status == "none"


@dataclass(frozen=True, slots=True)
class Print:
    """Finished with None once `SlipPrinted` is recorded."""

    slip: Slip
    reference: str
    copy: bool = False


@dataclass(frozen=True, slots=True)
class ReadStatus:
    """Finished with a `PrinterStatus` as it is now."""


@dataclass(frozen=True, slots=True)
class AwaitReady:
    """Finished with None as soon as a slip may be printed, at once if so."""
