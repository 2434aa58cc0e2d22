"""A kiosk with its devices, its gateway and its hub, each a real process, for tests of the kiosk's own page.

    with World(directory) as world:
        world.rack.bills.do("jam")
        page.goto(world.url)

Kiosks in here come back to their hub within a second or two (`tests.chaos.plants`), all the rest is as it is in a shop.
"""

import struct
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.program import stop_all
from bench.rack import Rack
from bench.stack import Appliance, Gateway, Hub, gateway_routes
from tests.chaos import plants
from tests.chaos.clocks import Clock

PIN = "907351"
HOPPER = 5000  # one coin, in minor units


class World:
    """All of it. `kiosk` is its id; without `enrolled` it has no token, and gets one at /setup."""

    def __init__(
        self, directory: Path, *, kiosk: str = "kiosk_001", enrolled: bool = True,
        more: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """`more` are further routes, `settings` the kiosk's."""
        self.directory = directory
        self.kiosk = kiosk
        directory.mkdir(parents=True, exist_ok=True)
        self.clock = Clock(directory / "hub-clock")
        self.hub = Hub(directory / "hub", settings=self.clock.environment())
        self.gateway = Gateway(directory / "gateway")
        self.rack = Rack(directory / "devices")
        self.key = ""
        self._enrolled = enrolled
        self._more = more or {}
        self._settings = {**plants.environment("impatient", "welcome"), **(settings or {})}
        self._appliance: Appliance | None = None

    @property
    def appliance(self) -> Appliance:
        """The kiosk's program."""
        assert self._appliance is not None, "it was not started"
        return self._appliance

    @property
    def url(self) -> str:
        """Of the kiosk's page."""
        return self.appliance.url

    def set_hub_clock(self, by_s: float) -> None:
        """Have the hub's clock be wrong by so many seconds."""
        with (self.directory / "hub-clock").open("r+b") as file:
            file.write(struct.pack("d", by_s))

    def routing(self) -> dict[str, Any]:
        """The kiosk's routing file."""
        routing = self.rack.routing(HOPPER)
        routing["routes"] |= {**gateway_routes(self.gateway.url)["routes"], **self._more}
        return routing

    def start(self) -> Self:
        """Start all, and wait until the kiosk is there with its devices. Raises `StackError`."""
        try:
            self.gateway.start(wait=False)
            self.rack.start(wait=False)
            self.hub.start()
            self.rack.wait_ready()
            self.gateway.wait_ready()
            self.key = self.hub.add_api_key("shop")["key"]
            token = self.hub.add_kiosk(self.kiosk, "Hall")
            self._appliance = Appliance(
                self.directory / "appliance", self.hub.ws_url if self._enrolled else "",
                token if self._enrolled else "", self.routing(),
                settings=self._settings,
            )  # fmt: skip
            self.appliance.start(wait=self._enrolled)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End all."""
        programs = [each for each in (self._appliance, self.hub, self.gateway, *self.rack.devices) if each is not None]
        stop_all(programs)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
