"""Bodies as people may read them at the hub: `wire.bodies`, by the name it goes by here."""

from wire.bodies import masked_json, masked_text

__all__ = ["masked_json", "masked_text"]
