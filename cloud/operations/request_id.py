"""Names for operations: UUIDs of version 7 (RFC 9562), so that rows made together lie together in the database."""

import os
import time


def new_request_id() -> str:
    """A name nobody else has: 48 bits of milliseconds, 74 random bits."""
    random = os.urandom(10).hex()
    at = f"{time.time_ns() // 1_000_000:012x}"
    variant = "89ab"[int(random[3], 16) & 3]
    return f"{at[:8]}-{at[8:]}-7{random[:3]}-{variant}{random[4:7]}-{random[7:19]}"
