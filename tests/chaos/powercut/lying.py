"""Disks that say yes and forget: the last syncs before a power cut did nothing, though they told no error.

Nothing can be promised then. But it must end in a sound journal all the same, be it an older one, or in one that was
set aside with an alarm, or in a new one with another id, which the hub tells as unknown; never in a journal that does
not open, or one that tells what never was.
"""

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.chaos.powercut.check import Checker, Moment, read
from tests.chaos.powercut.disk import Image, Op, Sync
from tests.chaos.powercut.facts import Facts, Remains
from tests.chaos.powercut.record import lay_out
from wire.messages import Executed, Response

_FORGOTTEN = (1, 2, 5, 20, 1000)  # syncs
_response = msgspec.json.Decoder(Response)


async def forget_and_cut(place: Path, log: list[Op], checker: Checker, rng: random.Random, cuts: int) -> Counter[str]:
    """Cut at so many places of a record, with some of the last syncs undone. Returns how often it ended in what."""
    ends: Counter[str] = Counter()
    for number in range(cuts):
        position, forgotten = rng.randrange(len(log)), rng.choice(_FORGOTTEN)
        moment = _without_last_syncs(log[:position], forgotten)
        for state, image in enumerate(moment.disk.states(rng, singles=0, randoms=2)):
            where = f"a disk that forgot {forgotten} syncs, cut after {position}, state {state}"
            end, wrong = await _judge(place / f"{number}-{state}", image, moment.facts)
            ends[end] += 1
            checker.tally.states += 1
            for words in wrong:
                checker.tally.breach(f"{where}: {words}")
    return ends


def _without_last_syncs(log: list[Op], count: int) -> Moment:
    syncs = [position for position, op in enumerate(log) if isinstance(op, Sync)]
    undone = set(syncs[-count:])
    moment = Moment()
    for position, op in enumerate(log):
        if position not in undone:
            moment.pass_by(op)
    return moment


async def _judge(place: Path, image: Image, facts: Facts) -> tuple[str, list[str]]:
    """What it ended in, and what is wrong with that. It is opened twice: an alarm must not come again and again."""
    lay_out(image, place)
    try:
        first, second = await read(place), await read(place)
    finally:
        shutil.rmtree(place)
    wrong = list(_false(first, facts))
    if second.id != first.id or second.notices or second.set_aside != first.set_aside:
        wrong.append(f"opened again it is another: {first} {second}")
    if first.notices:
        if not any(event.kind == "journal-damaged" for event in first.events):
            wrong.append("set aside without an alarm")
        if facts.journal and first.id == facts.journal:
            wrong.append("set aside, and the new one has the old id")
        return "set aside", wrong
    if facts.journal and first.id != facts.journal:
        return "begun anew", wrong
    lost = (facts.begun | facts.stored.keys()) - first.rows.keys()
    lost |= {name for name, told in facts.stored.items() if name in first.rows and first.rows[name].response != told}
    return ("older" if lost else "nothing lost"), wrong


def _false(found: Remains, facts: Facts) -> Iterator[str]:
    if found.trouble:
        yield f"it does not open: {found.trouble}"
    for request_id, row in found.rows.items():
        if request_id not in facts.tried and request_id not in facts.outcomes:
            yield f"{request_id}: a row nobody wrote"
            continue
        # What is carried over of a damaged one, and cannot be read, is told as unknown.
        known = row.response is None or row.response in facts.outcomes.get(request_id, ())
        is_excused = found.notices and row.response and _response.decode(row.response).executed is Executed.UNKNOWN
        if not known and not is_excused:
            yield f"{request_id}: an outcome nobody wrote, {row.response!r}"
