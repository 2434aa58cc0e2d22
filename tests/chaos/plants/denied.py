"""Bug: a hub that takes the silence of the hub with the kiosk for its word that nothing was sent."""

from collections.abc import Callable

from cloud.errors import Refused
from cloud.operations.afar import Afar
from cloud.operations.running import Running

_look_first = Afar.look_first


async def _deny(self: Afar, running: Running, otherwise: Callable[[], None]) -> None:
    if self._is_far(running) and self._is_open(running):
        self._ending.take_back(running, Refused("kiosk-offline", "no word from the hub with the kiosk", retry_after=1))
        return
    await _look_first(self, running, otherwise)


Afar.look_first = _deny  # type: ignore[method-assign]
