"""What the settings say of an enrolment."""

from pathlib import Path

import msgspec

from appliance.box import Marks
from appliance.enrolment.papers import Served
from appliance.enrolment.trade import Way
from appliance.hub import read_hub
from appliance.identity import named_by
from appliance.settings import Settings


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `hub` is as people type it."""

    directory: Path  # STATE_DIR
    way: Way = Way()
    marks: Marks = {}  # of this machine
    hub: str = ""
    code: str = ""
    has_token: bool = False  # WS_TOKEN says who the kiosk is; nothing is to be done here
    served: Served | None = None  # whom that token names

    @property
    def setting(self) -> str:
        """The hub in WS_SERVER_URL; empty if it names none."""
        return named_hub(self.hub)


def read_given(settings: Settings, marks: Marks) -> Given:
    """Out of settings that were found to be right."""
    token = settings.ws_token.reveal()
    return Given(
        directory=Path(settings.state_dir), way=Way(settings.proxy_url.reveal(), settings.ca_file), marks=marks,
        hub=settings.ws_server_url, code=settings.enroll_code.reveal(), has_token=bool(token),
        served=_served(token, settings.ws_server_url),
    )  # fmt: skip


def named_hub(url: str) -> str:
    """A hub's address out of what a setting says; empty if it says nothing that can be used."""
    try:
        return read_hub(url)
    except ValueError:
        return ""


def _served(token: str, url: str) -> Served | None:
    kiosk_id = named_by(token)
    hub = named_hub(url)
    return Served(kiosk_id, hub) if kiosk_id and hub else None
