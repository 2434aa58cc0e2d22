"""Which target an operation goes to, and what several rooms do together: a payment and its receipt.

`operations` sees the targets of this package and nothing behind them. Rooms below do not know each other; what one
needs of another is carried here.
"""

from appliance.desk.desk import Desk

__all__ = ["Desk"]
