"""One operation's life, and the service that carries each out at most once. `uplink`, `web` and `app` enter."""

from appliance.operations.operation import State
from appliance.operations.service import Listener, Operations

__all__ = ["Listener", "Operations", "State"]
