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
    before: str = ""  # whose outcomes are to be told first; empty: nobody knows
    enrolled_at: str = ""  # the hub's address then, where WS_SERVER_URL was changed since
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
            "enrolled_at": shown_url(self.enrolled_at) or None,
        }

    @property
    def is_stuck(self) -> bool:
        """Whether it waits for what nobody here can do: who would have to tell is not here any more."""
        return self.state == "waiting" and not self.kiosk_id

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
                if self.enrolled_at:
                    return (
                        f"{self.hub} does not accept this kiosk's token{trouble}: WS_SERVER_URL names it, and the "
                        f"kiosk was enrolled at {self.enrolled_at}; set it right, or enrol again, {_HOW}"
                    )
                return f"the hub no longer accepts this kiosk's token: enrol again{trouble}, {_HOW}"
            case "waiting":
                told = f"this kiosk is to be {self.next_kiosk_id} of {self.next_hub}, and first has to tell what it did"
                before = f" as {self.before}" if self.before else " before, and it is not known for which kiosk and hub"
                if not self.is_stuck:
                    return f"{told}{before}"
                return (
                    f"{told}{before}: put its WS_TOKEN and WS_SERVER_URL back until nothing is unsettled; or, if "
                    f"{self.next_hub} is the hub it was told to before, enrol it there with a code for the same kiosk "
                    "(kioskwire-appliance enroll --force)"
                )
        return ""
