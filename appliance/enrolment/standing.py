"""How far a kiosk is with its enrolment, for its page and for health. Pure."""

from typing import Any, Literal

import msgspec

from appliance.enrolment.papers import Source
from appliance.enrolment.trade import Trouble
from appliance.reading import shown_url

State = Literal["token", "enrolled", "locked-out", "not-enrolled", "asking", "refused", "waiting"]
_HOW = "at its page /setup, or by: kioskwire-appliance enroll"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One moment. No secret is in it.

    `token`: WS_TOKEN says who it is. `locked-out`: enrolled, and the hub takes its token no more. `waiting`: the next
    identity is there, and not in force before all is told that was done under the one before.
    """

    state: State
    kiosk_id: str = ""
    name: str = ""
    hub: str = ""
    source: Source | None = None  # of the code that is or was tried
    trouble: Trouble | None = None
    words: str = ""  # about the trouble, for people
    next_kiosk_id: str = ""  # while it waits
    next_hub: str = ""
    before: str = ""  # whose outcomes are to be told first, if that is nobody in force
    notices: tuple[str, ...] = ()

    @property
    def takes_codes(self) -> bool:
        """Whether a code may be given to it, other than by a person who insists."""
        return self.state in {"not-enrolled", "asking", "refused", "locked-out"}

    @property
    def reasons(self) -> list[str]:
        """Why it is not as it should be; empty when it is."""
        return [*filter(None, [self._reason()]), *self.notices]

    def told(self) -> dict[str, Any]:
        """For the health page."""
        return {
            "state": self.state,
            "kiosk": self.kiosk_id or None,
            "name": self.name or None,
            "hub": shown_url(self.hub) or None,
            "trouble": self.words or None,
        }

    def _reason(self) -> str:
        match self.state:
            case "not-enrolled":
                return f"this kiosk is not enrolled: {self.words + ': ' if self.words else ''}enrol it {_HOW}"
            case "asking":
                return f"being enrolled at {self.hub}: {self.words or 'the hub is being asked'}"
            case "refused":
                return f"this kiosk is not enrolled: {self.words}; have a new code made and enrol it {_HOW}"
            case "locked-out":
                trouble = f" ({self.words})" if self.words else ""
                return f"the hub no longer accepts this kiosk's token: enrol again{trouble}, {_HOW}"
            case "waiting":
                return (
                    f"this kiosk is to be {self.next_kiosk_id} of {self.next_hub}, and first has to tell what it did "
                    f"as {self.before}"
                )
        return ""
