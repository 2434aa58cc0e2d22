"""A conversation by hand: what the protocol says is expected, what the device answers is given, time is moved."""

from collections.abc import Mapping
from typing import Any

from hardware.ccnet.bill_table import write_table
from hardware.ccnet.commands import COMMANDS
from hardware.ccnet.frames import ACK, NAK, Frame, FrameReader, encode
from hardware.ccnet.protocol import CcnetProtocol
from hardware.events import Event
from hardware.protocol import Action, Finish, Record, Send, SetLine

TABLE = write_table({0: ("KAZ", 2, 2), 1: ("KAZ", 5, 2), 2: ("KAZ", 1, 3), 3: ("RUS", 1, 2)}).hex()
IDENTIFICATION = b"SM-KZ0721".ljust(15).hex() + b"21K100004711".hex() + "00" * 7


class Talk:
    """`said` is all that the protocol did, in order."""

    def __init__(self, memory: Mapping[str, object] | None = None, *, address: int = 3, **settings: Any) -> None:
        self.address = address
        self.protocol = CcnetProtocol(memory or {}, currency="KZT", address=address, **settings)
        self.now = 100.0
        self.said: list[Action] = []
        self.memory: Mapping[str, object] = memory or {}
        self._heard = 0
        self._ticket = 0
        self.did(self.protocol.opened(self.now))

    def did(self, actions: Any) -> list[Action]:
        """Take note of actions."""
        for action in actions:
            self.said.append(action)
            if isinstance(action, Record) and action.memory is not None:
                self.memory = action.memory
        return list(actions)

    def next(self, within_s: float = 30.0) -> str:
        """Let time pass until the next command leaves; its data in hex, or "ACK", "NAK"."""
        limit = self.now + within_s
        while True:
            if (sent := self._sent()) is not None:
                return sent
            wake_at = self.protocol.wake_at
            assert wake_at is not None
            assert wake_at <= limit, "nothing is said any more"
            self.now = max(self.now, wake_at)
            self.did(self.protocol.wake(self.now))

    def expect(self, *wanted: str) -> None:
        """The next commands, by name or in hex; each but the last is not answered here."""
        for each in wanted:
            said = self.next()
            name = COMMANDS[int(said[:2], 16)].name if said not in ("ACK", "NAK") else said
            assert each in (said, name), f"{name} ({said}) was said, not {each}"

    def answer(self, data: str, after_s: float = 0.02) -> list[Action]:
        """The device answers."""
        self.now += after_s
        return self.did(self.protocol.received(encode(Frame(self.address, bytes.fromhex(data)), "device"), self.now))

    def exchange(self, wanted: str, data: str) -> list[Action]:
        """A command and its answer; an answer with data must be confirmed."""
        self.expect(wanted)
        actions = self.answer(data)
        if data not in ("00", "ff", "30"):
            self.expect("ACK")
        return actions

    def poll(self, data: str) -> list[Action]:
        """POLL and its answer, confirmed."""
        return self.exchange("POLL", data)

    def command(self, command: object) -> int:
        """From above."""
        self._ticket += 1
        self.did(self.protocol.command(command, self._ticket, self.now))
        return self._ticket

    def ended(self, ticket: int) -> Finish:
        """How it was finished."""
        [finish] = [action for action in self.said if isinstance(action, Finish) and action.ticket == ticket]
        return finish

    def pending(self, ticket: int) -> bool:
        """It is not finished."""
        return not any(isinstance(action, Finish) and action.ticket == ticket for action in self.said)

    def events(self, *kinds: type[Event]) -> list[Event]:
        """Those that were recorded."""
        records = [action.event for action in self.said if isinstance(action, Record) and action.event is not None]
        return [event for event in records if not kinds or isinstance(event, kinds)]

    def bauds(self) -> list[int]:
        """The speeds that were set."""
        return [action.baud for action in self.said if isinstance(action, SetLine)]

    def set_up(self, counter: str = "0000") -> "Talk":
        """From a cold start to DISABLED."""
        self.poll("10")
        self.exchange("GET BILL TABLE", TABLE)
        self.exchange("IDENTIFICATION", IDENTIFICATION)
        self.exchange("RESET", "00")
        self.poll("13")
        self.poll("19")
        self.exchange("GET STATUS", "000000000000")
        self.exchange("SET SECURITY", "00")
        self.exchange("GET COUNTER OF STACKED BILLS", counter)
        self.exchange("34000000000000", "00")
        self.poll("19")
        return self

    def taking(self) -> "Talk":
        """And on to IDLING with all notes enabled."""
        from hardware.bills import Enable

        self.command(Enable(None))
        self.exchange("34000007000007", "00")
        self.poll("14")
        return self

    def _sent(self) -> str | None:
        while self._heard < len(self.said):
            action = self.said[self._heard]
            self._heard += 1
            if isinstance(action, Send):
                [frame] = FrameReader("host").feed(action.data)
                assert frame.address == self.address
                return {ACK: "ACK", NAK: "NAK"}.get(frame.data, frame.data.hex())
        return None
