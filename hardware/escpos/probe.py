"""Is it an ESC/POS printer? DLE EOT is answered at once, prints nothing, and means nothing to other families.

The four answers must have the fixed bits of a status; a line that echoes, or a device that answers anything else, is
none. GS I is asked only of what has proved to be one.
"""

from hardware.escpos import commands as c
from hardware.escpos.declaration import encode
from hardware.escpos.frames import is_status
from hardware.escpos.states import REAL_TIME, Health
from hardware.ports import LineSettings
from hardware.probe import Ask, Found, Probe, Probing
from hardware.roles import Identity

RATES = (9600, 19200, 38400, 115200)


def ask() -> Probing:
    """Four statuses, then who it is, where it says so."""
    health = Health()
    for asked in REAL_TIME:
        answer = yield Ask(encode(c.DLE_EOT, n=asked), 0.3, lambda data: len(data) >= 1)
        if len(answer) != 1 or not is_status(answer[0]):
            return []
        health = health.after_real_time(asked, answer[0])
    if health.trouble is not None:
        return [Found("escpos", Identity(), health.trouble.words)]  # off line it would keep the next question
    names: list[str] = []
    for number in (66, 67):
        answer = yield Ask(encode(c.READ_ID, n=number), 0.5, lambda data: data.endswith(b"\0"))
        well = answer[:1] == b"_" and answer.endswith(b"\0")
        names.append(answer[1:-1].decode("ascii", "replace") if well else "")
    return [Found("escpos", Identity(maker=names[0], model=names[1]), "on line" + _paper(health))]


def _paper(health: Health) -> str:
    return ", the roll is near its end" if health.paper_low else ""


PROBES: tuple[Probe, ...] = tuple(Probe("escpos", LineSettings(baud=baud), ask) for baud in RATES)
