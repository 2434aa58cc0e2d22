"""What a frozen `kioskwire-appliance` begins with. Called `kioskwire-sim`, by a link, it is that.

As one file it is two processes: the first unpacks and waits, the second is the program. Who kills the first with
SIGKILL, which nobody can pass on, would leave the second running, with the journal locked and nobody to stop it. So it
looks whose child it is, and ends as for SIGTERM when that changes.
"""

import os
import signal
import sys
import threading

_LOOK_EVERY_S = 1.0


def main() -> int:
    if _lies_in_folder():
        return _become()
    over = threading.Event()  # no daemon thread: those are ended by a library that a bare machine may lack
    threading.Thread(target=_follow, args=(os.getppid(), over), name="follow").start()
    try:
        return _become()
    finally:
        over.set()


def _become() -> int:
    if os.path.basename(sys.argv[0]) == "kioskwire-sim":
        from appliance.simulate import main as simulate

        return simulate()
    from appliance.__main__ import main as appliance

    return appliance()


def _lies_in_folder() -> bool:
    beside = os.path.dirname(os.path.realpath(sys.executable))
    return os.path.commonpath([os.path.realpath(sys._MEIPASS), beside]) == beside


def _follow(parent: int, over: threading.Event) -> None:
    while not over.wait(_LOOK_EVERY_S):
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
            return


if __name__ == "__main__":
    sys.exit(main())
