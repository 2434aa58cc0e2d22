"""The web server in software: it keeps to the rules that the driver relies on."""

import json
from typing import Any

import h11
import pytest

from hardware.atol.simulator import AtolSimulator
from hardware.simulation.simulator import ControlError


class Bench:
    """One simulator, time moved by hand."""

    def __init__(self, **options: Any) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []
        self.memory: dict[str, Any] = {}
        self.simulator = AtolSimulator(
            self.memory, lambda kind, figures: self.lines.append((kind, dict(figures))), **options
        )
        self.now = 0.0
        self.simulator.power_on(0.0)

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        data = b"" if body is None else json.dumps(body).encode()
        status, answer = self.simulator.answer(method, path, data, self.now)
        return status, json.loads(answer)

    def post(self, uuid: str, *tasks: dict[str, Any]) -> tuple[int, Any]:
        return self.call("POST", "/api/v2/requests", {"uuid": uuid, "request": list(tasks)})

    def status(self, uuid: str) -> list[str]:
        return [result["status"] for result in self.call("GET", f"/api/v2/requests/{uuid}")[1]["results"]]

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while (at := self.simulator.wake_at) is not None and at <= until:
            self.now = at
            self.simulator.wake(at)
        self.now = until


SALE = {
    "type": "sell",
    "items": [{"type": "position", "name": "x", "price": 1.5, "quantity": 2, "amount": 3.0}],
    "payments": [{"type": "0", "sum": 3.0}],
}


def test_a_task_goes_its_way() -> None:
    bench = Bench()
    assert bench.post("a", {"type": "openShift"})[0] == 201
    assert bench.status("a") == ["inProgress"]
    bench.post("b", SALE)
    assert bench.status("b") == ["wait"]
    bench.run(10)
    assert bench.status("a") == bench.status("b") == ["ready"]
    assert [figures["total"] for kind, figures in bench.lines if kind == "document"] == [0, 300]


def test_a_uuid_is_taken_once() -> None:
    bench = Bench()
    bench.post("a", {"type": "reportX"})
    status, answer = bench.post("a", {"type": "reportX"})
    assert (status, answer["error"]["code"]) == (409, 505)
    bench.run(10)
    assert len(bench.lines) == 1


def test_an_unknown_uuid() -> None:
    status, answer = Bench().call("GET", "/api/v2/requests/x")
    assert (status, answer["error"]["code"]) == (404, 505)


@pytest.mark.parametrize("body", [None, [], {"uuid": "a"}, {"uuid": "a", "request": []}, {"uuid": "a", "request": [5]}])
def test_bad_bodies(body: object) -> None:
    assert Bench().call("POST", "/api/v2/requests", body)[0] == 400


def test_older_answers_on_the_older_path() -> None:
    bench = Bench()
    bench.call("POST", "/requests", {"uuid": "a", "request": {"type": "dance"}})
    bench.run(1)
    _, answer = bench.call("GET", "/requests/a")
    assert answer["results"][0]["errorCode"] == 11
    assert "error" not in answer["results"][0]


def test_after_an_error_the_rest_is_interrupted() -> None:
    bench = Bench()
    bench.post("a", {"type": "getShiftStatus"}, {"type": "dance"}, {"type": "getFnInfo"})
    bench.run(1)
    assert bench.status("a") == ["ready", "error", "interrupted"]


def test_only_a_waiting_task_can_be_deleted() -> None:
    bench = Bench()
    bench.post("a", {"type": "reportX"})
    bench.post("b", {"type": "reportX"})
    assert bench.call("DELETE", "/api/v2/requests/a")[0] == 409
    assert bench.call("DELETE", "/api/v2/requests/b")[0] == 200
    bench.run(10)
    assert bench.status("b") == ["canceled"]
    assert len(bench.lines) == 1


@pytest.mark.parametrize(
    ("task", "code"),
    [
        ({**SALE, "payments": [{"type": "0", "sum": 2.99}]}, 66),
        ({**SALE, "payments": [{"type": "1", "sum": 3.01}]}, 52),
        ({**SALE, "total": 4.0}, 227),
        ({**SALE, "items": [{**SALE["items"][0], "amount": 3.5}]}, 227),  # type: ignore[index]
        ({"type": "openShift"}, 83),
        ({"type": "cashOut", "cashSum": 1.0}, 80),
        ({"type": "getFnDocument", "fiscalDocumentNumber": 9}, 123),
    ],
)
def test_the_register_says_no(task: dict[str, Any], code: int) -> None:
    bench = Bench()
    bench.post("s", {"type": "openShift"})
    bench.run(10)
    bench.post("a", task)
    bench.run(10)
    _, answer = bench.call("GET", "/api/v2/requests/a")
    assert (answer["results"][0]["status"], answer["results"][0]["error"]["code"]) == ("error", code)


def test_a_shift_ages() -> None:
    bench = Bench()
    bench.post("s", {"type": "openShift"})
    bench.run(10)
    bench.now += 24 * 3600
    bench.post("a", SALE)
    bench.run(10)
    assert bench.call("GET", "/api/v2/requests/a")[1]["results"][0]["error"]["code"] == 68
    bench.post("z", {"type": "closeShift"})
    bench.run(10)
    assert bench.status("z") == ["ready"]


def test_memory_survives_the_power_and_json() -> None:
    bench = Bench()
    bench.post("s", {"type": "openShift"})
    bench.run(10)
    bench.post("a", SALE)
    bench.run(1.2)
    bench.simulator.power_off(bench.now)
    assert bench.simulator.wake_at is None
    memory = json.loads(json.dumps(bench.memory))
    again = AtolSimulator(memory, lambda *_: None)
    again.power_on(0.0)
    _, body = again.answer("GET", "/api/v2/requests/a", b"", 0.0)
    assert json.loads(body)["results"][0]["status"] == "interrupted"
    assert len(memory["documents"]) == 2


def test_http_however_it_is_cut() -> None:
    bench = Bench()
    body = json.dumps({"uuid": "a", "request": {"type": "getFnStatus"}}).encode()
    request = b"POST /api/v2/requests HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    answers = [answer for byte in request for answer in bench.simulator.received(bytes([byte]), 0.0)]
    assert len(answers) == 1
    assert answers[0].startswith(b"HTTP/1.1 201 ")
    bench.run(1)
    two = b"GET /api/v2/requests/a HTTP/1.1\r\nHost: x\r\n\r\n" * 2
    assert len(bench.simulator.received(two, 1.0)) == 2
    assert bench.simulator.received(b"\x00\x01 nonsense\r\n\r\n", 1.0)[0].startswith(b"HTTP/1.1 400 ")
    # A connection that was left in the middle does not spoil the next.
    bench.simulator.received(request[:60], 1.0)
    bench.simulator.hung_up(1.0)
    (answer,) = bench.simulator.received(two[: len(two) // 2], 1.0)
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    client.receive_data(answer)
    assert isinstance(client.next_event(), h11.Response)


def test_without_power_nothing_answers() -> None:
    bench = Bench()
    bench.simulator.power_off(0.0)
    assert bench.simulator.received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0.0) == ()


def test_hands_that_do_the_impossible() -> None:
    bench = Bench()
    for name, arguments in (("expire_shift", {}), ("dance", {}), ("paper_out", {"x": "1"})):
        with pytest.raises(ControlError):
            bench.simulator.control(name, arguments, 0.0)
    with pytest.raises(ControlError):
        Bench(on_cut="never")


def test_every_hand_works() -> None:
    bench = Bench()
    bench.post("s", {"type": "openShift"})
    bench.run(10)
    for name, control in AtolSimulator.controls.items():
        bench.simulator.control(name, dict(control.arguments), bench.now)
    assert bench.simulator.describe()["last_document"] == 2
    assert bench.simulator.describe()["shift"]["state"] == "expired"  # type: ignore[index]
