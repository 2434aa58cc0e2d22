"""Several hubs on one port, `kioskwire-hub serve --processes N`, with a PostgreSQL and a Redis of their own."""

import contextlib
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench.program import READY_S, StackError
from bench.stack import Hub

MOST = 8
_TRIES = 400  # connections; each meets any of the processes
_FOUND_WITHIN = 20.0


@contextmanager
def servers() -> Iterator[dict[str, str]]:
    """A PostgreSQL and a Redis that are gone afterwards; the hubs' settings that name them. Raises `StackError`."""
    from bench import postgresql, redis_server  # noqa: PLC0415 - one hub alone needs neither

    with ExitStack() as stack:
        try:
            database = stack.enter_context(postgresql.running_server(dies_with_us=True))
            redis = stack.enter_context(redis_server.running_redis(dies_with_us=True))
        except (postgresql.MissingError, redis_server.MissingError) as missing:
            raise StackError(f"several hubs meet in PostgreSQL and Redis. {missing}; or run it without HUBS") from None
        database.execute("CREATE DATABASE kioskwire")
        # They end together: nobody waits until kiosks have gone from one to the other.
        yield {"DATABASE_URL": database.url("kioskwire"), "REDIS_URL": redis.url, "DRAIN_FOR": "1"}


class Hubs(Hub):
    """`count` processes under one supervisor; whoever connects meets any of them."""

    def __init__(self, directory: Path, count: int, **options: Any) -> None:
        super().__init__(directory, **options)
        self.count = count

    def arguments(self) -> list[str]:
        return [*super().arguments(), "--processes", str(self.count)]

    def wait_ready(self, timeout: float = 0.0) -> None:
        # They begin one after another.
        super().wait_ready(timeout or READY_S * self.count)

    def is_ready(self) -> bool:
        answer = self.http.get("/health")
        return answer.status_code == 200 and len(answer.json().get("hubs", ())) == self.count

    def health(self) -> dict[str, Any]:
        """Of the process that this connection meets. Raises `httpx.TransportError`."""
        found: dict[str, Any] = self.http.get("/health").json()
        return found

    @contextmanager
    def away_from_the_kiosk(self) -> Iterator[tuple[httpx.Client, str, str]]:
        """A connection to a process without the one kiosk there is; the names of that process and of the kiosk's.

        Raises `StackError`.
        """
        end = time.monotonic() + _FOUND_WITHIN
        for _ in range(_TRIES):
            with httpx.Client(base_url=self.url, timeout=60.0, trust_env=False, verify=False) as client:
                names = self._apart(client)
                if names is not None:
                    yield client, *names
                    if here(client.get("/health").json())["name"] != names[0]:
                        raise StackError(f"the connection to {names[0]} was lost, so another process was asked")
                    return
            if time.monotonic() > end:
                break
            time.sleep(0.05)
        raise StackError(f"no connection met a process without the kiosk within {_FOUND_WITHIN:g} s\n{self.tail()}")

    def _apart(self, client: httpx.Client) -> tuple[str, str] | None:
        with contextlib.suppress(httpx.TransportError):
            report = client.get("/health").json()
            holders = [each["name"] for each in report["hubs"] if each["kiosks"]]
            if len(holders) == 1 and holders[0] != here(report)["name"]:
                return here(report)["name"], holders[0]
        return None


def here(report: dict[str, Any]) -> dict[str, Any]:
    """The process that gave this report."""
    found: dict[str, Any] = next(each for each in report["hubs"] if each["is_this"])
    return found
