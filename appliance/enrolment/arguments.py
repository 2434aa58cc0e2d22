"""What `kioskwire-appliance enroll` takes, and how it ends. Imports nothing of ours."""

import argparse

DONE, REFUSED, USAGE, LATER, ENROLLED = 0, 1, 2, 3, 4

_DESCRIPTION = f"""\
Gives this kiosk its identity: trades a one-time code (`kioskwire-hub kiosk add` shows one) for a token and keeps it.

Exit status: {DONE} enrolled; {REFUSED} the hub refused the code; {USAGE} something is missing or wrong;
{LATER} the hub cannot be reached now, and a running appliance goes on trying; {ENROLLED} the kiosk is enrolled
already, which --force overrides."""


def declare(parser: argparse.ArgumentParser) -> None:
    """The options, and what the exit status says."""
    parser.description = _DESCRIPTION
    parser.add_argument("--hub", metavar="ADDRESS", default="", help="such as hub.example.com (default: WS_SERVER_URL)")
    parser.add_argument("--code", metavar="CODE", default="", help=(
        "the one-time code, - to read it from standard input; others see it in the list of processes: better left "
        "out, to be asked for, or in the environment's ENROLL_CODE"
    ))  # fmt: skip
    parser.add_argument("--force", action="store_true", help="enrol a kiosk anew that is enrolled already")
    parser.add_argument("--pin", action="store_true", help=(
        "ask for the PIN of the engineer's part of the kiosk's page too; on standard input it is the line behind the "
        "code"
    ))  # fmt: skip
