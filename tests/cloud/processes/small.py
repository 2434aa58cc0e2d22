"""A hub in small, behind a real door and under a real supervisor; begins in a fraction of a hub's time.

`python small.py DIRECTORY PROCESSES DRAIN` supervises; its children answer POST /send with who they are. A file
`status` in the directory has children end at once with the number in it.
"""

import asyncio
import contextlib
import os
import signal
import sys
import uuid
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import msgspec
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from cloud.logs import set_up
from cloud.metrics import Metrics
from cloud.operations.answers import Answer
from cloud.processes.channel import Role
from cloud.processes.child import Supervised, gathered_page
from cloud.processes.gathered import pack
from cloud.processes.listeners import bind
from cloud.processes.place import Place
from cloud.processes.supervisor import Supervisor
from cloud.web.door import Door


class Who:
    """What stands where a hub has its operations."""

    def __init__(self, role: Role) -> None:
        self._body = msgspec.json.encode({"process": role.process, "pid": os.getpid()})
        self._answering = 0
        self.quiet = asyncio.Event()
        self.quiet.set()

    async def answer(self, _headers: Mapping[str, str], _body: bytes) -> Answer:
        """Who answers, after a moment."""
        self._answering += 1
        self.quiet.clear()
        try:
            await asyncio.sleep(0.01)
        finally:
            self._answering -= 1
            if not self._answering:
                self.quiet.set()
        return Answer(status=200, body=self._body, request_id="r")


class Figures(RequestHandler):
    """GET /metrics"""

    def initialize(self, supervised: Supervised) -> None:
        """Called by Tornado."""
        self.supervised = supervised

    async def get(self) -> None:
        """As a hub."""
        self.finish(await gathered_page(self.supervised))


async def child(role: Role) -> None:
    """One process, as `cloud.app` is one."""
    supervised, metrics, who = Supervised(role), Metrics(), Who(role)
    await supervised.start(partial(pack, metrics.registry))
    application = Application([("/metrics", Figures, {"supervised": supervised})])
    door = Door(send=who, general=HTTPServer(application), metrics=metrics)  # type: ignore[arg-type]
    await door.start(supervised.sockets())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, supervised.told_to_end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    supervised.ready(uuid.uuid4().hex, door)
    await supervised.told.wait()
    if supervised.how.handed_over:
        door.hand_over()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.0 if supervised.how.drain is None else supervised.how.drain):
            await supervised.hurry.wait()
    await door.last_call()
    # A caller that is connected may not have come to ask: the more, the busier its machine is.
    await asyncio.sleep(3.0 if supervised.how.handed_over else 0.25)
    door.close_idle()
    await asyncio.sleep(0.1)
    await who.quiet.wait()
    await door.stop()
    await supervised.stop()


def main() -> int:
    """The supervisor, or one of its children."""
    if sys.argv[1] != "--as-process":
        directory, processes, drain = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
        set_up("INFO", "supervisor")
        os.chdir(directory)
        place = Place(directory)
        place.take()
        command = [sys.executable, __file__]
        listeners = bind("127.0.0.1", 0, processes)
        return asyncio.run(Supervisor(command, ["true"], listeners, place, drain).run())
    role = msgspec.json.decode(sys.argv[2], type=Role)
    set_up("INFO", str(role.process))
    with contextlib.suppress(FileNotFoundError):
        return int(Path("status").read_text())
    asyncio.run(child(role))
    return 0


if __name__ == "__main__":
    sys.exit(main())
