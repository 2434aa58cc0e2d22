"""Arguments of `kioskwire-appliance devices`, `decode`, `replay`, `report`. Imports nothing heavy: --help is quick."""

import argparse

# As `hardware.catalogue.PROTOCOLS` has them.
PROTOCOLS = ("ccnet", "cctalk", "cctalk-crc16", "shtrih-v1", "shtrih-v2", "escpos", "id003", "itl-ssp")
PAY_MAX = 5  # coins; a test is no way to empty a hopper


def declare(parser: argparse.ArgumentParser) -> None:
    """Arguments of `devices` and of `devices test`."""
    parser.add_argument("--port", metavar="URL", action="append", default=[], help=(
        "look at this port too: a path or tcp://host:port; may be given again"
    ))  # fmt: skip
    parser.add_argument("--only", action="store_true", help="look at no other ports than those given by --port")
    parser.add_argument("--no-probe", action="store_true", help="list the ports and send nothing")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    commands = parser.add_subparsers(dest="devices_command", title="commands", metavar="COMMAND")
    test = commands.add_parser(
        "test", help="walk through one device: a note, a coin, a slip",
        description="Walks an engineer through one device. Exit status: 0 passed, 1 failed, 2 asked for wrongly.",
    )  # fmt: skip
    test.add_argument(
        "device", metavar="NAME", help="a name of the routing file's `devices:`, or a port (with --driver)"
    )
    test.add_argument("--driver", metavar="NAME", help="what hangs on the port, such as ccnet, shtrih, escpos")
    test.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="a setting of the driver")
    test.add_argument("--keep", action="store_true", help="a note is kept instead of given back")
    test.add_argument("--pay", metavar="COINS", default="0", help=f"a hopper pays so many, 1 to {PAY_MAX}")
    test.add_argument("--coins", metavar="COUNT", default="1", help="how many coins to wait for (default: %(default)s)")
    test.add_argument("--wait", metavar="SECONDS", default="120", help="for a person's hand (default: %(default)s)")
    test.add_argument("--journal", metavar="FILE", help="where what happens is written; found again by the next test")
    test.add_argument("--trace", metavar="FILE", help="write every byte of the line there")


def declare_decode(parser: argparse.ArgumentParser) -> None:
    """Arguments of `decode`."""
    parser.description = (
        "Reads frames. Exit status: 0 a good frame, 1 to be refused (the reason is on stderr), 2 asked for wrongly."
    )
    parser.add_argument("protocol", metavar="PROTOCOL", help=f"one of {', '.join(PROTOCOLS)}")
    parser.add_argument(
        "hex", metavar="HEX", nargs="+", help="bytes, with or without spaces, colons and 0x; - for stdin"
    )
    parser.add_argument("--from", dest="sender", choices=("host", "device"), help="who sends it; guessed when not said")
    parser.add_argument("--json", action="store_true", help="print it as one JSON object")


def declare_replay(parser: argparse.ArgumentParser) -> None:
    """Arguments of `replay`."""
    parser.description = "Tells a trace in words. Exit status: 0, or 2 when it cannot be read."
    parser.add_argument("trace", metavar="TRACE", help="a file that `devices test --trace` wrote")
    parser.add_argument(
        "--protocol", metavar="PROTOCOL", default="", help="read it as this one, whatever it says itself"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def declare_report(parser: argparse.ArgumentParser) -> None:
    """Arguments of `report`."""
    parser.description = (
        "Reads the journal, beside a running appliance or without one, and changes nothing. "
        "Exit status: 0, 1 when there is no journal to read, 2 when it was asked for wrongly."
    )
    parser.add_argument("--state-dir", metavar="DIR", help="where the journal lies (beats STATE_DIR)")
    parser.add_argument("--json", action="store_true", help="print one JSON object, amounts in minor units")
