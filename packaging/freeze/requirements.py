"""Print what a frozen program is made from: setup.cfg's requirements with the extras that freezing needs.

With a file of constraints, its pins follow.
"""

import configparser
import sys
from pathlib import Path

EXTRAS = ("hub", "appliance", "freeze")


def requirements(text: str) -> list[str]:
    config = configparser.ConfigParser()
    config.read_string(text)
    told = [config["options"]["install_requires"], *(config["options.extras_require"][extra] for extra in EXTRAS)]
    return sorted({line.strip() for part in told for line in part.splitlines() if line.strip()})


if __name__ == "__main__":
    print("\n".join(requirements(Path("setup.cfg").read_text(encoding="utf-8"))))
    for name in sys.argv[1:]:
        print(Path(name).read_text(encoding="utf-8"))
