"""The demo's cash payment: a customer's hands, what the hub tells meanwhile, and what devices say of it afterwards."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx

from bench.pages import Page
from bench.program import StackError, wait_for
from bench.rack import Rack
from bench.stack import KIOSK, Appliance, Hub, send_headers
from hardware.simulation.control import NotThere
from hardware.simulation.simulator import ControlError
from wire.money import Money

CURRENCY = "KZT"
AMOUNT = 135000
NOTES = (100000, 50000)  # what the customer has: change is due
COIN = 5000
COINS_AT_LEAST, COINS_MORE = 30, 100
READY_S, PAYMENT_S = 60.0, 120.0
READY = ("ready", "disabled")
RECEIPT = {"lines": [{"name": "Капучино 0,3", "price": 45000, "quantity": 3}]}
BODY = {"amount": AMOUNT, "currency": CURRENCY, "receipt": RECEIPT}

Json = dict[str, Any]
Send = Callable[[str, Json], Json]


def people(minor: int) -> str:
    """An amount as people write it: 1 350.00."""
    return f"{Money(minor, CURRENCY).major:,.2f}".replace(",", " ")


class CashPayment:
    """One, from the devices' readiness to the paper in the customer's hand. Every wait has an end.

    Args:
        send: an operation without a customer, by its name and body; gives the answer's body.
    """

    def __init__(self, *, rack: Rack, hub: Hub, appliance: Appliance, key: str, page: Page, send: Send) -> None:
        self._rack = rack
        self._hub = hub
        self._appliance = appliance
        self._key = key
        self._page = page
        self._send = send
        self.told: list[Json] = []  # progress, as the hub gave it
        self._before = self._facts()

    def prepare(self) -> None:
        """Wait until devices are ready, and have the journal know what lies in the hopper. Raises `StackError`."""
        wait_for("all devices being ready", self._is_ready, READY_S, every=0.1)
        lying = self._count("hopper")
        if lying < COINS_AT_LEAST or lying != self._stock():
            if self._stock() < COINS_AT_LEAST:
                self._rack.coins.do("fill-hopper", str(COINS_MORE))
            self._send("hopper", {"action": "set-level", "count": self._stock()})
        self._before = self._facts()

    def take(self, idempotency: str) -> httpx.Response:
        """Send it, put the notes in, show how it goes; returns what the backend is answered. Raises `StackError`."""
        began = time.monotonic()
        with ThreadPoolExecutor(1) as threads:
            answer = threads.submit(self._ask, idempotency)
            customer = _Customer(self._rack, self._page, began)
            watching = threading.Thread(
                target=self._watch, args=(idempotency, answer, customer, began), daemon=True
            )  # fmt: skip
            watching.start()
            found = answer.result(PAYMENT_S + 30.0)
            watching.join(5.0)
        if customer.trouble:
            raise StackError(customer.trouble)
        return found

    def paper(self) -> list[str]:
        """What the register printed last."""
        wait_for("the receipt on paper", lambda: self._documents() > self._before["documents"], 10.0)
        found: list[str] = self._rack.register.do("paper")["paper"]
        return found

    def levels(self) -> dict[str, str]:
        """What lies where, as the kiosk has it."""
        found = {}
        for device in ("bills", "coins", "hopper"):
            lying = self._send(device, {"action": "levels"})["lying"]
            counts = [f"{count} x {people(int(minor))}" for each in lying for minor, count in each["counts"].items()]
            total = sum(each["total"] for each in lying)
            found[device] = f"{people(total)} {CURRENCY}" + (f"  ({', '.join(counts)})" if counts else "")
        return found

    def differences(self, answer: Json) -> list[str]:
        """Where the devices' own ledgers say something else than the answer; empty when all agree."""
        now = self._facts()
        moved = {name: now[name] - self._before[name] for name in now}
        said = {
            "stacked": answer.get("collected"), "paid": answer.get("change_paid"), "documents": 1, "total": AMOUNT,
        }  # fmt: skip
        return [f"{name}: {moved[name]} in the ledger, {said[name]} said" for name in said if moved[name] != said[name]]

    def _ask(self, idempotency: str) -> httpx.Response:
        headers = send_headers(KIOSK, "cash", key=self._key, idempotency=idempotency)
        headers["Header-Timeout"] = f"{PAYMENT_S:g}"
        return self._hub.http.post("/send", json=BODY, headers=headers, timeout=PAYMENT_S + 20.0)

    def _watch(
        self, idempotency: str, answer: "Future[httpx.Response]", customer: "_Customer", began: float
    ) -> None:  # fmt: skip
        """Follow the hub's events until the end; runs in a thread of its own."""
        headers = {"Authorization": f"Bearer {self._key}"}
        try:
            with httpx.Client(base_url=self._hub.url, timeout=30.0, trust_env=False, headers=headers) as http:
                request_id = self._find(http, idempotency, answer)
                if not request_id:
                    return
                with http.stream("GET", f"/operations/{request_id}/events") as events:
                    kind = ""
                    for line in events.iter_lines():
                        name, _, value = line.partition(": ")
                        kind = value if name == "event" else kind
                        if name == "data" and kind == "progress":
                            progress = json.loads(value)
                            self.told.append(progress)
                            self._show(progress, began)
                            customer.sees(progress)
        except (httpx.HTTPError, ControlError, NotThere, StackError) as error:
            customer.trouble = f"the payment could not be followed: {error}"

    def _find(self, http: httpx.Client, idempotency: str, answer: "Future[httpx.Response]") -> str:
        while not answer.done():
            for operation in http.get("/operations", params={"kiosk": KIOSK, "limit": 5}).json()["operations"]:
                if operation["idempotency_key"] == idempotency:
                    return str(operation["request_id"])
            time.sleep(0.05)
        return ""

    def _show(self, progress: Json, began: float) -> None:
        words = in_words(progress)
        if words and (len(self.told) < 2 or words != in_words(self.told[-2])):
            self._page.moment(time.monotonic() - began, words)

    def _is_ready(self) -> bool:
        self._rack.check()
        self._appliance.check()
        devices = self._appliance.health().get("devices", {})
        return bool(devices) and all(each["state"] in READY for each in devices.values())

    def _count(self, device: str) -> int:
        lying = self._send(device, {"action": "levels"})["lying"]
        return sum(count for each in lying for count in each["counts"].values())

    def _stock(self) -> int:
        return int(self._rack.coins.do("describe")["hopper"]["stock"])

    def _documents(self) -> int:
        return sum(line["happened"] == "document_printed" for line in self._rack.register.lines())

    def _facts(self) -> dict[str, int]:
        """What has ever happened, by the ledgers of the devices themselves."""
        receipts = [line for line in self._rack.register.lines() if line["happened"] == "document_stored"]
        sold = [line for line in receipts if line["document"] == "sale"]
        return {
            "stacked": sum(line["minor"] for line in self._rack.bills.lines() if line["happened"] == "bill_stacked"),
            "paid": sum(COIN * line["coins"] for line in self._rack.coins.lines() if line["happened"] == "coin_paid"),
            "documents": len(sold),
            "total": sum(line["total"] for line in sold),
        }


class _Customer:
    """Puts the next note in as soon as the last one is taken and the next is wanted."""

    def __init__(self, rack: Rack, page: Page, began: float) -> None:
        self._rack = rack
        self._page = page
        self._began = began
        self._notes = list(NOTES)
        self.trouble = ""

    def sees(self, progress: Json) -> None:
        """The screen, as it is now."""
        given = sum(NOTES) - sum(self._notes)
        wanted = progress.get("stage") == "collecting" and progress.get("collected") == given
        if self._notes and wanted and self._notes[0] in progress.get("accepts", ()):
            note = self._notes.pop(0)
            value = f"{Money(note, CURRENCY).major:f}".removesuffix(".00")
            self._page.moment(time.monotonic() - self._began, f"$ kioskwire-sim insert {value}", hand=True)
            wait_for("the validator taking the note", lambda: self._rack.bills.do("insert", value)["taken"], 10.0, 0.2)


def in_words(progress: Mapping[str, Any]) -> str:
    """A line about how far it is; empty where there is nothing to say."""
    amount, collected = people(progress.get("amount", 0)), people(progress.get("collected", 0))
    last = progress.get("last") or {}
    value = people(last.get("amount", 0))
    match progress.get("stage"), last.get("what"):
        case "receipt", _:
            receipt = progress.get("receipt")
            if receipt is None:
                return "the receipt is being registered"
            number = f": document {receipt['number']}" if "number" in receipt else ""
            return f"the receipt is {receipt['status']}{number}"
        case "collecting", None:
            notes = [minor for minor in progress.get("accepts", ()) if minor >= 20000]
            taken = ", ".join(people(minor).removesuffix(".00") for minor in notes)
            return f"{amount} to pay; notes it takes: {taken}" if notes else ""
        case _, "note_escrowed":
            return f"a note of {value} is in escrow"
        case _, "note_stacked" | "coin":
            return f"{value} taken: {collected} of {amount}"
        case _, "note_returned":
            return f"a note of {value} was given back"
        case "paying", "payout" | "coins_paid" if progress.get("change_paid"):
            return f"change: {people(progress['change_paid'])} of {people(progress.get('change', 0))} paid out"
    return ""
