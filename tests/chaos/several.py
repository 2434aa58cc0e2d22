"""Which scenarios are lived through with several hubs (`HUBS=2 make chaos`), and why the others are not. Pure."""

_NO_HUB = "no hub takes part in it"
ONE_HUB = {
    "hubs": "it is the soak on three; with HUBS the soak has that many",
    "backlog": "it writes into the file of a hub that does not run, and times the one hub that a kiosk drains to",
    "slow": "it holds the memory and the files of one hub, at whose every door somebody is slow, against their bounds",
    "crashes": "it has one hub on SQLite die at each of its writes; hubs that share a database have theirs tried in"
    " tests/cloud, and are killed at random in the soak",
    "disk": "it fills and takes away the disk with a hub's own SQLite; several hubs keep nothing on theirs",
    "fuzz": "it watches the log and the memory of the one hub whose doors it tries; those of each are the same",
    "schema": "it tries one hub's description, which is the same at each",
    "canary": "it looks for secrets in the files of one hub",
    "desk": _NO_HUB,
    "desk_crashes": _NO_HUB,
    "powercuts": "it cuts the power of a kiosk's and of one hub's own SQLite; several hubs have none",
    "devices": _NO_HUB,
}


def left_out(scenarios: "list[str]", hubs: int) -> dict[str, str]:
    """Those of them that are not run with so many hubs, each with the reason."""
    return {name: ONE_HUB[name] for name in scenarios if hubs > 1 and name in ONE_HUB}
