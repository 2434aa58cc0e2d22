"""`kioskwire-sim`: what stands around a kiosk, simulated, for demonstrations, tests and a developer's desk.

Each subcommand is one entry of `COMMANDS`. Mistakes in the arguments are told all at once, with exit status 2.
"""

import argparse
import difflib
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from appliance.workbench import services, simulated
from appliance.workbench.screen import tell_all
from wire.environment import Mistake
from wire.version import VERSION


class Command(NamedTuple):
    """A subcommand: its one line of help, its arguments, and what it does with them (returns the exit status).

    Arguments are declared without types: `run` reads them, so that every mistake can be told at once.
    """

    summary: str
    declare: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, list[Mistake]], int]


def main(argv: Sequence[str] | None = None) -> int:
    """The command's entrance. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="kioskwire-sim",
        description="Simulates what stands around a kiosk. Nothing here moves real money.",
        epilog="kioskwire-sim COMMAND --help tells more of each. What hands can do to a simulated device may be given\n"
        "straight away: kioskwire-sim insert 1000, kioskwire-sim paper-out, kioskwire-sim unplug.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"kioskwire-sim {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        command.declare(
            commands.add_parser(
                name,
                help=command.summary,
                description=command.summary[0].upper() + command.summary[1:] + ".",
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
        )
    words = expand(sys.argv[1:] if argv is None else argv)
    if words and (meant := _meant(words[0])):
        parser.error(f"{words[0]} is no command, and nothing that hands can do to a device; did you mean {meant}?")
    options, rest = parser.parse_known_args(words)
    mistakes = [Mistake(text, "", f"is no argument of kioskwire-sim {options.command}") for text in rest]
    run = COMMANDS[options.command].run
    return tell_all(f"kioskwire-sim {options.command}", lambda: run(options, mistakes))


def expand(argv: Sequence[str]) -> list[str]:
    """`insert 1000` means `do insert 1000`."""
    if argv and argv[0] not in COMMANDS and not argv[0].startswith("-") and simulated.is_control(argv[0]):
        return ["do", *argv]
    return list(argv)


def _meant(word: str) -> str:
    """What a word that is no command is nearly; empty when it is one, or nothing comes near."""
    if word in COMMANDS or word.startswith("-"):
        return ""
    near = difflib.get_close_matches(word, (*COMMANDS, *simulated.all_controls()), n=1, cutoff=0.75)
    return near[0] if near else ""


COMMANDS = {
    "gateway": Command(
        "a local payment and fiscal gateway with a ledger and faults", services.declare_gateway, services.run_gateway
    ),
    "kaspi-pos": Command("a Kaspi Smart POS with a ledger and faults", services.declare_kaspi, services.run_kaspi),
    "device": Command(
        "a cash or fiscal device on a serial or TCP line", simulated.declare_device, simulated.run_device
    ),
    "atol-web": Command(
        "ATOL's web server with a register behind it: the device atol on a TCP port",
        simulated.declare_atol_web,
        simulated.run_device,
    ),
    "do": Command("a hand on a simulated device that runs", simulated.declare_do, simulated.run_do),
    "list": Command("the simulated devices that run", simulated.declare_list, simulated.run_list),
}


if __name__ == "__main__":
    raise SystemExit(main())
