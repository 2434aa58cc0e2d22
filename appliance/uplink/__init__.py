"""The socket to the hub: connect, pump `wire.session`, back off. Only `app` enters."""

from appliance.uplink.uplink import Uplink

__all__ = ["Uplink"]
