"""What a frozen `kioskwire-hub` begins with."""

from cloud.__main__ import main

if __name__ == "__main__":
    main()
