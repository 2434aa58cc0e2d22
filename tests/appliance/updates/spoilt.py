"""What is wrong with versions: put into their `appliance/app.py`, at the beginning of `run`."""

from pathlib import Path

CRASHES = "    raise SystemExit(70)\n"
UNWELL = "    Appliance._seen = lambda self: Seen(connected=False, devices={}, trouble='it is unwell')\n"
_RUN = '    """Run until SIGTERM or SIGINT. Raises what `Appliance.start` raises."""\n'
WRONG = {"1.0.2": CRASHES, "1.0.3": UNWELL, "1.0.4": UNWELL}


def spoil(tree: Path, version: str) -> None:
    """Make a version as bad as it is to be."""
    app = tree / "appliance/app.py"
    text = app.read_text()
    if text.count(_RUN) != 1:
        raise ValueError("appliance/app.py is not as this test knows it")
    app.write_text(text.replace(_RUN, _RUN + WRONG.get(version, "")))
