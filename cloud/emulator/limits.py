"""How much a bot may say: Telegram's limits as it documents them. Pure; `now` in monotonic seconds.

Documented: about one message a second in a chat, short bursts go through; 20 a minute in a group; 30 a second in all.
Edits count as messages do.
"""

import math
from collections import deque

ALL_A_SECOND = 30
CHAT_A_SECOND, CHAT_BURST = 1.0, 5
GROUP_A_MINUTE = 20


class Limits:
    """What was said lately."""

    def __init__(self) -> None:
        self._all: deque[float] = deque()
        self._groups: dict[int, deque[float]] = {}
        self._chats: dict[int, tuple[float, float]] = {}  # what is left of the burst, and when
        self._banned: dict[int, float] = {}

    def count(self, chat_id: int, now: float) -> int:
        """Count a message or an edit. Returns seconds to wait if it is refused, 0 if not."""
        if self._banned.get(chat_id, 0.0) > now:
            return math.ceil(self._banned[chat_id] - now)
        wait = self._wait(chat_id, now)
        if wait > 0:
            self._banned[chat_id] = now + wait
            return math.ceil(wait)
        self._all.append(now)
        if chat_id < 0:
            self._groups.setdefault(chat_id, deque()).append(now)
        left, at = self._chats.get(chat_id, (float(CHAT_BURST), now))
        self._chats[chat_id] = min(CHAT_BURST, left + (now - at) * CHAT_A_SECOND) - 1, now
        return 0

    def _wait(self, chat_id: int, now: float) -> float:
        _forget(self._all, now - 1.0)
        if len(self._all) >= ALL_A_SECOND:
            return self._all[0] + 1.0 - now
        group = self._groups.get(chat_id)
        if group:
            _forget(group, now - 60.0)
            if len(group) >= GROUP_A_MINUTE:
                return group[0] + 60.0 - now
        left, at = self._chats.get(chat_id, (float(CHAT_BURST), now))
        left = min(CHAT_BURST, left + (now - at) * CHAT_A_SECOND)
        return 0.0 if left >= 1 else (1 - left) / CHAT_A_SECOND


def _forget(moments: deque[float], until: float) -> None:
    while moments and moments[0] <= until:
        moments.popleft()
