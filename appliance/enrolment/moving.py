"""Where an identity's hub is, and whose outcomes the journal may hold. Pure.

A hub that moves must not cost a visit at each kiosk: WS_SERVER_URL as it stood when the identity came into force is
kept with it, and where the setting names something else since then, somebody changed it, and it is followed. As long as
it stands as it stood, the identity's own hub counts: an old line in a settings file undoes no enrolment.
"""

import msgspec

from appliance.enrolment.papers import Served, serves
from appliance.identity import Identity


def follow(identity: Identity, setting: str) -> Identity:
    """The identity as it counts while WS_SERVER_URL names this hub (as `read_hub` gives it; empty: none).

    `moved` where the setting was changed: nobody knows yet whether the same hub answers there.
    """
    if identity.setting is None or setting in {"", identity.setting, identity.hub}:
        return identity
    first = identity.enrolled_at or identity.hub
    enrolled_at = "" if first == setting else first
    return msgspec.structs.replace(identity, hub=setting, setting=setting, moved=True, enrolled_at=enrolled_at)


def in_force(identity: Identity, setting: str) -> Identity:
    """What is to be kept of the setting now that the identity comes into force."""
    if identity.setting is None or setting == identity.hub:
        identity = msgspec.structs.replace(identity, setting=setting)
    return msgspec.structs.replace(identity, new=False)


def may_tell(identity: Identity, served: Served | None, setting: str, *, untold: bool) -> bool:
    """Whether what the journal holds may be told as this one's.

    Where nobody noted whom it served (an earlier version did not), a new identity is believed to be the same if
    nothing is left to tell, if its hub is the one in the settings, since those are what the token stood in; or if a
    person said so. The hub takes no kiosk's word on the operations of another one.
    """
    if served is not None:
        return serves(served, identity)
    return not identity.new or identity.moved or identity.hub == setting or not untold
