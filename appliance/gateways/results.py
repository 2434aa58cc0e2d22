"""The three ways a call of a gateway can end; the same as of every target."""

from appliance.targets import Answered, NeverGot, NoAnswer, Result

__all__ = ["Answered", "NeverGot", "NoAnswer", "Result"]
