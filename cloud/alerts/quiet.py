"""Hours in which only what is critical is told. Pure."""

from datetime import datetime, time, tzinfo

import msgspec


class Quiet(msgspec.Struct, frozen=True):
    """From one time of day to another, over midnight where `until` is earlier, by the clocks of a time zone."""

    since: time
    until: time
    zone: tzinfo

    def holds(self, now: float) -> bool:
        """Whether it is quiet at `now`, Unix seconds. An hour that summer time takes or gives is as the clocks say."""
        try:
            local = datetime.fromtimestamp(now, self.zone).time()
        except (OverflowError, ValueError, OSError):  # no clock says so
            return False
        if self.since <= self.until:
            return self.since <= local < self.until
        return local >= self.since or local < self.until
