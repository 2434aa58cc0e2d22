"""A kiosk that asks again at once where the hub does not want it: a minute's wait is nothing for a test."""

from appliance.uplink import backoff

backoff.REFUSED_S = 1.0
