"""Arguments of `kioskwire-appliance devices`. Imports nothing heavy, so that --help is quick."""

import argparse

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
