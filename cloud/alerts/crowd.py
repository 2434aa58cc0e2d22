"""One kiosk is not trusted to fill the alerts of all: what it has standing beyond a bound is counted. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from cloud.alerts.alert import Condition

OF_A_KIND, OF_A_KIOSK = 20, 60  # conditions of one kiosk that are alerts of their own


def bounded(conditions: Iterable[Condition]) -> list[Condition]:
    """The oldest of each kiosk, and for each kind of which there are more one without a subject: `more` says how many.

    So a kiosk has `OF_A_KIOSK` of them at most, and one for each kind.
    """
    of_kiosks: dict[str, list[Condition]] = defaultdict(list)
    for condition in conditions:
        of_kiosks[condition.kiosk_id].append(condition)
    return [one for found in of_kiosks.values() for one in _of_one(found)]


def _of_one(found: list[Condition]) -> list[Condition]:
    counts = Counter(condition.kind for condition in found)
    if len(found) <= OF_A_KIOSK and max(counts.values()) <= OF_A_KIND:
        return found
    kept: list[Condition] = []
    left: dict[str, list[Condition]] = defaultdict(list)
    counts.clear()
    # Those without a subject first: a kiosk has one of a kind.
    for condition in sorted(found, key=lambda each: (each.subject != "", each.since, each.kind, each.subject)):
        if len(kept) < OF_A_KIOSK and counts[condition.kind] < OF_A_KIND:
            kept.append(condition)
            counts[condition.kind] += 1
        else:
            left[condition.kind].append(condition)
    return [*_without_double(kept, left), *(_rest(rest) for rest in left.values())]


def _without_double(kept: list[Condition], left: dict[str, list[Condition]]) -> list[Condition]:
    """What is kept; what would be the same alert as that of the rest is counted with them."""
    found = []
    for condition in kept:
        if not condition.subject and condition.kind in left:
            left[condition.kind].append(condition)
        else:
            found.append(condition)
    return found


def _rest(left: list[Condition]) -> Condition:
    since = min(condition.since for condition in left)
    return Condition(kind=left[0].kind, kiosk_id=left[0].kiosk_id, since=since, data={"more": len(left)})
