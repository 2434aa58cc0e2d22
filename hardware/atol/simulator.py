"""The web server with a register behind it: a queue of tasks, a fiscal storage, paper, and HTTP/1.1 as text.

What survives a power cut: the server's database of tasks, the storage, the shift, the cash. What is at the register at
that moment is cut short, and what becomes of its task depends on `on_cut`. A receipt takes two seconds: it is begun,
its lines go out, it is closed (*that* moment it is registered), and it is printed.

Options: `login`, `password` (HTTP Basic); `on_cut`: interrupted, error or blocked; `on_paper`: error (or a
warning, once the document is registered), block (the task), warn (the queue, behind a finished task); `unblock`: self
(it goes on when the cause is gone) or continue (it wants a `continuePrint`); `documents`: "no" for a driver that
cannot read documents from the storage; `serial`, `storage`; `speed`: how many times faster than a real one.
"""

import base64
import binascii
import json
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from hardware.atol.receipts import OPERATIONS
from hardware.atol.simulated_http import HttpFront
from hardware.atol.simulated_register import FISCAL, SimulatedRegister, TaskError, check, major_of, minor_of
from hardware.simulation.simulator import Control, ControlError, Ledger, Simulator

RECOVER_S = 1.0  # between two looks of a blocked queue whether it can go on
_QUESTIONS_S = 0.05
_PHASES: Mapping[str, tuple[tuple[str, float], ...]] = {
    "receipt": (("begin", 0.3), ("lines", 0.3), ("close", 0.4), ("print", 1.0)),
    "cash": (("begin", 0.2), ("count", 0.2), ("print", 0.5)),
    "paper": (("begin", 0.2), ("print", 0.8)),
}
_PAPER_TASKS = ("reportX", "nonFiscal", "printLastReceiptCopy", "printFnDocument", "continuePrint")


class _Blocked(Exception):
    def __init__(self, reason: str, code: int, description: str) -> None:
        self.reason, self.code, self.description = reason, code, description
        super().__init__(description)


@dataclass
class _Running:
    uuid: str
    index: int
    task: Mapping[str, Any]
    phases: tuple[tuple[str, float], ...]
    phase: int
    until: float
    before: int
    document: dict[str, Any] | None = None


class AtolSimulator(Simulator):
    """One web server, one register."""

    family: ClassVar[str] = "atol"
    baud: ClassVar[int] = 1_000_000  # a network, not a serial line
    controls: ClassVar[Mapping[str, Control]] = {
        "paper_out": Control("the roll ends"),
        "paper_in": Control("a new roll is put in"),
        "cover_open": Control("somebody opens the printer"),
        "cover_close": Control("it is closed again"),
        "cut_power": Control("power goes and comes back at once"),
        "forget_results": Control("the web server is installed anew: its database of tasks is empty"),
        "block": Control("an earlier task blocks the queue", {"reason": "paperError"}),
        "unblock": Control("and does no more"),
        "other_sale": Control("another program registers a sale", {"total": "100.00"}),
        "expire_shift": Control("24 hours go by for the shift"),
    }

    def __init__(
        self,
        memory: MutableMapping[str, Any],
        ledger: Ledger,
        *,
        login: str = "",
        password: str = "",
        on_cut: str = "interrupted",
        on_paper: str = "error",
        unblock: str = "self",
        documents: str = "yes",
        serial: str = "00106900000001",
        storage: str = "9999078900000961",
        speed: float = 1.0,
    ) -> None:
        super().__init__(memory, ledger)
        _one_of("on_cut", on_cut, "interrupted", "error", "blocked")
        _one_of("on_paper", on_paper, "error", "block", "warn")
        _one_of("unblock", unblock, "self", "continue")
        _one_of("documents", documents, "yes", "no")
        self._credentials = f"{login}:{password}" if login else ""
        self._on_cut, self._on_paper, self._unblock = on_cut, on_paper, unblock
        self._speed = speed
        self._register = SimulatedRegister(
            memory, ledger, storage=storage, serial=serial, reads_documents=documents == "yes"
        )
        memory.setdefault("tasks", {})
        memory.setdefault("queue", [])
        memory.setdefault("count", 0)
        memory.setdefault("blocked", None)
        self._http = HttpFront(self.answer)
        self._running: _Running | None = None
        self._recover_at: float | None = None
        self._powered = False

    # Power and time

    def show_time(self, wall: datetime, now: float) -> None:
        self._register.show_time(wall, now)

    def power_on(self, now: float) -> Sequence[bytes]:
        self._powered = True
        self._http.hung_up()
        self._register.power_on(now)
        if self.memory["blocked"]:
            self._recover_at = now + RECOVER_S
        self._next(now)
        return ()

    def power_off(self, now: float) -> None:
        self._powered = False
        self._recover_at = None
        running, self._running = self._running, None
        if running is None:
            return
        self.memory["unprinted"] = self.memory["unprinted"] or running.document is not None
        if self._on_cut == "blocked" and running.task["type"] in FISCAL:
            self._block(running, _Blocked("connectionError", 241, "Соединение с ККТ потеряно"), now)
            self._recover_at = None
        elif self._on_cut == "error":
            self._end(running, "error", 241, "Соединение с ККТ потеряно")
        else:
            self._end(running, "interrupted", 0, "")

    @property
    def wake_at(self) -> float | None:
        moments = [] if self._running is None else [self._running.until]
        if self._recover_at is not None:
            moments.append(self._recover_at)
        return min(moments, default=None)

    def wake(self, now: float) -> Sequence[bytes]:
        if self._running is not None and self._running.until <= now:
            self._go_on(self._running, now)
        if self._recover_at is not None and self._recover_at <= now:
            self._recover_at = now + RECOVER_S
            if self._unblock == "self":
                self._recover(now)
        self._next(now)
        return ()

    # HTTP

    def received(self, data: bytes, now: float) -> Sequence[bytes]:
        return self._http.received(data, now) if self._powered else ()

    def hung_up(self, now: float) -> None:
        self._http.hung_up()

    def answer(
        self, method: str, target: str, body: bytes, now: float, *, authorization: str = ""
    ) -> tuple[int, bytes]:
        """One request as a web server sees it: the status and the body of the answer."""
        path = target.partition("?")[0]
        older = not path.startswith("/api/v2")
        path = path.removeprefix("/api/v2")
        if not self._authorised(authorization):
            return 401, _dump(_error(504, "Авторизация не пройдена"))
        if method == "POST" and path == "/requests":
            return self._post(body, now)
        if path.startswith("/requests/"):
            uuid = path.removeprefix("/requests/")
            if uuid not in self.memory["tasks"]:
                return 404, _dump(_error(505, f"Задание с UUID [{uuid}] не найдено"))
            if method == "GET":
                results = [_result(result, older=older) for result in self.memory["tasks"][uuid]["results"]]
                return 200, _dump({"results": results})
            if method == "DELETE":
                return self._delete(uuid)
        return 404, _dump(_error(505, "Не найдено"))

    def _authorised(self, authorization: str) -> bool:
        if not self._credentials:
            return True
        try:
            given = base64.b64decode(authorization.removeprefix("Basic "), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return False
        return given == self._credentials

    def _post(self, body: bytes, now: float) -> tuple[int, bytes]:
        try:
            request = json.loads(body, parse_float=Decimal)
            uuid, tasks = str(request["uuid"]), request["request"]
            tasks = tasks if isinstance(tasks, list) else [tasks]
            if not uuid or not tasks or not all(isinstance(task.get("type"), str) for task in tasks):
                raise ValueError("uuid or type")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return 400, _dump(_error(501, f"Ошибка парсинга запроса: {error}"))
        if sum(task["type"] in FISCAL for task in tasks) > 1:
            return 400, _dump(_error(501, "Больше одной фискальной операции в задании"))
        if uuid in self.memory["tasks"]:
            return 409, _dump(
                _error(505, f"Не удалось добавить задание с UUID [{uuid}], задание с таким UUID уже есть")
            )
        self.memory["count"] += 1
        self.memory["tasks"][uuid] = {
            "body": body.decode(),
            "results": [{"status": "wait", "code": 0, "description": "Ошибок нет"} for _ in tasks],
        }
        self.memory["queue"].append(uuid)
        blocked = self.memory["blocked"]
        answer = {
            "number": self.memory["count"],
            "uuid": uuid,
            "isBlocked": blocked is not None,
            "blockedUUID": blocked["uuid"] if blocked else "",
            "blockReason": blocked["reason"] if blocked else "",
        }
        self._next(now)
        return 201, _dump(answer)

    def _delete(self, uuid: str) -> tuple[int, bytes]:
        if uuid not in self.memory["queue"]:
            return 409, _dump(_error(505, f"Задание с UUID [{uuid}] нельзя отменить"))
        self.memory["queue"].remove(uuid)
        for result in self.memory["tasks"][uuid]["results"]:
            result.update(status="canceled", code=503, description="Задание отменено")
        return 200, _dump({})

    # The queue

    def _next(self, now: float) -> None:
        if self._running is not None or not self._powered:
            return
        for uuid in list(self.memory["queue"]):
            tasks = self._tasks(uuid)
            if self.memory["blocked"] and not (self._unblock == "continue" and tasks[0]["type"] == "continuePrint"):
                continue
            self.memory["queue"].remove(uuid)
            self._begin(uuid, 0, now)
            return

    def _tasks(self, uuid: str) -> list[dict[str, Any]]:
        tasks = json.loads(self.memory["tasks"][uuid]["body"], parse_float=Decimal)["request"]
        return tasks if isinstance(tasks, list) else [tasks]

    def _begin(self, uuid: str, index: int, now: float) -> None:
        task = self._tasks(uuid)[index]
        kind = task["type"]
        phases: tuple[tuple[str, float], ...] = (("ask", _QUESTIONS_S),)
        if kind in FISCAL:
            phases = _PHASES["receipt"]
        elif kind in ("cashIn", "cashOut"):
            phases = _PHASES["cash"]
        elif kind in _PAPER_TASKS:
            phases = _PHASES["paper"]
        self.memory["tasks"][uuid]["results"][index]["status"] = "inProgress"
        self._running = _Running(
            uuid, index, task, phases, 0, now + phases[0][1] / self._speed, self._register.last_number
        )

    def _go_on(self, running: _Running, now: float) -> None:
        name = running.phases[running.phase][0]
        try:
            result = getattr(self, f"_phase_{name}")(running, now)
        except TaskError as error:
            self._running = None
            self._end(running, "error", error.code, error.description)
            return
        except _Blocked as block:
            self._running = None
            self._block(running, block, now)
            return
        running.phase += 1
        if running.phase < len(running.phases):
            running.until = now + running.phases[running.phase][1] / self._speed
            return
        self._running = None
        record = self.memory["tasks"][running.uuid]["results"][running.index]
        record.update(status="ready", code=0, description="Ошибок нет", result=result)
        if running.task["type"] == "continuePrint" and self.memory["blocked"]:
            self._recover(now)
        if self._on_paper == "warn" and running.document is not None and self.memory["unprinted"]:
            self._hold("paperError", "", running.before, now)
        if running.index + 1 < len(self.memory["tasks"][running.uuid]["results"]):
            self._begin(running.uuid, running.index + 1, now)

    def _end(self, running: _Running, status: str, code: int, description: str) -> None:
        results = self.memory["tasks"][running.uuid]["results"]
        results[running.index].update(status=status, code=code, description=description)
        for result in results[running.index + 1 :]:
            result.update(status="interrupted", code=502, description="Выполнение прервано из-за предыдущих ошибок")

    def _block(self, running: _Running, block: _Blocked, now: float) -> None:
        self._end(running, "blocked", block.code, block.description)
        self._hold(block.reason, running.uuid, running.before, now)

    def _hold(self, reason: str, uuid: str, before: int, now: float) -> None:
        self.memory["blocked"] = {"uuid": uuid, "reason": reason, "before": before}
        self._recover_at = now + RECOVER_S

    def _recover(self, now: float) -> None:
        """Once the cause is gone: what is in the storage is done, what is not there is not."""
        blocked = self.memory["blocked"]
        if blocked is None or not self._can_print() or blocked["uuid"] == "somebody's":
            return
        record = self.memory["tasks"].get(blocked["uuid"])
        for result in record["results"] if record else ():
            if result["status"] == "blocked":
                document = next((one for one in self._register.documents if one["uuid"] == blocked["uuid"]), None)
                if document is None:
                    result["status"] = "error"
                else:
                    result.update(
                        status="ready", code=0, description="Ошибок нет", result=self._register.fiscal(document)
                    )
        self._print_rest()
        self.memory["blocked"] = None
        self._recover_at = None

    # Phases of a task, each at its end

    def _phase_ask(self, running: _Running, now: float) -> object:
        return self._register.question(running.task, now)

    def _phase_begin(self, running: _Running, now: float) -> None:
        task = running.task
        kind = task["type"]
        self._register.age(now)
        if kind in FISCAL:
            self._register.may(kind)
        if kind in OPERATIONS:
            check(task)
        if kind == "cashOut" and minor_of(task["cashSum"]) > self.memory["cash"]:
            raise TaskError(80, "Нет наличных денег")
        if not task.get("electronically"):
            self._needs_paper()

    def _phase_lines(self, running: _Running, now: float) -> None:
        """Out they go; a power cut here leaves nothing."""

    def _phase_close(self, running: _Running, now: float) -> None:
        running.document = self._register.register(running.task, running.uuid, now)

    def _phase_count(self, running: _Running, now: float) -> None:
        amount = minor_of(running.task["cashSum"])
        self.memory["cash"] += amount if running.task["type"] == "cashIn" else -amount
        self.ledger("cash", {"type": running.task["type"], "minor": amount, "task": running.uuid})

    def _phase_print(self, running: _Running, now: float) -> object:
        document, task = running.document, running.task
        if document is not None and task.get("electronically"):
            return self._register.fiscal(document)
        if not self._can_print():
            self.memory["unprinted"] = self.memory["unprinted"] or document is not None
            if document is None or self._on_paper == "block":
                self._needs_paper()
            return self._register.fiscal(document) | {"warnings": {"notPrinted": True}} if document else None
        self._print_rest()
        texts = [item.get("text") or item.get("barcode") for item in task.get("items", ()) if isinstance(item, dict)]
        figures = {"type": task["type"], "task": running.uuid, "text": " | ".join(text for text in texts if text)}
        self.ledger("printed", figures | ({"number": document["number"]} if document else {}))
        if document is not None:
            return self._register.fiscal(document)
        return {"counters": {"cashSum": major_of(self.memory["cash"])}} if "cashSum" in task else None

    def _needs_paper(self) -> None:
        if self._can_print():
            return
        code, words = (45, "Открыта крышка") if self.memory["cover"] else (44, "Нет бумаги")
        if self._on_paper == "block" and self._running is not None and self._running.task["type"] in FISCAL:
            raise _Blocked("paperError", code, words)
        raise TaskError(code, words)

    def _can_print(self) -> bool:
        return bool(self.memory["paper"]) and not self.memory["cover"]

    def _print_rest(self) -> None:
        if self.memory["unprinted"]:
            self.memory["unprinted"] = False
            self.ledger("printed", {"type": "continued", "task": "", "text": "", "number": self._register.last_number})

    # A person's hands

    def do_paper_out(self, now: float) -> None:
        """The roll ends."""
        self.memory["paper"] = False

    def do_paper_in(self, now: float) -> None:
        """A new roll."""
        self.memory["paper"] = True

    def do_cover_open(self, now: float) -> None:
        """The cover."""
        self.memory["cover"] = True

    def do_cover_close(self, now: float) -> None:
        """The cover."""
        self.memory["cover"] = False

    def do_cut_power(self, now: float) -> None:
        """Off and on."""
        self.power_off(now)
        self.power_on(now)

    def do_forget_results(self, now: float) -> None:
        """A new database; what was at the register is cut short."""
        if self._running is not None:
            self.memory["unprinted"] = self.memory["unprinted"] or self._running.document is not None
        self._running = None
        self.memory["tasks"].clear()
        self.memory["queue"].clear()
        self.memory["blocked"] = None
        self._recover_at = None

    def do_expire_shift(self, now: float) -> None:
        """A day later."""
        if self.memory["shift"]["state"] != "opened":
            raise ControlError("no shift is open")
        self.memory["shift"]["state"] = "expired"

    def do_block(self, now: float, reason: str = "paperError") -> None:
        """By a task that is nobody's here."""
        if self.memory["blocked"] is None:
            self._hold(reason, "somebody's", self._register.last_number, now)

    def do_unblock(self, now: float) -> None:
        """It was dealt with. A task of the queue's own blocks it until its own cause is gone."""
        if self.memory["blocked"] is not None and self.memory["blocked"]["uuid"] != "somebody's":
            raise ControlError("a task blocks the queue: take its cause away")
        self.memory["blocked"] = None
        self._recover_at = None
        self._next(now)

    def do_other_sale(self, now: float, total: str = "100.00") -> Mapping[str, object]:
        """Another program's sale, at once."""
        self._register.may("sell")
        amount = Decimal(total)
        items = [{"type": "position", "name": "somebody's", "amount": amount}]
        task = {"type": "sell", "items": items, "payments": [{"type": "0", "sum": amount}]}
        return {"number": self._register.register(task, "somebody's", now)["number"]}

    def describe(self) -> Mapping[str, object]:
        waiting, blocked = len(self.memory["queue"]), self.memory["blocked"]
        return {
            "shift": dict(self.memory["shift"]),
            "last_document": self._register.last_number,
            "cash_minor": self.memory["cash"],
            "paper": self.memory["paper"],
            "cover_open": self.memory["cover"],
            "waiting": waiting,
            "running": None if self._running is None else self._running.task["type"],
            "blocked": None if blocked is None else blocked["reason"],
        }


def _one_of(name: str, value: str, *known: str) -> None:
    if value not in known:
        raise ControlError(f"{name}: {value!r} is none of {', '.join(known)}")


def _error(code: int, description: str) -> dict[str, object]:
    return {"error": {"code": code, "description": description}}


def _result(result: Mapping[str, Any], *, older: bool) -> dict[str, object]:
    answer: dict[str, object] = {"status": result["status"]}
    if older:
        answer |= {"errorCode": result["code"], "errorDescription": result["description"]}
    else:
        answer["error"] = {"code": result["code"], "description": result["description"]}
    if "result" in result:
        answer["result"] = result["result"]
    return answer


_AMOUNTS = ("total", "cashSum", "1020")


def _dump(answer: Mapping[str, object]) -> bytes:
    text = json.dumps(answer, ensure_ascii=False)
    for name in _AMOUNTS:
        head, *rest = text.split(f'"{name}": "')
        text = head + "".join(f'"{name}": ' + part.replace('"', "", 1) for part in rest)
    return text.encode()
