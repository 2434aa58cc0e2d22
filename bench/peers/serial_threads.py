"""The usual way to poll a validator: pyserial, blocking reads, a thread for each port.

It does what our driver does on the line (poll every 200 ms, an ACK behind every answer, STACK for each note, a journal
write of 5 ms before the ACK of a stacked one) and none of the rest: no link supervision, no intents, no recovery.

    python -m bench.peers.serial_threads PORT [PORT ...]
"""

import sys
import threading
import time

import serial

from bench.devices import JOURNAL_S, POLL_S

POLL = bytes.fromhex("02030633DA81")
ACK = bytes.fromhex("02030600C282")
RESET = bytes.fromhex("0203063041B3")
ENABLE_ALL = bytes.fromhex("02030C34FFFFFFFFFFFFFEF7")
STACK = bytes.fromhex("02030635ECE4")
ESCROW, STACKED, DISABLED = 0x80, 0x81, 0x19


def main() -> None:
    """Polls until it is killed."""
    for port in sys.argv[1:]:
        threading.Thread(target=_keep, args=(port,), daemon=True).start()
    threading.Event().wait()


def _keep(name: str) -> None:
    with serial.Serial(name, 9600, timeout=1.0) as port:
        _ask(port, RESET)
        while True:
            began = time.monotonic()
            answer = _ask(port, POLL)
            if len(answer) > 3:
                if answer[3] == STACKED:
                    time.sleep(JOURNAL_S)
                port.write(ACK)
                if answer[3] == DISABLED:
                    time.sleep(0.02)
                    _ask(port, ENABLE_ALL)
                elif answer[3] == ESCROW:
                    time.sleep(0.02)
                    _ask(port, STACK)
            time.sleep(max(0.0, began + POLL_S - time.monotonic()))


def _ask(port: serial.Serial, frame: bytes) -> bytes:
    port.write(frame)
    head: bytes = port.read(3)
    if len(head) < 3:
        return b""
    rest: bytes = port.read(head[2] - 3)
    return head + rest


if __name__ == "__main__":
    main()
