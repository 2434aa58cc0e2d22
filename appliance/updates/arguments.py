"""Arguments of `kioskwire-appliance update`, `confirm` and `restart`. Imports nothing heavy: --help is quick."""

import argparse

_UPDATE = """\
without a word: status
  status       what runs, what could, what has failed
  check        look what there is, and change nothing
  fetch        fetch the newest for this kiosk, and have it laid ready
  now          all of it, as soon as nothing moves, whatever window and percentage; waits for the end
  apply        (root) make a version of what was fetched; kioskwire-update.service does this
  forgive V    let a version be tried again that has failed
With --file a release is taken from a file, with its signature (.minisig) beside it: for kiosks without a line.
Exit status: 0 done or nothing to do, 1 not done (why is on stderr), 2 asked for wrongly."""


def declare_update(parser: argparse.ArgumentParser) -> None:
    """Arguments of `update`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = f"New versions of this program.\n\n{_UPDATE}"
    actions = ("status", "check", "fetch", "now", "apply", "forgive")
    parser.add_argument("action", nargs="?", choices=actions, default=None, metavar="WORD", help=", ".join(actions))
    parser.add_argument("version", nargs="?", metavar="V", help="of forgive: which")
    parser.add_argument("--file", metavar="FILE", help="a release's archive, to be installed now (as root)")
    parser.add_argument("--within", type=float, default=3600.0, metavar="SECONDS", help=(
        "how long to wait for a moment in which nothing moves, and for the end (default: %(default)g)"
    ))  # fmt: skip


def declare_confirm(parser: argparse.ArgumentParser) -> None:
    """Arguments of `confirm`."""
    parser.description = (
        "Is the running appliance as well as before: does it serve, is the hub reached if it was, do the devices work "
        "that did? Exit status: 0 five times in a row, 1 not within its time, with reasons."
    )
    parser.add_argument("--within", type=float, default=180.0, metavar="SECONDS", help="(default: %(default)g)")


def declare_restart(parser: argparse.ArgumentParser) -> None:
    """Arguments of `restart`."""
    parser.description = (
        "Have the running appliance end, and its service manager start it again, once nothing moves. Exit status: 0 it "
        "runs anew, or none ran; 1 something moved all the time, and nothing has changed."
    )
    parser.add_argument("--when-idle", action="store_true", required=True, help="there is no other way")
    parser.add_argument("--within", type=float, default=300.0, metavar="SECONDS", help="(default: %(default)g)")
