"""Keeps the devices of the routing file: builds and opens their drivers, writes down what they tell, says how they are.

The desk's rooms enter: they find a device by name, use it, and hear its events after they are on the disk. One device's
trouble touches no other. Nothing here knows what money is taken for, or what a receipt is.
"""

from appliance.supervisor.page import Page
from appliance.supervisor.supervisor import NoSuchDevice, Supervisor, Watched

__all__ = ["NoSuchDevice", "Page", "Supervisor", "Watched"]
