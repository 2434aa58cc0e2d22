"""The program on a kiosk: takes operations from the hub and carries each out at most once.

Floors, each importing only from below (checked by import-linter): `__main__`, `app`, then the doors `uplink` and
`web`, then `operations`, then `gateways` and `health`, then `journal`, then `settings`, `routes` and `logs`.
"""
