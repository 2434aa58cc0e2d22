"""Hostile input on every door of both programs, while one payment after another goes through beside it.

What must hold: the programs go on, say nothing of a defect in their logs and take no more memory; nobody pays without
asking properly, and who is told that nothing happened was told the truth; every refusal says what is wrong; and whoever
has nothing to do with it notices nothing.
"""

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from appliance.settings import load as load_appliance
from appliance.uplink.dial import Address, DialError, dial
from bench.program import Program, free_port
from bench.stack import Appliance, Gateway, Hub, gateway_routes, send_headers
from cloud.settings import load as load_hub
from tests.chaos.doors import transcripts
from tests.chaos.doors.liars import Liar, bad_upgrades, talking_hub
from tests.chaos.doors.mutate import mutate_bytes, mutate_message
from tests.chaos.doors.raw import answers, exchange, frame, upgrade
from tests.chaos.doors.requests import SMUGGLED, Hostile, Keys, Requests
from tests.chaos.doors.watch import Bystander, Watch
from tests.chaos.results import Result, timed
from wire.environment import SettingsError
from wire.messages import Malformed, Request, decode_from_hub

# Inputs at scale 1, by door.
INPUTS = {
    "hub_http": 1500, "hub_huge": 4, "hub_messages": 3000, "hub_frames": 300, "appliance_page": 300,
    "appliance_messages": 2000, "appliance_upgrades": 200, "gateway_answers": 200, "callback_answers": 60,
    "settings": 800,
}  # fmt: skip
_AT_ONCE = 24
_HUGE = 100 * 1024 * 1024
_GROWS_MIB = 96.0
_PROBLEM = "application/problem+json"

Work = Callable[[], Awaitable[None]]


def run(directory: Path, seed: int, scale: float) -> Result:
    """See the module."""
    result = Result(scenario="fuzz", seed=seed)
    rng = random.Random(f"{seed} fuzz")
    with timed(result), contextlib.ExitStack() as stack:
        world = World(directory, rng, result, scale)
        stack.callback(world.stop)
        world.start()
        asyncio.run(world.attack())
        world.judge()
        _settings(directory, rng, result, world.share("settings"))
    return result


class World:
    """A hub, a gateway and kiosks: one that pays in peace, one that is tried through the hub, one whose hub lies."""

    def __init__(self, directory: Path, rng: random.Random, result: Result, scale: float) -> None:
        self._base = rng.random()
        self._result = result
        self._scale = scale
        limits = {"RATE_LIMIT_PER_KEY": "0", "RATE_LIMIT_PER_KIOSK": "0", "ACCEPT_RATE": "0"}
        self.gateway = Gateway(directory / "gateway")
        self.hub = Hub(directory / "hub", settings=limits)
        self._programs: list[Program] = [self.hub, self.gateway]
        self._directory = directory
        self._lying_gateway = Liar(self._dice("gateway_answers"), hang_s=2.0)
        self._lying_gateway.port = free_port()
        self._lying_hub_port = free_port()
        self._paid: list[str] = []  # orders whose callers were told a transaction
        self._open = 0  # payments of whose end nobody was told
        self._meant: Counter[str] = Counter()  # orders the lying hub asked for properly, and by how many requests

    def _dice(self, door: str) -> random.Random:
        """Each door's own, so that none depends on how far another has come."""
        return random.Random(f"{self._base} {door}")

    def start(self) -> None:
        """Start everything."""
        self.gateway.start(wait=False)
        self.hub.start()
        self.gateway.wait_ready()
        made = self.hub.add_api_key("fuzz")
        self.key = made["key"]
        routes = gateway_routes(self.gateway.url, timeout=10.0)
        routes["routes"]["payment"]["concurrency"] = 16
        lying = {"url": f"http://127.0.0.1:{self._lying_gateway.port}/x", "timeout": 3, "concurrency": 16}
        routes["routes"]["nonsense"] = lying
        self.peaceful = self._appliance("kiosk_000", self.hub.ws_url, routes)
        self.kiosk = self._appliance("kiosk_001", self.hub.ws_url, routes)
        self.tormented = self._appliance("kiosk_002", f"ws://127.0.0.1:{self._lying_hub_port}/ws", routes)
        self.mad = {name: self.hub.add_kiosk(name) for name in ("mad-1", "mad-2", "mad-3", "mad-v1")}
        self.hub.add_kiosk("victim")
        self.peaceful.start(wait=False)
        self.kiosk.start()
        self.peaceful.wait_ready()
        keys = Keys(self.key, self.hub.admin_key, self.kiosk.token, "kiosk_001", "victim")
        self.requests = Requests(self._dice("hub_http"), keys)

    def _appliance(self, kiosk: str, url: str, routes: dict[str, Any]) -> Appliance:
        made = Appliance(self._directory / kiosk, url, self.hub.add_kiosk(kiosk), routes)
        self._programs.append(made)
        return made

    def stop(self) -> None:
        """End everything."""
        for program in self._programs:
            program.kill()
            program.__exit__(None, None, None)

    def share(self, door: str) -> int:
        """How many inputs a door gets."""
        count = max(3, round(INPUTS[door] * self._scale)) if INPUTS[door] > 10 else round(INPUTS[door] * self._scale)
        self._result.figures[f"inputs_{door}"] = count
        return count

    async def attack(self) -> None:
        """Every door in turn; whoever is not attacked pays."""
        async with self._lying_gateway, talking_hub(self._lying_hub_port, self._torment):
            self.tormented.start(wait=False)
            self._watches = [Watch(self.hub), Watch(self.kiosk, "appliance")]
            bystander = Bystander(self.hub.url, self.key, "kiosk_000", self.gateway)
            living = asyncio.create_task(bystander.live())
            try:
                for door in (
                    self._hub_http, self._hub_messages, self._hub_frames, self._appliance_page, self._gateway_answers,
                    self._callback_answers, self._appliance_upgrades, self._appliance_messages,
                ):  # fmt: skip
                    await door()
                    bystander.note(self._result, door.__name__.strip("_"))
                await asyncio.sleep(0)
            finally:
                living.cancel()
                await asyncio.gather(living, return_exceptions=True)
            if living.done() and not living.cancelled() and living.exception():
                self._result.breaches.append(f"a payment that had nothing to do with it broke: {living.exception()!r}")
            bystander.judge(self._result, 5.0 if self._scale >= 1 else 50.0)

    def judge(self) -> None:
        """Programs, ledger, and one more payment."""
        for watch in self._watches:
            watch.judge(self._result, _GROWS_MIB)
        lines = self.gateway.lines()
        orders = Counter(line["order_id"] for line in lines if line["effect"] == "payment")
        if stolen := [order for order in orders if SMUGGLED in order or "unpaid" in order]:
            self._breach(f"paid without a right to: {stolen[:5]}")
        told = Counter(self._paid)  # spoiled orders may have become the same one

        def asked(order: str) -> int:
            good = order.startswith(("bystander-", "callback-"))
            return 1 if good else max(1, told[order] + self._meant[order] + self._open)

        if twice := [order for order, times in orders.items() if times > asked(order)]:
            self._breach(f"paid more often than asked: {twice[:5]}")
        if forgotten := [order for order, times in told.items() if orders[order] < times]:
            self._breach(f"told as paid, and not in the ledger: {forgotten[:5]}")
        ours = {order: times for order, times in orders.items() if not order.startswith(("bystander-", "hub-"))}
        unasked = sum(ours.values()) - len(self._paid) - self._open
        if unasked > 0 and not self._meant.keys() & ours.keys():
            self._breach(f"{unasked} payments that nobody was told of and nobody left open")
        answer = self.hub.send("kiosk_001", "payment", {"order_id": "after-all", "sum": 1}, key=self.key)
        if answer.status_code != 200:
            self._breach(f"after all of it a payment gets {answer.status_code} {answer.text[:300]}")

    def _breach(self, words: str) -> None:
        self._result.breaches.append(words)

    # The hub's HTTP.

    async def _hub_http(self) -> None:
        hostile = [self.requests.next() for _ in range(self.share("hub_http"))]
        hostile += [self.requests.huge(_HUGE) for _ in range(self.share("hub_huge"))]
        await _at_once(partial(self._bring, each) for each in hostile)

    async def _bring(self, hostile: Hostile) -> None:
        self._result.faults[f"http: {hostile.kind}"] += 1
        self._result.operations += hostile.sends
        found = answers(await exchange(self.hub.port, *hostile.parts))
        self._paid += [order for each in found if each.status == 200 and (order := _paid(each.body))]
        self._open += max(0, hostile.sends - len(found)) + sum(b'"outcome":"unknown"' in each.body for each in found)
        for each in found:
            head = hostile.parts[0][:160]
            if each.status == 500 or (each.status >= 400 and not _explains(each.headers, each.body, hostile)):
                self._breach(f"{head!r} gets {each.status} {each.headers} {each.body[:300]!r}")
            if hostile.refused and each.status not in {hostile.refused, 400, 429}:
                self._breach(f"{head!r} should be refused and gets {each.status} {each.body[:200]!r}")
            if hostile.kind == "wrong key" and each.status < 400:
                self._breach(f"{head!r} without a right gets {each.status} {each.body[:200]!r}")
        denied = hostile.sends == 1 and len(found) == 1 and b'"outcome":"not_executed"' in found[0].body
        if denied and hostile.order not in self._paid and self.gateway.effects(hostile.order):
            self._breach(f"{hostile.order} was told not_executed and paid: {found[0].body[:300]!r}")

    # The hub's WebSocket.

    async def _hub_messages(self) -> None:
        count = self.share("hub_messages")
        names, dice = list(self.mad), self._dice("hub_messages")
        each = -(-count // len(names))
        await asyncio.gather(*(self._go_mad(name, random.Random(dice.random()), each) for name in names))

    async def _go_mad(self, name: str, rng: random.Random, count: int) -> None:
        """A kiosk with a good token that says mostly nonsense, in text and in bytes, and comes again when cut off."""
        v1 = name.endswith("v1")
        protocols: Any = None if v1 else ["kiosk.v2"]
        headers = {"Authorization": f"Bearer {self.mad[name]}"}
        said = 0
        while said < count:
            try:
                async with connect(
                    self.hub.ws_url, additional_headers=headers, subprotocols=protocols, proxy=None, ping_interval=None,
                    compression=None, max_size=None, close_timeout=1,
                ) as socket:  # fmt: skip
                    if not v1 and rng.random() < 0.9:
                        await socket.send(json.dumps(transcripts.hello(name)))
                    while said < count:
                        said += 1
                        await self._say_nonsense(socket, rng, v1)
                        if said % 50 == 0:
                            async with asyncio.timeout(20):
                                await (await socket.ping())  # it still hears us
            except (ConnectionClosed, InvalidHandshake, OSError):
                continue
            except TimeoutError:
                self._breach(f"the hub does not answer {name} any more")
                return

    async def _say_nonsense(self, socket: ClientConnection, rng: random.Random, v1: bool) -> None:
        good = transcripts.from_v1(rng) if v1 else transcripts.from_kiosk(rng)
        data = json.dumps(good).encode() if rng.random() < 0.2 else mutate_message(rng, good)
        for _ in range(rng.choice((1, 1, 1, 3))):
            await socket.send(data, text=_is_text(data))
        self._result.faults["v1 message" if v1 else "v2 message"] += 1

    async def _hub_frames(self) -> None:
        dice, count = self._dice("hub_frames"), self.share("hub_frames")
        await _at_once(partial(self._frames, random.Random(dice.random())) for _ in range(count))

    async def _frames(self, rng: random.Random) -> None:
        """A kiosk's connection whose frames are none, or go wrong in the middle; or whose upgrade is none."""
        self._result.faults["WebSocket frames"] += 1
        opening = upgrade(rng.choice(list(self.mad.values())), v2=rng.random() < 0.8, more=rng.choice([
            (), (), (), ("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",),
            ("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99; x=\"",),
            ("Sec-WebSocket-Version: 8",),
            ("Origin: http://evil.example",), ("Sec-WebSocket-Protocol: kiosk.v2, kiosk.v3, x",),
            ("Content-Length: 5",),
        ]))  # fmt: skip
        hello = frame(json.dumps(transcripts.hello()).encode())
        text = json.dumps(transcripts.from_kiosk(rng)).encode()
        half = len(text) // 2
        bad = rng.choice([
            frame(text, reserved=rng.randrange(1, 8)), frame(text, opcode=rng.choice((3, 4, 5, 6, 7, 11, 12, 15))),
            frame(text, masked=False), frame(b"\xff\xfe"), frame(b"x" * 126, opcode=9),
            frame(b"x", opcode=9, fin=False),
            frame(b"", opcode=0), frame(text[:half], fin=False) + frame(text),
            frame(text[:half], fin=False) + frame(text[half:], opcode=0),
            frame(text[:half], fin=False) + frame(b"ping", opcode=9) + frame(text[half:], opcode=0),
            frame(b"", length=2**63 - 1),
            frame(b"", length=2**64 - 1), frame(b"", length=1024 * 1024 + 1), frame(text, length=len(text) + 9),
            frame(b"", fin=False) + frame(b"", opcode=0, fin=False) * 3000,
            frame(b"x" * 1000, fin=False) + frame(b"x" * 1000, opcode=0,
            fin=False) * 1200, frame(b"", opcode=9) * 4000, frame(b"y" * 125, opcode=10) * 2000, frame(b"", opcode=8),
            frame(b"\x03", opcode=8), frame(b"\x00\x00", opcode=8), frame(b"\xff\xff" + b"z" * 123, opcode=8),
            frame(b"\x03\xe8\xff\xff", opcode=8), frame(b"\x03\xe8", opcode=8) + frame(text) * 5, rng.randbytes(300),
            b"GET /health HTTP/1.1\r\nHost: hub\r\n\r\n", frame(text)[: rng.randrange(1, 12)],
        ])  # fmt: skip
        if rng.random() < 0.15:
            opening = mutate_bytes(rng, opening)
        await exchange(self.hub.port, opening + hello, bad, silence=0.1)

    # The appliance's page.

    async def _appliance_page(self) -> None:
        dice, count = self._dice("appliance_page"), self.share("appliance_page")
        await _at_once(partial(self._page, random.Random(dice.random())) for _ in range(count))

    async def _page(self, rng: random.Random) -> None:
        self._result.faults["page"] += 1
        method, target = (
            rng.choice(("GET", "GET", "HEAD", "POST", "PUT", "X")),
            rng.choice(("/health", "/metrics", "/", "/state", "*")),
        )
        host = rng.choice(
            ("127.0.0.1", "localhost", "[::1]", "evil.example", "", "a,b", "127.0.0.1:x", "127.0.0.1@evil", "::1")
        )
        more = rng.choice(
            (
                "",
                "Origin: null\r\n",
                "Origin: http://[\r\n",
                "Content-Length: 99999999\r\n",
                "Transfer-Encoding: chunked\r\n",
                "Content-Type: multipart/form-data; boundary=\r\nContent-Length: 2\r\n",
                "Expect: 100-continue\r\n",
            )
        )
        sent = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n{{}}".encode()
        if rng.random() < 0.6:
            sent = mutate_bytes(rng, sent)
        for each in answers(await exchange(self.kiosk.port, sent, silence=0.1)):
            if each.status == 500 or (each.status == 200 and host == "evil.example" and b"evil.example" in sent):
                self._breach(f"the appliance's page answers {sent[:200]!r} with {each.status} {each.body[:200]!r}")

    # Gateways and receivers that answer nonsense.

    async def _gateway_answers(self) -> None:
        async with httpx.AsyncClient(base_url=self.hub.url, timeout=60.0, trust_env=False) as http:
            await _at_once(partial(self._ask_liar, http, n) for n in range(self.share("gateway_answers")))
        if twice := [n for n, times in self._lying_gateway.asked.items() if times > 1 and n.startswith("p")]:
            self._breach(f"POSTs that a lying gateway got more than once: {twice[:5]}")
        self._result.faults.update({f"gateway: {kind}": times for kind, times in self._lying_gateway.kinds.items()})

    async def _ask_liar(self, http: httpx.AsyncClient, number: int) -> None:
        self._result.operations += 1
        name = f"p{number}"
        headers = {**send_headers("kiosk_001", "nonsense", key=self.key), "Header-Timeout": "20"}
        answer = await http.post("/send", json={"n": name}, headers=headers)
        came = self._lying_gateway.asked[name]
        if answer.headers.get("content-type") == _PROBLEM:
            told = answer.json()
            if told["type"] == "internal" or (came and told["outcome"] != "unknown"):
                self._breach(f"a gateway got {name} {came} times and the caller is told {told}")
        elif not came:
            self._breach(f"a gateway never got {name} and the caller is told {answer.status_code} {answer.text[:200]}")

    async def _callback_answers(self) -> None:
        count = self.share("callback_answers")
        async with Liar(self._dice("callback_answers"), hang_s=1.0, mark=rb"webhook-id: *(\S+)") as liar:
            made = await self._admin(
                "POST", "/admin/api-keys", {"name": "liar", "callback_url": f"http://127.0.0.1:{liar.port}/"}
            )
            async with httpx.AsyncClient(base_url=self.hub.url, timeout=60.0, trust_env=False) as http:
                await _at_once(partial(self._pay, http, made["key"], f"callback-{n}") for n in range(count))
            async with asyncio.timeout(60):
                await liar.answered(count)
            self._result.faults["callback answers"] += liar.kinds.total()

    async def _pay(self, http: httpx.AsyncClient, key: str, order: str) -> None:
        answer = await http.post(
            "/send", json={"order_id": order, "sum": 1}, headers=send_headers("kiosk_001", "payment", key=key)
        )
        self._result.operations += 1
        if answer.status_code == 200:
            self._paid.append(order)
        else:
            self._breach(f"{order} gets {answer.status_code} {answer.text[:200]}")

    async def _admin(self, method: str, path: str, body: Any) -> dict[str, Any]:
        return await asyncio.to_thread(lambda: self.hub.admin(method, path, body).json())

    # A hub that talks nonsense.

    async def _appliance_upgrades(self) -> None:
        rng = self._dice("appliance_upgrades")
        async with bad_upgrades(rng) as port:
            await _at_once(partial(self._dial, port) for _ in range(self.share("appliance_upgrades")))

    async def _dial(self, port: int) -> None:
        """As the appliance does it, without the minutes it stays away after a failure."""
        self._result.faults["upgrade answers"] += 1
        try:
            async with asyncio.timeout(30):
                connection = await dial(Address(f"ws://127.0.0.1:{port}/ws", "token"))
                with contextlib.suppress(ConnectionClosed):
                    for _ in range(20_000):
                        await connection.recv()
                connection.transport.abort()
        except DialError as error:
            if "token" in str(error).replace("the token is wrong", ""):
                self._breach(f"a failed dial shows the token: {error}")
        except Exception as error:
            self._breach(f"a hub's answer to the upgrade raises {error!r}")

    async def _appliance_messages(self) -> None:
        """`_torment` does it when the tormented kiosk has come; here its end is waited for."""
        self._torment_left = self.share("appliance_messages")
        self._watches.append(Watch(self.tormented, "tormented"))
        async with asyncio.timeout(120):
            while self._torment_left > 0:
                await asyncio.sleep(0.05)
                self.tormented.check()
        await asyncio.sleep(0.5)  # what was asked last is carried out
        self._watches.pop().judge(self._result, _GROWS_MIB)

    _torment_left = 0

    async def _torment(self, socket: ServerConnection, _hello: dict[str, Any]) -> None:
        rng = self._dice(f"appliance_messages {self._torment_left}")
        await socket.send(json.dumps({"type": "welcome", "hub": "liar", "time": 0, "ping_interval": 20}))
        hearing = asyncio.create_task(_hear(socket))
        try:
            while not socket.close_code:
                if self._torment_left <= 0:
                    await asyncio.sleep(0.05)
                    continue
                good = transcripts.from_hub(rng, self._torment_left)
                data = json.dumps(good).encode() if rng.random() < 0.2 else mutate_message(rng, good)
                times = rng.choice((1, 1, 2, 5))
                self._note_meant(data)
                for _ in range(times):
                    await socket.send(data, text=_is_text(data))
                self._result.faults["hub's message"] += 1
                self._torment_left -= 1
                if self._torment_left % 100 == 0:
                    async with asyncio.timeout(30):
                        await (await socket.ping())
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)

    def _note_meant(self, data: bytes) -> None:
        """What the kiosk may carry out: a request that is one, whatever is strange about it."""
        with contextlib.suppress(Malformed, ValueError):
            message = decode_from_hub(data)
            if isinstance(message, Request):
                body = msgspec.json.decode(message.body)
                self._meant[str(body.get("order_id")) if isinstance(body, dict) else ""] += 1


async def _hear(socket: ServerConnection) -> None:
    async for _ in socket:
        pass


async def _at_once(work: Iterable[Work]) -> None:
    """Carry everything out, some at a time."""
    waiting = iter(work)

    async def lane() -> None:
        for each in waiting:
            await each()

    await asyncio.gather(*(lane() for _ in range(_AT_ONCE)))


def _paid(body: bytes) -> str:
    """The order that a gateway's answer tells a transaction of."""
    with contextlib.suppress(ValueError):
        told = json.loads(body)
        if isinstance(told, dict) and "transaction_id" in told:
            return str(told["order_id"])
    return ""


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _explains(headers: dict[str, str], body: bytes, hostile: Hostile) -> bool:
    """Whether a refusal is a problem, or a gateway's own."""
    kind = headers.get("content-type", "")
    if kind == "application/json":
        return "x-request-id" in headers
    return kind == _PROBLEM and (not body or b'"type"' in body or hostile.parts[0].startswith(b"HEAD"))


def _settings(directory: Path, rng: random.Random, result: Result, count: int) -> None:
    """Settings files: they are understood, or every mistake is said in words."""
    good_env = (
        b"WS_SERVER_URL=ws://127.0.0.1:1/ws\nWS_TOKEN=abc\nLOG_LEVEL=INFO\nJWT_SECRET=" + b"x" * 40 + b"\nPORT=8000\n"
    )
    good_env += b"REDIS_URL=redis://h:6379/0\nDATABASE_URL=sqlite+aiosqlite:///x.db\nPROXY_URL=http://u:p@h:1\n"
    good_yaml = (
        b'routes:\n  payment: {url: "http://127.0.0.1:8011/x", timeout: 35, concurrency: 2, method: POST,\n'
        b"    status: {url: 'http://127.0.0.1:8011/s', params: {id: order_id}, absent: [404],\n"
        b"      pending: {field: s, values: [a]}}}\n"
        b'  "fiscal": &f\n    url: http://127.0.0.1/f\n    retries: 2\n    tls: {verify: false}\ndefault: *f\n'
    )
    env, yaml = directory / "fuzz.env", directory / "fuzz.yaml"
    for _ in range(count):
        env.write_bytes(mutate_bytes(rng, good_env) if rng.random() < 0.6 else good_env)
        yaml.write_bytes(mutate_bytes(rng, good_yaml) if rng.random() < 0.8 else good_yaml)
        result.faults["settings"] += 1
        try:
            if rng.random() < 0.7:
                load_appliance(env, {}, str(yaml))
            else:
                load_hub(str(env), {})
        except SettingsError as error:
            if not error.mistakes:
                result.breaches.append("settings are refused without a word")
        except Exception as error:
            result.breaches.append(f"settings raise {error!r}: {env.read_bytes()!r} {yaml.read_bytes()!r}"[:3000])
            return
