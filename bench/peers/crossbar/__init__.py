"""Crossbar as a hub: its HTTP bridge takes the call, a WAMP component on a WebSocket answers it."""
