"""A kiosk that returns soon: under constant faults most of a run would otherwise pass in waiting for kiosks."""

from appliance.uplink import backoff

backoff.FIRST_S = 0.3
backoff.MOST_S = 1.5
backoff.RESTART_MOST_S = 1.0
