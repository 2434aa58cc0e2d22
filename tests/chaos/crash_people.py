"""The hub dies under a person at its dashboard: what was done stands whole or not at all, and everybody gets in again.

Each act has a person of its own, who is signed in before the life that is to end. Afterwards the hub must hold either
all of the act, with its row in the audit, or nothing of it; and the same person signs in with what is true by then.
"""

import contextlib
import itertools
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pyotp
from argon2 import PasswordHasher

from bench.program import StackError
from bench.stack import Hub
from tests.chaos.crash_lives import Ended, Lives
from tests.chaos.crash_yard import PATIENCE_S, Ask, Yard, wait_until

_numbers = itertools.count(1)
_STEP = 30  # seconds that a code of the second factor is for
_HASHED_OTHERWISE = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)


class Person:
    """An admin and a browser. The hub lives while one is made."""

    def __init__(self, yard: Yard, ended: Ended) -> None:
        self.yard, self.ended = yard, ended
        point = ended.case.last.removeprefix("hub.").replace("_", "-")
        self.name = f"{point}.{next(_numbers)}"
        self.password = self.old = "bright copper kettles"
        self.secret = ""  # of the second factor
        self._codes = 0
        self.http = httpx.Client(base_url=yard.hub.url, timeout=30.0, trust_env=False)
        made = yard.hub.cli("account", "add", self.name, "--role", "admin")
        if made.returncode:
            raise StackError(made.stderr)
        self.link = re.findall(r"/dashboard/welcome/\S+", made.stdout)[0]

    def post(self, path: str, **fields: str) -> httpx.Response | None:
        """Send a form, with what a form of this session brings. None: the hub died under it."""
        with contextlib.suppress(httpx.TransportError):
            page = self.http.get("/dashboard/account")
            csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
            return self.http.post(path, data=fields | ({"csrf": csrf[1]} if csrf else {}))
        return None

    def open_link(self) -> httpx.Response | None:
        """Set the password."""
        return self.post(self.link, password=self.password, again=self.password)

    def sign_in(self) -> httpx.Response | None:
        """In a browser that knows nothing yet."""
        self.http.cookies.clear()
        answer = self.post("/dashboard/sign-in", name=self.name, password=self.password)
        if answer is None or not self.secret:
            return answer
        ticket = re.search(r'name="ticket" value="([^"]+)"', answer.text)
        if ticket is None:
            return answer
        return self.post("/dashboard/sign-in", ticket=ticket[1], code=self.code())

    def code(self) -> str:
        """The next one; of three, since none is taken twice."""
        self._codes += 1
        return pyotp.TOTP(self.secret).at(time.time() + (self._codes - 2) * _STEP)

    @property
    def is_in(self) -> bool:
        """Whether this browser is signed in."""
        return self.http.get("/dashboard/account").status_code == 200

    def change_password(self) -> None:
        """To another one."""
        self.old, self.password = self.password, "warm woollen mittens"
        self.post("/dashboard/account/password", old=self.old, new=self.password, again=self.password)

    def offer(self) -> None:
        """Ask for a second factor."""
        self.post("/dashboard/account/totp", password=self.password)

    def confirm(self) -> None:
        """Put it in force."""
        ((secret,),) = self.rows("SELECT totp_offered FROM accounts WHERE name = ?", self.name)
        self.secret = str(secret)
        self.post("/dashboard/account/totp/confirm", code=self.code())

    def rows(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Of the hub's database."""
        with contextlib.closing(self.yard.database()) as connection:
            return connection.execute(statement, values).fetchall()

    def acts(self, act: str, subject: str = "") -> int:
        """How often the audit has this act of this subject, or of this person."""
        found = self.rows("SELECT 1 FROM audit WHERE act = ? AND subject = ?", act, subject or self.name)
        return len(found)

    def must(self, words: str, is_so: object) -> None:
        """Note a breach where it is not so."""
        if not is_so:
            self.ended.breaches.append(f"{self.name}: {words}")


Act = Callable[[Person], None]


def _nothing(_person: Person) -> None:
    pass


def _signed_in(person: Person) -> None:
    person.open_link()
    person.must("the link does not let in", person.is_in)


def _with_second_factor(person: Person) -> None:
    _signed_in(person)
    person.offer()
    person.confirm()
    person.must("the second factor is not on", person.acts("account.totp-on") == 1)


def _with_old_hash(person: Person) -> None:
    _signed_in(person)
    with contextlib.closing(person.yard.database(write=True)) as connection:
        hashed = _HASHED_OTHERWISE.hash(person.password)
        connection.execute("UPDATE accounts SET password = ? WHERE name = ?", (hashed, person.name))


def _with_two_browsers(person: Person) -> None:
    _signed_in(person)
    person.sign_in()


def _add_account(person: Person) -> None:
    person.post("/dashboard/accounts/add", name=f"{person.name}-2", role="viewer")


def _sign_in(person: Person) -> None:
    person.sign_in()


def _sign_out(person: Person) -> None:
    person.post("/dashboard/sign-out")


def _end_others(person: Person) -> None:
    person.post("/dashboard/account/sessions", session="others")


def _open_link(person: Person) -> None:
    person.open_link()


# What must be so afterwards. `done`: whether the act stands.


def _link_used(person: Person, done: bool) -> None:
    answer = person.http.get(person.link)
    person.must(f"the link answers {answer.status_code}", answer.status_code == (410 if done else 200))
    person.must("the audit differs from the act", person.acts("account.link-used") == done)
    if not done:
        person.open_link()


def _password_changed(person: Person, done: bool) -> None:
    person.must("the audit differs from the act", person.acts("account.password") == done)
    if not done:
        person.must("the old browser is out", person.is_in)
        person.password = person.old
    else:
        person.must("the old browser is in still", not person.is_in)


def _offered(person: Person, done: bool) -> None:
    ((offered, in_force),) = person.rows("SELECT totp_offered, totp_secret FROM accounts WHERE name = ?", person.name)
    person.must("what was offered is in force", in_force is None)
    person.must("the offer differs", (offered is not None) == done)


def _session_ended(person: Person, done: bool) -> None:
    person.must(f"signed out: {done}, and in: {not done}", person.is_in != done)


def _others_ended(person: Person, done: bool) -> None:
    its = "SELECT 1 FROM account_sessions JOIN accounts ON id = account_id WHERE name = ?"
    person.must("the sessions differ", len(person.rows(its, person.name)) == (1 if done else 2))
    person.must("this browser is out", person.is_in)


def _signed_in_once(person: Person, done: bool) -> None:
    # One is of the link, before.
    person.must("the audit differs from the sessions", person.acts("account.sign-in") == 1 + done)


def _account_added(person: Person, done: bool) -> None:
    found = person.rows("SELECT 1 FROM accounts WHERE name = ?", f"{person.name}-2")
    person.must("the account differs from the act", bool(found) == done)


def _hashed_anew(person: Person, done: bool) -> None:
    ((hashed,),) = person.rows("SELECT password FROM accounts WHERE name = ?", person.name)
    person.must("the hash differs", ("m=1024," not in str(hashed)) == done)


def _any(_person: Person, _done: bool) -> None:
    pass


# By the point's action: what comes before, the act the hub dies over, what must be so afterwards.
_ACTS: dict[str, tuple[Act, Act, Callable[[Person, bool], None]]] = {
    "link": (_nothing, _open_link, _link_used),
    "sign_in": (_signed_in, _sign_in, _signed_in_once),
    "try": (_signed_in, _sign_in, _any),
    "try_back": (_with_second_factor, _sign_in, _any),
    "code": (_with_second_factor, _sign_in, _any),
    "rehash": (_with_old_hash, _sign_in, _hashed_anew),
    "own": (_signed_in, Person.change_password, _password_changed),
    "offer": (_signed_in, Person.offer, _offered),
    "session_end": (_signed_in, _sign_out, _session_ended),
    "sessions_end": (_with_two_browsers, _end_others, _others_ended),
    "change": (_signed_in, _add_account, _account_added),
    "audit": (_signed_in, _sign_out, _any),
}


@contextmanager
def _dying(yard: Yard, ended: Ended) -> Iterator[None]:
    """A life of the hub that ends over what is done meanwhile, and the next one."""
    hub = Lives(yard.hub, ended.case.hub, ended)
    hub.begin()
    wait_until("the hub's being ready or dead", lambda: not yard.hub.alive or yard.hub.is_ready())
    yield
    wait_until("the hub's end", lambda: not yard.hub.alive, 20)
    hub.has_died()
    hub.begin()
    yard.hub.wait_ready(PATIENCE_S)


def _person(yard: Yard, ended: Ended, _chance: random.Random) -> None:
    """The hub dies over an act of a person's."""
    action, moment = ended.case.last.removeprefix("hub.accounts.").rsplit(".", 1)
    before, act, after = _ACTS[action]
    person = Person(yard, ended)
    with contextlib.closing(person.http):
        before(person)
        with _dying(yard, ended):
            act(person)
        after(person, moment == "after")
        person.sign_in()
        person.must("does not get in any more", person.is_in)


def _first_start(yard: Yard, ended: Ended, _chance: random.Random) -> None:
    """A hub without accounts dies over the link for the first admin: the next one leaves a whole one, that works."""
    hub = Hub(yard.directory / ended.case.name)
    lives = Lives(hub, ended.case.hub, ended)
    try:
        lives.begin()
        wait_until("the hub's end", lambda: not hub.alive)
        lives.has_died()
        lives.begin()
        hub.wait_ready(PATIENCE_S)
        link = hub.directory / "state" / "first-admin-link"
        # The link is made once the hub listens; that of the life before is dead then, and may lie there until then.
        wait_until("a link that makes the first admin", lambda: link.exists() and _signs_up(hub))
    finally:
        hub.kill()
        hub.http.close()


def _signs_up(hub: Hub) -> bool:
    with contextlib.suppress(StackError):
        return hub.sign_up("first", "bright copper kettles")
    return False


def _redelivered(yard: Yard, ended: Ended, _chance: random.Random) -> None:
    """The hub dies over sending a callback again: it comes again, by itself or once it is asked for once more."""
    kiosk, _token = yard.new_id()
    ask = Ask(f"{kiosk}-expires", queued=True, expires=1)
    ended.asks = [ask]
    yard.send(kiosk, ask)
    request_id = ask.told[0].request_id
    wait_until("the callback", lambda: yard.receiver.told.get(request_id))
    told = yard.receiver.told[request_id]
    person = Person(yard, ended)
    with contextlib.closing(person.http):
        _signed_in(person)
        wait_until("its being noted", lambda: person.rows(
            "SELECT 1 FROM callbacks WHERE request_id = ? AND delivered_at IS NOT NULL", request_id
        ))  # fmt: skip
        with _dying(yard, ended):
            person.post(f"/dashboard/callbacks/{request_id}/redeliver")
        if ended.case.last.endswith(".before"):
            time.sleep(0.5)
            person.must("it was sent again though nothing was written", len(told) == 1)
            person.post(f"/dashboard/callbacks/{request_id}/redeliver")
            wait_until("the note of it", lambda: person.acts("callback.redeliver", request_id) == 1)
        wait_until("its coming again", lambda: len(told) == 2)
        person.must(f"one operation was told as {told}", len(set(told)) == 1)


PEOPLE: dict[str, Callable[[Yard, Ended, random.Random], None]] = {
    "person": _person,
    "first start": _first_start,
    "sent again": _redelivered,
}
