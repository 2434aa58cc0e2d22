"""One case: what is asked, how the programs die and come back, and what must be true then."""

import base64
import contextlib
import itertools
import json
import random
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path

import httpx
from nacl.signing import SigningKey

from bench.program import StackError, wait_for
from bench.stack import Hub
from tests.appliance.journal.first import make_version_1
from tests.chaos.crash_cases import Case
from tests.chaos.crash_lives import Ended, Lives, dies
from tests.chaos.crash_people import PEOPLE
from tests.chaos.crash_yard import (
    PATIENCE_S,
    Ask,
    Json,
    Kiosk,
    Yard,
    effects_by_order,
    start,
    wait_briefly,
    wait_until,
)
from tests.journeys.clients import V1Client
from wire.crashpoint import VARIABLE

_IDLE_S = 3.0  # to get to a point, once nothing is asked or told any more
_GETS_LATER_S = 5.0  # at most
_BACKOFF_S = 3.0  # before somebody turns the kiosk off and on
_TOGETHER_S = 0.2  # from one program's death to the other's, where both die
_FINAL = frozenset({"succeeded", "failed", "expired"})


def run_case(yard: Yard, case: Case, chance: random.Random) -> Ended:
    """Carry a case out in a yard, whose hub runs before and after it. Breaches come with the result."""
    ended = Ended(case)
    began = time.monotonic()
    try:
        SETTINGS[case.setting](yard, ended, chance)
    except (StackError, OSError, httpx.HTTPError, sqlite3.Error, subprocess.SubprocessError) as error:
        ended.breaches.append(f"{type(error).__name__}: {error}")
    if not yard.hub.alive or VARIABLE in yard.hub.settings:
        start(yard.hub)
    ended.took_s = round(time.monotonic() - began, 1)
    return ended


class Mix:
    """Operations of every kind, each pursued by a caller of its own until it knows."""

    def __init__(self, kiosk: Kiosk, chance: random.Random, only: int = 0) -> None:
        """`only` so many of them, one payment first; 0: all."""

        def order(word: str) -> str:
            return f"{kiosk.id}-{word}"

        self.kiosk = kiosk
        # The first occupies the route, so that the cancelled one waits for its turn.
        self._slow, self._cancelled = Ask(order("slow"), simulate="slow:0.4"), Ask(order("cancelled"))
        others = [
            Ask(order("keyed")),
            Ask(order("plain"), keyed=False),
            Ask(order("queued"), queued=True),
            Ask(order("chunked"), chunked=True),
            Ask(order("lost"), simulate="lost"),
            Ask(order("get"), operation="fiscal", method="GET"),
            Ask(order("long"), operation="fiscal", method="GET", note="x" * 40_000),  # too long for a query
        ]
        chance.shuffle(others)
        self.asks = [self._slow, self._cancelled, *others][: only or None]
        self._callers: list[Future[None]] = []

    @property
    def has_begun(self) -> bool:
        """Whether anything was asked."""
        return bool(self._callers)

    @property
    def is_over(self) -> bool:
        """Whether no caller waits for anything any more."""
        return all(caller.done() for caller in self._callers)

    def begin(self) -> None:
        """Ask for everything."""
        yard, kiosk = self.kiosk.yard, self.kiosk.id
        self._callers = [yard.in_background(self._pursue, self._slow)]
        time.sleep(0.05)
        self._callers += [yard.in_background(self._pursue, ask) for ask in self.asks[1:]]
        if self._cancelled in self.asks and self._cancelled.key:
            self._callers.append(yard.in_background(yard.cancel, kiosk, self._cancelled.key))

    def _pursue(self, ask: Ask) -> None:
        """Ask, and with a key ask again until it is certain; what is queued is asked for once it is taken, no more.

        While the hub has no kiosk to send to, the order is given up for another.
        """
        if ask.method == "GET":  # nobody would see one that is carried out twice: the first deaths are over payments
            wait_briefly(_GETS_LATER_S, lambda: self._slow.told or self._slow.broken)
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            self.kiosk.yard.send(self.kiosk.id, ask)
            problem = ask.told[-1].body.get("type") if ask.told else None
            if problem == "kiosk-offline":
                ask = ask.once_more()
                self.asks.append(ask)
            elif ask.key is None or ask.is_over or (ask.queued and ask.told) or problem == "interrupted":
                return
            time.sleep(0.3)


def _live_through(kiosk: Kiosk, ended: Ended, chance: random.Random, between: Callable[[], None] | None = None) -> None:
    """All lives of a case, the mix begun as soon as the kiosk is there; then the check.

    `between` is called before each life of the appliance but the first.
    """
    yard, case = kiosk.yard, ended.case
    hub, appliance = Lives(yard.hub, case.hub, ended), Lives(kiosk.appliance, case.appliance, ended)
    mix = Mix(kiosk, chance)
    ended.asks = mix.asks
    if case.hub:
        hub.begin()
        wait_until("the hub's being ready or dead", lambda: not yard.hub.alive or yard.hub.is_ready())
    appliance.begin()
    idle_since, end = 0.0, time.monotonic() + PATIENCE_S
    while hub.is_to_die or appliance.is_to_die or not mix.has_begun:
        if not (yard.hub.alive and kiosk.appliance.alive):
            if case.hub and case.appliance:  # both die in one go, the other wherever it is if not at its point
                wait_briefly(_TOGETHER_S, lambda: not (yard.hub.alive or kiosk.appliance.alive))
            dead = [lives for lives in (hub, appliance) if lives.has_died()]
            if appliance in dead and between is not None:
                between()
            for lives in (hub, appliance) if case.hub and case.appliance else dead:
                lives.begin()
            idle_since, end = 0.0, time.monotonic() + PATIENCE_S
        elif not mix.has_begun:
            if yard.is_connected(kiosk.id):
                mix.begin()
        elif not (mix.is_over and kiosk.is_quiet()):
            idle_since = 0.0
        else:
            idle_since = idle_since or time.monotonic()
        wait_briefly(0.1, lambda: not (yard.hub.alive and kiosk.appliance.alive))
        if time.monotonic() > end or (idle_since and time.monotonic() > idle_since + _IDLE_S):
            if not (hub.is_to_die or appliance.is_to_die):
                raise StackError("the kiosk did not come back")
            if case.must:
                ended.breaches.append(f"nothing got to {case.last}")
            hub.spare()
            appliance.spare()
            idle_since, end = 0.0, time.monotonic() + PATIENCE_S
    check(kiosk, mix, ended)


def check(kiosk: Kiosk, mix: Mix, ended: Ended) -> None:
    """Wait until everything has healed, then hold against each other what was told, stored and done."""
    yard = kiosk.yard
    yard.hub.wait_ready(PATIENCE_S)
    wait_briefly(_BACKOFF_S, lambda: yard.is_connected(kiosk.id))
    if not yard.is_connected(kiosk.id):  # it need not wait out a pause that has grown with every death of the hub
        start(kiosk.appliance, wait=False)
    wait_until("the callers' end", lambda: mix.is_over)
    open_rows: list[Json] = []

    def is_settled() -> bool:
        open_rows[:] = [
            row for row in yard.operations(kiosk.id) if not row["final"] and not may_stay_unknown(ended, row)
        ]
        return not open_rows and kiosk.is_quiet()

    try:
        wait_until("everything being settled", is_settled)
    except StackError:
        ended.breaches.append(f"not settled: {open_rows}, {kiosk.appliance.health()}")
    rows = yard.operations(kiosk.id)
    by_key = {row["idempotency_key"]: row for row in rows if row["idempotency_key"]}
    for row in rows:
        ended.states[row["state"]] += 1
    for ask in ended.asks:
        known = by_key.get(ask.key) if ask.key else None
        if known and known["final"] and (ask.broken or any(told.outcome == "unknown" for told in ask.told)):
            ended.states["settled"] += 1
    _check_rows(yard, ended, rows)
    _check_callbacks(yard, ended, [row for row in rows if row["idempotency_key"]])
    _check_repetition(kiosk, ended, by_key)
    _check_events(kiosk, ended)


def may_stay_unknown(ended: Ended, row: Json) -> bool:
    """Whether nobody can tell: the gateway is not asked about a GET, and a lost journal's waiting line is gone."""
    if row["state"] != "unknown" or row["executed"] != "unknown":
        return False
    return row["method"] == "GET" or ended.case.setting == "damaged"


def _check_rows(yard: Yard, ended: Ended, rows: list[Json]) -> None:
    """What the hub says became of each order is what became of it, and nothing that was done is missing."""
    effects = effects_by_order(yard.gateway.lines())
    ended.breaches += ended.lies(effects)
    paid = set()
    for row in rows:
        answer = (row["answer"] or {}).get("body", {})
        order = row["idempotency_key"] or answer.get("order_id")
        if row["state"] == "succeeded" and row["operation"] == "payment":
            paid.add(order)
            if effects.get(order, 0) != 1 or answer.get("order_id") != order:
                ended.breaches.append(f"{order}: stored as succeeded, with {effects.get(order, 0)} effects: {row}")
        elif row["final"] and order and effects.get(order, 0):
            ended.breaches.append(f"{order}: stored as {row['state']}, with {effects[order]} effects: {row}")
    for ask in ended.asks:
        if effects.get(ask.order, 0) and ask.order not in paid:
            ended.breaches.append(f"{ask.order}: done, and the hub does not know it")


def _check_callbacks(yard: Yard, ended: Ended, rows: list[Json]) -> None:
    """Every final state of what was asked with a key is told, and nothing else ever is."""
    told = yard.receiver.told

    def missing() -> list[str]:
        return [row["request_id"] for row in rows if row["final"] and row["request_id"] not in told]

    with contextlib.suppress(StackError):
        wait_for("the callbacks", lambda: not missing(), PATIENCE_S)
    ended.breaches += [f"{request_id}: its final state was not called back" for request_id in missing()]
    for row in rows:
        for webhook_id, state in told.get(row["request_id"], []):
            if webhook_id != f"op_{row['request_id']}" or state != row["state"]:
                ended.breaches.append(f"{row['request_id']} is {row['state']}, called back as {state} ({webhook_id})")


def _check_repetition(kiosk: Kiosk, ended: Ended, by_key: Mapping[str, Json]) -> None:
    """A key gives the answer of its operation, and nothing is done for it."""
    yard = kiosk.yard
    before = len(yard.gateway.lines())
    for ask in ended.asks:
        row = by_key.get(ask.key) if ask.key else None
        if row is None:
            continue
        yard.send(kiosk.id, ask)
        told = ask.told[-1]
        answer = row["answer"]
        if answer is not None:
            same = (told.outcome, told.status, told.body) == (None, answer["status"], answer["body"])
        else:
            same = told.outcome == row["problem"]["outcome"] and told.body["type"] == row["problem"]["type"]
        if not same or told.request_id != row["request_id"]:
            ended.breaches.append(f"{ask.order}: repeated, it is told as {told}, and stored as {row}")
    mine = {ask.order for ask in ended.asks}
    if again := [line for line in yard.gateway.lines()[before:] if line.get("order_id") in mine]:
        ended.breaches.append(f"a repetition had an effect: {again}")
    ended.breaches += list(ended.lies(effects_by_order(yard.gateway.lines())))


def _check_events(kiosk: Kiosk, ended: Ended) -> None:
    """Numbers without a gap, each once, in order; no content twice; and a start is among them."""
    events = kiosk.yard.events(kiosk.id)
    for journal, of_it in itertools.groupby(events, key=lambda event: event[0]):
        numbers = [event[1] for event in of_it]
        if numbers != list(range(1, len(numbers) + 1)):
            ended.breaches.append(f"events of journal {journal} came as {numbers}")
    contents = Counter(event[2:] for event in events)
    ended.breaches += [f"an event came {count} times: {event}" for event, count in contents.items() if count > 1]
    if not any(event[3] == "started" for event in events):
        ended.breaches.append("no start was told")


def _mix(yard: Yard, ended: Ended, chance: random.Random) -> None:
    """The programs die while the mix is asked for, one by one or both together."""
    with contextlib.closing(yard.new_kiosk()) as kiosk:
        _live_through(kiosk, ended, chance)


def _stopped(yard: Yard, ended: Ended, chance: random.Random) -> None:
    """The appliance dies while it stops in order."""
    with contextlib.closing(yard.new_kiosk()) as kiosk:
        lives = Lives(kiosk.appliance, ended.case.appliance, ended)
        lives.begin()
        wait_until("the kiosk's coming", lambda: yard.is_connected(kiosk.id))
        mix = Mix(kiosk, chance)
        ended.asks = mix.asks
        mix.begin()
        time.sleep(chance.uniform(0.0, 1.0))
        kiosk.appliance.ask_to_stop()
        wait_until("its end", lambda: not kiosk.appliance.alive)
        lives.has_died()
        lives.begin()
        check(kiosk, mix, ended)


def _damaged(yard: Yard, ended: Ended, chance: random.Random) -> None:
    """The appliance dies with something to tell, then its journal is damaged, then it dies in replacing it."""
    with contextlib.closing(yard.new_kiosk()) as kiosk:
        journal = kiosk.appliance.directory / "state" / "journal.db"
        once = [journal]

        def damage() -> None:
            while once:
                _damage(once.pop())

        _live_through(kiosk, ended, chance, damage)


def _old_journal(yard: Yard, ended: Ended, chance: random.Random) -> None:
    """The appliance dies while it brings up the file of the version before."""
    with contextlib.closing(yard.new_kiosk()) as kiosk:
        state = kiosk.appliance.directory / "state"
        state.mkdir(parents=True, exist_ok=True)
        make_version_1(state / "journal.db", f"of-old-{kiosk.id}").close()
        _live_through(kiosk, ended, chance)


def _damage(journal: Path) -> None:
    """Break an index entry: the file is no good any more, and every row in it can still be read."""
    with contextlib.closing(sqlite3.connect(journal)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE type = 'index' AND sql IS NULL AND tbl_name = 'operations'"
        ).fetchone()
        (request_id,) = connection.execute("SELECT request_id FROM operations LIMIT 1").fetchone()
    content = bytearray(journal.read_bytes())
    at = content.index(request_id.encode(), (page - 1) * size, page * size)
    content[at] ^= 0x20
    journal.write_bytes(content)


def _v1(yard: Yard, ended: Ended, _chance: random.Random) -> None:
    """The hub dies over a client of the first dialect, which is told everything once and asked nothing twice."""
    kiosk, token = yard.new_id()
    ended.asks = [Ask(f"{kiosk}-keyed", timeout=2), Ask(f"{kiosk}-plain", keyed=False, timeout=2)]
    hub = Lives(yard.hub, ended.case.hub, ended)
    hub.begin()
    for _life in range(2):
        yard.hub.wait_ready(PATIENCE_S)
        with V1Client(yard.hub.ws_url, token, yard.pay):
            wait_until("the client's coming", lambda: yard.is_connected(kiosk))
            for ask in ended.asks:
                if not ask.is_over and (ask.key or not ask.broken):
                    yard.send(kiosk, ask)
        if hub.is_to_die:
            wait_until("the hub's end", lambda: not yard.hub.alive)
            hub.has_died()
            hub.begin()
    for row in yard.operations(kiosk):
        ended.states[row["state"]] += 1
    ended.breaches += list(ended.lies(effects_by_order(yard.gateway.lines())))


def _gone(yard: Yard, ended: Ended, chance: random.Random) -> None:
    """The kiosk goes away just when an operation was claimed for it: its key is to be free again."""
    with contextlib.closing(yard.new_kiosk()) as kiosk:
        mix = Mix(kiosk, chance, only=1)
        ended.asks = mix.asks
        hub, appliance = Lives(yard.hub, ended.case.hub, ended), Lives(kiosk.appliance, (), ended)
        hub.begin()
        appliance.begin()
        wait_until("the kiosk's coming", lambda: yard.is_connected(kiosk.id))
        with contextlib.closing(yard.database(write=True)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            mix.begin()
            wait_until("its writing", lambda: "kioskwire_operations_running 1.0" in yard.hub.http.get("/metrics").text)
            time.sleep(0.2)
            kiosk.appliance.kill()
            wait_until("the hub's noticing", lambda: not yard.is_connected(kiosk.id))
        wait_until("the hub's end", lambda: not yard.hub.alive)
        hub.has_died()
        hub.begin()
        appliance.begin()
        check(kiosk, mix, ended)


def _renamed(yard: Yard, ended: Ended, chance: random.Random) -> None:
    """The hub dies over its answer to the operator, whose act stands."""
    with contextlib.closing(yard.new_kiosk()) as kiosk:
        hub = Lives(yard.hub, ended.case.hub, ended)
        hub.begin()
        yard.hub.wait_ready(PATIENCE_S)
        with contextlib.suppress(httpx.TransportError):
            yard.hub.admin("PATCH", f"/admin/kiosks/{kiosk.id}", {"name": "renamed"})
        wait_until("the hub's end", lambda: not yard.hub.alive)
        hub.has_died()
        hub.begin()
        yard.hub.wait_ready(PATIENCE_S)
        if (name := yard.hub.admin("GET", f"/admin/kiosks/{kiosk.id}").json()["name"]) != "renamed":
            ended.breaches.append(f"the kiosk's name is {name}")
        _pass(kiosk, ended, chance)


def _command(yard: Yard, ended: Ended, chance: random.Random) -> None:
    """A command dies while the hub runs; the operator gives it once more."""
    room, moment = ended.case.last.rsplit(".", 1)
    if room.startswith("hub.keys."):
        _command_on_keys(yard, ended, room)
        return
    kiosk_id, token = (yard.unused_id(), "") if room == "hub.registry.add" else yard.new_id()
    with contextlib.closing(Kiosk(yard, kiosk_id, token)) as kiosk:
        if room == "hub.registry.add":
            dies(yard.hub, ended, "kiosk", "add", kiosk.id)
            again = yard.hub.cli("kiosk", "add", kiosk.id, "--json")
            if (again.returncode == 0) != (moment == "before"):
                ended.breaches.append(f"kiosk add, repeated: {again.stdout} {again.stderr}")
        elif room == "hub.enrolment.code":
            dies(yard.hub, ended, "kiosk", "code", kiosk.id)
            again = yard.hub.cli("kiosk", "code", kiosk.id, "--json")
            if again.returncode or _enrol(yard, json.loads(again.stdout)["code"], _public_key()).status_code != 200:
                ended.breaches.append(f"kiosk code, repeated: {again.stdout} {again.stderr}")
        else:
            start(kiosk.appliance)
            dies(yard.hub, ended, "kiosk", "token", kiosk.id)
            if moment == "after":
                wait_until("the old token's end", lambda: not yard.is_connected(kiosk.id))
        new = json.loads(yard.hub.cli("kiosk", "token", kiosk.id, "--json").stdout)
        kiosk.appliance.token = new["token"]
        # A kiosk that comes before the running hub has read the change is told 4401, and waits a minute.
        path = f"/admin/kiosks/{kiosk.id}"
        wait_until(
            "the new token's being in force",
            lambda: yard.hub.admin("GET", path).json().get("generation") == new["generation"],
        )
        wait_until("the old token's end", lambda: not yard.is_connected(kiosk.id))
        _pass(kiosk, ended, chance)


def _enrolled(yard: Yard, ended: Ended, chance: random.Random) -> None:
    """The hub dies over a trade; the box asks again with the same code and key, and is answered, as no other is."""
    kiosk_id = yard.unused_id()
    code = json.loads(yard.hub.cli("kiosk", "add", kiosk_id, "--json").stdout)["code"]
    mine, other = _public_key(), _public_key()
    with contextlib.closing(Kiosk(yard, kiosk_id, "")) as kiosk:
        hub = Lives(yard.hub, ended.case.hub, ended)
        hub.begin()
        yard.hub.wait_ready(PATIENCE_S)
        with contextlib.suppress(httpx.TransportError):
            _enrol(yard, code, mine)
        wait_until("the hub's end", lambda: not yard.hub.alive)
        hub.has_died()
        hub.begin()
        yard.hub.wait_ready(PATIENCE_S)
        answers = [_enrol(yard, code, key) for key in (mine, mine, other)]
        if [a.status_code for a in answers] != [200, 200, 403] or answers[0].json() != answers[1].json():
            ended.breaches.append(f"a code, brought again: {[(a.status_code, a.text) for a in answers]}")
        kiosk.appliance.token = yard.hub.new_token(kiosk_id)  # by hand: its program has not that key
        _pass(kiosk, ended, chance)


def _public_key() -> str:
    raw = bytes(SigningKey.generate().verify_key)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _enrol(yard: Yard, code: str, public_key: str) -> httpx.Response:
    return yard.hub.http.post("/enroll", json={"code": code, "public_key": public_key})


def _command_on_keys(yard: Yard, ended: Ended, room: str) -> None:
    """The key that the operator got at last is in force, and its callbacks are signed with what it came with."""
    name = f"{yard.name}-{ended.case.name}"
    if room == "hub.keys.add":
        dies(yard.hub, ended, "apikey", "add", name)
    made = json.loads(yard.hub.cli("apikey", "add", name, "--json").stdout)
    if room == "hub.keys.change":
        dies(yard.hub, ended, "apikey", "callback", made["id"], yard.receiver.url(name))
    again = json.loads(yard.hub.cli("apikey", "callback", made["id"], yard.receiver.url(name), "--json").stdout)
    yard.receiver.trust(name, again["callback_secret"])
    kiosk, _token = yard.new_id()
    ask = Ask(f"{kiosk}-expires", queued=True, expires=1)
    ended.asks = [ask]
    wait_until("the key's being known", lambda: yard.knows(made["key"]))
    yard.send(kiosk, ask, made["key"])
    wait_until("the callback", lambda: yard.receiver.told.get(ask.told[0].request_id))


def _new_database(yard: Yard, ended: Ended, _chance: random.Random) -> None:
    """A command dies over the making of the database; the next finds nothing, or all of it."""
    hub = Hub(yard.directory / ended.case.name)
    dies(hub, ended, "migrate")
    for arguments in (("migrate",), ("kiosk", "add", "kiosk_001"), ("apikey", "add", "backend")):
        done = hub.cli(*arguments)
        if done.returncode:
            ended.breaches.append(f"{arguments}: {done.stderr}")


def _old_rows(yard: Yard, ended: Ended, _chance: random.Random) -> None:
    """A hub dies over the forgetting of what is old: the next forgets it, and nothing else."""
    hub = Hub(yard.directory / ended.case.name)
    hub.cli("migrate")
    day, now = 86400.0, time.time()
    path = hub.directory / "state" / "hub.db"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        operation = (
            "INSERT INTO operations (request_id, kiosk_id, operation, method, delivery, body, state, final, journal,"
            " created_at) VALUES (?, 'kiosk_001', 'payment', 'POST', 'now', '{}', ?, ?, '', ?)"
        )
        rows = [("old", "succeeded", 1, now - 100 * day), ("open", "unknown", 0, now - 100 * day)]
        connection.executemany(operation, [*rows, ("new", "succeeded", 1, now - day)])
        event = "INSERT INTO events VALUES ('kiosk_001', 'journal', ?, ?, ?, 'started', '', '{}')"
        connection.executemany(event, [(1, now, now - 100 * day), (2, now, now)])
        connection.execute("DELETE FROM lived_days")
        lived = "INSERT INTO lived_days (day, seconds, boundary) VALUES (?, 0.0, ?)"
        connection.executemany(lived, [(number, now - 95 * day) for number in range(9)])

    def left() -> tuple[set[str], set[int]]:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            ids = {row[0] for row in connection.execute("SELECT request_id FROM operations")}
            return ids, {row[0] for row in connection.execute("SELECT seq FROM events")}

    lives = Lives(hub, ended.case.hub, ended)
    try:
        lives.begin()
        wait_until("the hub's end", lambda: not hub.alive)
        lives.has_died()
        lives.begin()
        hub.wait_ready(PATIENCE_S)
        wait_until("the old ones' going", lambda: left() == ({"open", "new"}, {2}), 20)
    except StackError as error:
        ended.breaches.append(f"{error}: {left()}")
    finally:
        hub.kill()
        hub.http.close()


def _demo(yard: Yard, ended: Ended, _chance: random.Random) -> None:
    """A command dies over the making of a demo hub's secret, which is whole afterwards, and stays."""
    hub = Hub(yard.directory / ended.case.name, settings={"DEMO": "true", "JWT_SECRET": ""})
    dies(hub, ended, "kiosk", "add", "kiosk_001")
    secrets = []
    for number in range(2):
        done = hub.cli("kiosk", "add", f"kiosk_{number}0")
        secrets.append((hub.directory / "state" / "demo-jwt-secret").read_text())
        if done.returncode or len(secrets[-1]) != 64:
            ended.breaches.append(f"{done.stderr}, and a secret of {len(secrets[-1])} characters")
    if secrets[0] != secrets[1]:
        ended.breaches.append("the secret changed")


def _pass(kiosk: Kiosk, ended: Ended, chance: random.Random) -> None:
    """Have the mix carried out without further ado, and check."""
    start(kiosk.appliance)
    wait_until("the kiosk's coming", lambda: kiosk.yard.is_connected(kiosk.id))
    mix = Mix(kiosk, chance)
    ended.asks = mix.asks
    mix.begin()
    check(kiosk, mix, ended)


SETTINGS: dict[str, Callable[[Yard, Ended, random.Random], None]] = {
    "mix": _mix,
    "stopped": _stopped,
    "damaged": _damaged,
    "old journal": _old_journal,
    "v1": _v1,
    "gone": _gone,
    "renamed": _renamed,
    "command": _command,
    "enrolled": _enrolled,
    "new database": _new_database,
    "old rows": _old_rows,
    "demo": _demo,
    **PEOPLE,
}
