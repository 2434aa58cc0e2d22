"""Keeps the devices of the routing file: builds and opens their drivers, writes down what they tell, says how they are.

The desk's rooms enter: they find a device by name, use it (`watched` says how), and hear its events after they are on
the disk. One device's trouble touches no other. Nothing here knows what money is taken for, or what a receipt is.

What the hub is told, each with the device's name:

    state-changed     {state, was, code, words}, and `changes` where one stands for many; of being busy nothing
    circuit-opened    {words}: it failed three times in a row, calls end at once until a probe goes well
    circuit-closed    {words}
    service-ordered   {in_service, reason}
    devices-changed   {devices, waiting}: another reading of the routing file; what waits is said in sentences
"""

from appliance.supervisor.page import Page
from appliance.supervisor.standing import standing, trouble
from appliance.supervisor.supervisor import NoSuchDevice, Supervisor
from appliance.supervisor.watched import Unavailable, Watched

__all__ = ["NoSuchDevice", "Page", "Supervisor", "Unavailable", "Watched", "standing", "trouble"]
