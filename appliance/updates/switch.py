"""The files that are written when one version steps aside for another, proves itself, or fails; in an order that bears
a power cut between any two. Blocking.

Stepping aside: the count of starts first, then the wish; the other way round a version could run that nobody counts.
Proving: the good one first, then the end of its trial; between the two it is on trial no more. Failing: that it is bad
first; from then on the launcher passes it over, whatever else is written. Putting off: what is known of it first, lest
it be tried again at once; as long as it is still wished for it is on trial, and counted.
"""

from appliance.updates.files import BAD, BASELINE, CURRENT, FLOOR, GOOD, NOW, TRIAL, UpdateFiles
from appliance.updates.putoff import PutOff
from appliance.updates.trial import Baseline
from wire.crashpoint import crash_point

# The oldest version of this program that can go on with what this one writes; empty: any. See appliance.journal.schema.
OLDEST_TO_GO_BACK_TO = ""

__all__ = ["BAD", "give_up", "prove", "put_off", "step_aside"]


def step_aside(files: UpdateFiles, version: str, baseline: Baseline) -> None:
    """The next start is that version's, on trial, which is to be as well as it is now. Raises OSError."""
    crash_point("appliance.updates.baseline.before")
    files.save(BASELINE, baseline)
    crash_point("appliance.updates.baseline.after")
    crash_point("appliance.updates.trial.before")
    files.write(TRIAL, f"{version} 0")
    crash_point("appliance.updates.trial.after")
    crash_point("appliance.updates.current.before")
    files.write(CURRENT, version)
    crash_point("appliance.updates.current.after")
    files.remove(NOW)


def prove(files: UpdateFiles, version: str) -> None:
    """It has proved itself. Raises OSError."""
    crash_point("appliance.updates.good.before")
    files.write(GOOD, version)
    crash_point("appliance.updates.good.after")
    if OLDEST_TO_GO_BACK_TO:
        files.write(FLOOR, OLDEST_TO_GO_BACK_TO)
    crash_point("appliance.updates.proved.before")
    files.remove(TRIAL)
    crash_point("appliance.updates.proved.after")


def give_up(files: UpdateFiles, version: str, reason: str) -> None:
    """It has not, and is never tried again. Raises OSError."""
    crash_point("appliance.updates.bad.before")
    files.add_bad(version, reason)
    crash_point("appliance.updates.bad.after")
    crash_point("appliance.updates.back.before")
    files.remove(TRIAL)
    crash_point("appliance.updates.back.after")


def put_off(files: UpdateFiles, version: str, how: PutOff) -> None:
    """It has not, for no reason of its own perhaps: the last good one is to run, and to find out. Raises OSError."""
    files.save_put_off(version, how)
    files.wish_for_good()
    files.remove(TRIAL)
