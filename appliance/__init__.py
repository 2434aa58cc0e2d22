"""The program on a kiosk: takes operations from the hub and carries each out at most once.

Floors, each importing only from below (checked by import-linter): `__main__`, `app`, then the doors `uplink` and
`web`, then `operations`, then `desk`, then the rooms `cash`, `fiscal`, `printing` and `gateways`, which are strangers
to each other, then `engineer`, then `supervisor`, `health` and `network`, then `levels`, then `journal`, then `targets`
and `screen`, then `settings` and `routes`, and `cancelled` below all.
"""
