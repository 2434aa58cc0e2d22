"""What a frozen `kioskwire-appliance` begins with. Called `kioskwire-sim`, by a link, it is that."""

import os
import sys


def main() -> int:
    if os.path.basename(sys.argv[0]) == "kioskwire-sim":
        from appliance.simulate import main as simulate

        return simulate()
    from appliance.__main__ import main as appliance

    return appliance()


if __name__ == "__main__":
    sys.exit(main())
