"""`kioskwire-sim`: what stands around a kiosk, simulated, for demonstrations, tests and a developer's desk.

Each subcommand is one entry of `COMMANDS`. Programs that stand further off bring theirs as entry points of the group
`kioskwire.sim`; those are looked for when a word is none of ours or the list is asked for, since looking takes longer
than most commands. Mistakes in the arguments are told all at once, with exit status 2.
"""

import argparse
import difflib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from appliance.workbench import services, simulated
from appliance.workbench.screen import tell_all
from wire.environment import Mistake
from wire.version import VERSION

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "kioskwire.sim"


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
    words = expand(sys.argv[1:] if argv is None else argv)
    further = {} if words and (words[0] in COMMANDS or words[0] == "--version") else _further()
    try:
        known = COMMANDS | _load(further, words[0] if words else "")
    except _Unusable as error:
        print(f"kioskwire-sim: {error}", file=sys.stderr)
        return 1
    for name, command in known.items():
        command.declare(
            commands.add_parser(
                name,
                help=command.summary,
                description=command.summary[0].upper() + command.summary[1:] + ".",
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
        )
    if words and words[0] not in known and (meant := _meant(words[0], further)):
        parser.error(f"{words[0]} is no command, and nothing that hands can do to a device; did you mean {meant}?")
    options, rest = parser.parse_known_args(words)
    mistakes = [Mistake(text, "", f"is no argument of kioskwire-sim {options.command}") for text in rest]
    run = known[options.command].run
    return tell_all(f"kioskwire-sim {options.command}", lambda: run(options, mistakes))


def expand(argv: Sequence[str]) -> list[str]:
    """`insert 1000` means `do insert 1000`."""
    if argv and argv[0] not in COMMANDS and not argv[0].startswith("-") and simulated.is_control(argv[0]):
        return ["do", *argv]
    return list(argv)


class _Unusable(Exception):
    """A command that was asked for is there and cannot be loaded."""


def _further() -> "dict[str, EntryPoint]":
    """Commands of programs this one does not know, not loaded yet."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - a sixth of what `insert` takes, which needs it not

    return {point.name: point for point in entry_points(group=GROUP) if point.name not in COMMANDS}


def _load(further: "Mapping[str, EntryPoint]", asked: str) -> dict[str, Command]:
    """The one that is asked for; all that can be had, to be listed, when none is. Raises `_Unusable`."""
    if asked and not asked.startswith("-"):
        further = {name: point for name, point in further.items() if name == asked}
    loaded = {}
    for name, point in further.items():
        try:
            loaded[name] = Command(*point.load())
        except Exception as error:  # whatever is wrong with it must not be the others' trouble
            if name == asked:
                raise _Unusable(f"{name} cannot be loaded: {type(error).__name__}: {error}") from error
    return loaded


def _meant(word: str, further: "Mapping[str, EntryPoint]") -> str:
    """What a word that is no command is nearly; empty when nothing comes near."""
    if word.startswith("-"):
        return ""
    near = difflib.get_close_matches(word, (*COMMANDS, *further, *simulated.all_controls()), n=1, cutoff=0.75)
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
