"""Is it an ID-003 validator? Its status and its version are asked for; nothing is set and no RESET is sent."""

from hardware.id003.commands import GET_VERSION, STATUS, Command
from hardware.id003.driver import LINE
from hardware.id003.frames import Frame, FrameReader, encode
from hardware.id003.states import STATUSES, name, words
from hardware.probe import Ask, Found, Probe, Probing
from hardware.roles import Identity

_SECONDS = 0.4


def _frames(data: bytes) -> list[Frame]:
    return FrameReader().feed(data)


def _ask(command: Command) -> Ask:
    return Ask(encode(command.frame()), _SECONDS, lambda data: bool(_frames(data)))


def _probing() -> Probing:
    heard = yield _ask(STATUS)
    statuses = [frame for frame in _frames(heard) if frame.code in STATUSES]
    if not statuses:
        return []
    status = statuses[-1]
    # The question has the very bytes of the answer "idling": on a line that echoes, it would answer itself.
    may_be_echo = heard == encode(STATUS.frame())
    heard = yield _ask(GET_VERSION)
    versions = [frame.data for frame in _frames(heard) if frame.code == GET_VERSION.code and frame.data]
    if may_be_echo and not versions:
        return []
    text = versions[-1].decode("ascii", "replace").strip("\x00 \r\n") if versions else ""
    identity = Identity(maker="JCM", model=text.split(" ", 1)[0].split("(", 1)[0], firmware=text)
    return [Found("id003", identity, f"{name(status.code)}: {words(status.code, status.data)}")]


PROBES = (Probe("id003", LINE, _probing),)
