"""A kiosk that comes to one hub while another holds it: that hub judges, by its own `identity`, which box is the kiosk.

    newcomer's hub                        holder
      Arrived ─────────────────────────►  an `Envoy` stands for the newcomer, as if it had come here
      waits, as the newcomer does         ping, pong, or none: as ever
      Judged(0) ◄──────────────────────── the older socket is closed with 4409
      lets it in, with a greater epoch

Who does not answer does not hold a kiosk up: it is let in, and where both hold it then, the greater epoch wins.

For a few milliseconds after that the newcomer's hub has not told yet that it holds the kiosk, and the older one does
not any more. A second box that comes in between is judged by the newcomer's hub all the same: the older one has told
all whom it gave the kiosk to (`KioskGiven`), and passes on what it is asked.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

import msgspec

from cloud.bus.bus import Bus, NoAnswerError
from cloud.cancelled import cancelled
from cloud.kiosks.elsewhere import Elsewhere
from cloud.kiosks.identity import ALARM_FOR, ANSWER_WITHIN, Box
from cloud.kiosks.newcomer import Newcomer
from wire.messages import Hello
from wire.problems import CloseCode

log = logging.getLogger(__name__)

# The holder may have to wait for its own socket's pong.
_JUDGED_WITHIN = ANSWER_WITHIN + 0.7
# A hub that is alive says so at once; one that was silent just now is not waited for by each of thousands.
_ALIVE_WITHIN, _SILENT_FOR = 1.0, 2.0
# Questions that are under way here: a region that has lost power sends thousands at once, and other rooms ask as well.
_JUDGING_MOST = 1000
_GIVEN_FOR, _GIVEN_MOST = 3.0, 10_000  # seconds; kiosks, beyond that the one given longest ago is not remembered
_DOUBTED_MOST = 10_000  # kiosks; beyond that the one doubted longest ago is let in as any other
_VERDICTS = {CloseCode.REPLACED, CloseCode.DUPLICATE, CloseCode.CLONED}
_ASKED_MOST = 3  # holders, one after another: a kiosk that flees from hub to hub is let in


class Arrived(msgspec.Struct, frozen=True, kw_only=True):
    """A question: this box came for your kiosk. `age` is for how many seconds it has been running, at least."""

    kiosk_id: str
    generation: int
    address: str
    age: float
    is_v1: bool
    journal: str
    boot_id: str


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: `code` to close it with, 0: it is the kiosk. `epoch` is of the last connection there."""

    code: int
    epoch: int


class KioskDoubted(msgspec.Struct, frozen=True):
    """To all: two boxes were seen with this kiosk's identity here, so that for a while not every box may come."""

    kiosk_id: str


class KioskGiven(msgspec.Struct, frozen=True):
    """To all: this kiosk goes to the hub `to` from here, which is to be asked about it until it says so itself."""

    kiosk_id: str
    to: str


class AreYouThere(msgspec.Struct, frozen=True):
    """A question that is answered at once."""


class HereIAm(msgspec.Struct, frozen=True):
    """The answer."""


class Envoy:
    """Stands at the holder for a connection that another hub has; it is the `Socket` of a newcomer there."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.is_admitted = False

    def send(self, text: bytes, point: str) -> None:
        """Nothing is said to a newcomer."""

    def ping(self, data: bytes) -> None:
        """Nor is it pinged."""

    def proves(self, hello: Hello) -> bool:
        """The other hub's door has looked."""
        return True

    def close(self, code: int, reason: str) -> None:
        """It is not to be let in there; unless it is for a reason that concerns only this hub, or that all know."""
        if not self.code.done():
            self.code.set_result(int(code) if code in _VERDICTS else 0)

    def admit(self) -> None:
        """It is to be let in there."""
        if not self.code.done():
            self.is_admitted = True
            self.code.set_result(0)


class Holder(Protocol):
    """The links of the hub that is asked."""

    def came_elsewhere(self, kiosk_id: str, newcomer: Newcomer) -> int | None:
        """A newcomer, whose socket is an `Envoy`, stands in line. Returns the epoch; None: it is in nobody's way."""

    def gave_up_elsewhere(self, kiosk_id: str, newcomer: Newcomer) -> None:
        """It is not waited for any more."""


# What becomes of a newcomer: the code to close it with, or 0, and the greatest epoch known.
Done = Callable[[int, int], None]


class _Waiting:
    __slots__ = ("asked", "done", "holder", "newcomer", "task")

    def __init__(self, newcomer: Newcomer, done: Done) -> None:
        self.newcomer = newcomer
        self.done = done
        self.holder = ""
        self.asked = 0
        self.task: asyncio.Task[None] | None = None


class Asking:
    """Asks the hub that holds a kiosk, and answers other hubs' questions."""

    def __init__(self, bus: Bus, elsewhere: Elsewhere, holder: Holder) -> None:
        self._bus = bus
        self._elsewhere = elsewhere
        self._holder = holder
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, _Waiting] = {}
        self._probes: dict[str, asyncio.Task[None]] = {}
        self._judging = 0
        self._silent: dict[str, float] = {}  # hubs, until when they count as such
        # Kiosks that nobody may hold just now, whose place another hub may keep: that hub, and until when it may.
        self._doubted: OrderedDict[str, tuple[str, float]] = OrderedDict()
        # Kiosks that a hub gave to another just now: by which, to which, and until when that counts.
        self._given: OrderedDict[str, tuple[str, str, float]] = OrderedDict()
        bus.hear(KioskDoubted, self._heard_doubt)
        bus.hear(KioskGiven, self._heard_given)
        bus.answer(Arrived, self._arrived)
        bus.answer(AreYouThere, self._are_you_there)
        bus.when_gone(self._hub_gone)
        elsewhere.when_changed(self._moved)

    async def stop(self) -> None:
        """Nobody is asked any more; who waits is left to whoever closes the sockets."""
        tasks = [each.task for each in self._waiting.values() if each.task] + list(self._probes.values())
        self._waiting.clear()
        await cancelled(*tasks)

    def ask(self, kiosk_id: str, newcomer: Newcomer, done: Done) -> bool:
        """Have `done` called once the holder has judged, if there is one to ask. False: there is none.

        Asked for the same kiosk again, the earlier question is forgotten.
        """
        self.forget(kiosk_id)
        waiting = _Waiting(newcomer, done)
        if not self._may_ask(kiosk_id):
            return False
        self._waiting[kiosk_id] = waiting
        self._next(kiosk_id, waiting)
        return True

    def forget(self, kiosk_id: str) -> None:
        """The newcomer has left."""
        waiting = self._waiting.pop(kiosk_id, None)
        if waiting and waiting.task:
            waiting.task.cancel()

    def doubt(self, kiosk_id: str) -> None:
        """Two boxes were seen here."""
        self._doubted.pop(kiosk_id, None)
        self._bus.tell_all(KioskDoubted(kiosk_id))

    def _heard_doubt(self, life: str, doubted: KioskDoubted) -> None:
        self._doubted[doubted.kiosk_id] = life, self._loop.time() + ALARM_FOR
        self._doubted.move_to_end(doubted.kiosk_id)
        if len(self._doubted) > _DOUBTED_MOST:
            self._doubted.popitem(last=False)

    def _heard_given(self, life: str, given: KioskGiven) -> None:
        self._given[given.kiosk_id] = life, given.to, self._loop.time() + _GIVEN_FOR
        self._given.move_to_end(given.kiosk_id)
        if len(self._given) > _GIVEN_MOST:
            self._given.popitem(last=False)

    def _given_to(self, kiosk_id: str) -> str:
        """The hub that a kiosk was given to, and that has not said yet that it holds it; empty: none."""
        giver, receiver, until = self._given.get(kiosk_id, ("", "", 0.0))
        seen = self._elsewhere.get(kiosk_id)
        if until <= self._loop.time() or (seen is not None and seen.hub != giver):
            self._given.pop(kiosk_id, None)
            return ""
        return receiver if receiver != self._bus.me and self._bus.lives(receiver) else ""

    def _judge_of(self, kiosk_id: str) -> str:
        """The life of the hub that can say whether a newcomer is the kiosk; empty: none but this one."""
        if receiver := self._given_to(kiosk_id):
            return receiver
        if (seen := self._elsewhere.get(kiosk_id)) is not None:
            return seen.hub
        life, until = self._doubted.get(kiosk_id, ("", 0.0))
        if until > self._loop.time():
            return life
        self._doubted.pop(kiosk_id, None)
        return ""

    def _may_ask(self, kiosk_id: str) -> str:
        """The life to ask; empty: none that would answer."""
        judge = self._judge_of(kiosk_id)
        if not judge or not self._bus.is_up or not self._bus.lives(judge):
            return ""
        return "" if self._silent.get(judge, 0.0) > self._loop.time() else judge

    def _next(self, kiosk_id: str, waiting: _Waiting) -> None:
        """Ask who holds it now, or let it in."""
        holder = self._may_ask(kiosk_id)
        if waiting.task:
            waiting.task.cancel()
        if not holder or waiting.asked >= _ASKED_MOST:
            self._end(kiosk_id, waiting, 0, 0)
            return
        waiting.holder = holder
        waiting.asked += 1
        waiting.task = asyncio.create_task(self._ask(kiosk_id, waiting), name="kiosk-held-elsewhere")
        if holder not in self._probes:
            self._probes[holder] = task = asyncio.create_task(self._probe(holder), name="hub-there")
            task.add_done_callback(lambda _task: self._probes.pop(holder, None))

    def _end(self, kiosk_id: str, waiting: _Waiting, code: int, epoch: int) -> None:
        if self._waiting.get(kiosk_id) is waiting:
            del self._waiting[kiosk_id]
            waiting.done(code, epoch)

    async def _ask(self, kiosk_id: str, waiting: _Waiting) -> None:
        newcomer, holder = waiting.newcomer, waiting.holder
        box = newcomer.box
        assert box is not None
        question = Arrived(
            kiosk_id=kiosk_id,
            generation=newcomer.generation,
            address=box.address,
            age=max(0.0, self._loop.time() - box.since),
            is_v1=box.is_v1,
            journal=box.journal,
            boot_id=box.boot_id,
        )
        try:
            judged = await self._bus.ask(holder, question, Judged, _JUDGED_WITHIN)
        except NoAnswerError as error:
            log.info("kiosk let in unjudged", extra={"kiosk": kiosk_id, "holder": holder, "reason": str(error)})
            judged = Judged(code=0, epoch=0)
        self._end(kiosk_id, waiting, judged.code if judged.code in _VERDICTS else 0, judged.epoch)

    async def _probe(self, life: str) -> None:
        """A hub that says nothing at all is not waited for as one that looks whether its socket lives."""
        try:
            await self._bus.ask(life, AreYouThere(), HereIAm, _ALIVE_WITHIN)
        except NoAnswerError:
            self._silent[life] = self._loop.time() + _SILENT_FOR
            for kiosk_id, waiting in list(self._waiting.items()):
                if waiting.holder == life:
                    self._next(kiosk_id, waiting)

    def _hub_gone(self, life: str) -> None:
        self._silent.pop(life, None)

    def _moved(self, kiosk_id: str) -> None:
        """What a newcomer waits for may have gone to another hub, or left."""
        waiting = self._waiting.get(kiosk_id)
        if waiting is None:
            return
        if self._judge_of(kiosk_id) != waiting.holder:
            self._next(kiosk_id, waiting)

    # Of the hub that is asked.

    async def _are_you_there(self, _life: str, _question: AreYouThere) -> HereIAm:
        return HereIAm()

    async def _arrived(self, life: str, question: Arrived) -> Judged:
        if self._judging >= _JUDGING_MOST:
            return Judged(code=0, epoch=0)  # the greater epoch ends the connection here
        now = self._loop.time()
        receiver = self._given_to(question.kiosk_id)
        if receiver and receiver != life:
            return await self._pass_on(receiver, question)
        envoy = Envoy(question.address)
        newcomer = Newcomer(envoy, question.generation, now, is_v1=question.is_v1)
        newcomer.box = Box(
            address=question.address,
            since=now - question.age,
            is_v1=question.is_v1,
            journal=question.journal,
            boot_id=question.boot_id,
        )
        epoch = self._holder.came_elsewhere(question.kiosk_id, newcomer)
        if epoch is None:
            return Judged(code=0, epoch=0)
        self._judging += 1
        code = 0
        try:
            async with asyncio.timeout(_JUDGED_WITHIN):
                code = await envoy.code
        except TimeoutError:
            pass
        finally:
            self._judging -= 1
            self._holder.gave_up_elsewhere(question.kiosk_id, newcomer)
        if not code and envoy.is_admitted:
            given = KioskGiven(question.kiosk_id, life)
            self._heard_given(self._bus.me, given)
            self._bus.tell_all(given)
        return Judged(code=code, epoch=epoch)

    async def _pass_on(self, receiver: str, question: Arrived) -> Judged:
        self._judging += 1
        try:
            return await self._bus.ask(receiver, question, Judged, _JUDGED_WITHIN)
        except NoAnswerError:
            return Judged(code=0, epoch=0)
        finally:
            self._judging -= 1
