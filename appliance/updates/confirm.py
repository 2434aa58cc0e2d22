"""Is the appliance as well as before? Asked from outside, through its health page: `kioskwire-appliance confirm`.

For those who replaced more than the program, such as the whole system: what runs is another, and has no trial of its
own. The measure is the baseline that the version before has left.
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from appliance.updates.trial import LOOK_EVERY_S, LOOKS, Baseline, Seen, lacking

_ANSWER_S = 5.0
_MAX_BYTES = 4 * 1024 * 1024


def confirm(
    url: str, baseline: Callable[[], Baseline | None], within_s: float, say: Callable[[str], None],
    every_s: float = LOOK_EVERY_S,
) -> int:  # fmt: skip
    """Look until it was well `LOOKS` times in a row. Returns the exit status, after saying the reasons."""
    deadline = time.monotonic() + within_s
    good = 0
    while True:
        words = look(url, baseline())
        good = 0 if words else good + 1
        if good >= LOOKS:
            say("the appliance is as well as before")
            return 0
        if time.monotonic() + every_s > deadline:
            for each in words or [f"it was well only the last {good} times"]:
                say(each)
            return 1
        time.sleep(every_s)


def look(url: str, baseline: Baseline | None) -> list[str]:
    """What is not as it was, in words."""
    try:
        page = _read(url)
        seen = Seen(
            connected=page["ws_connected"],
            devices={name: each["state"] not in _DOWN for name, each in page["devices"].items()},
            trouble=page["journal"]["trouble"] or "",
        )
        on_trial = page["updates"]["on_trial"]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return [f"the appliance does not answer at {url}: {getattr(error, 'reason', None) or error}"]
    words = lacking(baseline, seen)
    return words or (["the version that runs has yet to prove itself"] if on_trial else [])


_DOWN = frozenset({"absent", "fault", "starting"})


def _read(url: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_ANSWER_S) as answer:
            return json.loads(answer.read(_MAX_BYTES))
    except urllib.error.HTTPError as error:  # unhealthy says why in the same words
        return json.loads(error.read(_MAX_BYTES))
