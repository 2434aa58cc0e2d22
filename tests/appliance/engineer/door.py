"""The engineer's part of a running appliance, as a browser has it: a cookie, forms with their token, no script."""

import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import yaml

from appliance.app import Appliance
from appliance.engineer import pin
from appliance.engineer.work import Job
from appliance.logs import Logs
from appliance.settings import load
from tests.appliance.worlds import PATIENCE_S, TOKEN, until

PIN = "907351"


class Door:
    """One browser."""

    def __init__(self, appliance: Appliance, url: str) -> None:
        self.appliance = appliance
        self.url = url
        self.client = httpx.AsyncClient(base_url=url, timeout=PATIENCE_S)
        self.engineer = appliance.engineer

    async def get(self, path: str = "", **more: Any) -> httpx.Response:
        return await self.client.get(f"/engineer{path}", **more)

    async def post(self, path: str = "", page: str | None = None, headers: Any = None, **fields: str) -> httpx.Response:
        """A form of `page` (the same path), with what is hidden in it."""
        if not {"csrf", "once"} <= set(fields):
            text = (await self.get(path if page is None else page)).text
            for name in ("csrf", "once"):
                found = re.search(rf'name="{name}" value="([^"]+)"', text)
                if found and name not in fields:
                    fields[name] = found[1]
        return await self.client.post(f"/engineer{path}", data=fields, headers=headers or {})

    async def sign_in(self, typed: str = PIN) -> httpx.Response:
        return await self.post(pin=typed, csrf=self.engineer.form, once="")

    async def job(self) -> Job:
        """The latest, once it has ended; somebody looks at it meanwhile."""
        job = self.engineer.work.latest
        assert job is not None

        def over() -> bool:
            job.looked()
            return not job.running

        await until(over)
        return job

    @property
    def said(self) -> list[str]:
        """What the latest job said."""
        assert self.engineer.work.latest is not None
        return [step.key for step in self.engineer.work.latest.steps]


@contextlib.asynccontextmanager
async def door(
    directory: Path, devices: dict[str, Any] | None = None, routes: dict[str, Any] | None = None,
    logs: Logs | None = None, has_pin: bool = True, **settings: str,
) -> AsyncIterator[Door]:  # fmt: skip
    """An appliance that runs, with a PIN; nobody is signed in yet. Its hub is not there."""
    routes = routes or {"payment": {"url": "http://127.0.0.1:1/"}}
    (directory / "routing.yaml").write_text(yaml.safe_dump({"routes": routes, "devices": devices or {}}))
    state = directory / "state"
    state.mkdir(exist_ok=True)
    if has_pin:
        pin.save(state, PIN, 1.0)
    environ = {
        "WS_SERVER_URL": "ws://127.0.0.1:9/ws", "WS_TOKEN": TOKEN, "ROUTING_CONFIG": str(directory / "routing.yaml"),
        "STATE_DIR": str(state), "HEALTH_CHECK_PORT": "0", **settings,
    }  # fmt: skip
    appliance = Appliance(load(None, environ), logs)
    there = Door(appliance, await appliance.start())
    try:
        yield there
    finally:
        await there.client.aclose()
        await appliance.stop()
