"""Which of thousands of kiosks somebody means who did not write its id as it is. Pure, and quick."""

import difflib
import heapq
from collections.abc import Iterable, Sequence

_LOOKED_AT = 200  # ids compared letter by letter; some 10 ms
_OFFERED = 5
_AS_NEAR = 0.1  # of a likeness of 1: what is less like than the likeliest by more is not offered beside it


def find(text: str, ids: Sequence[str]) -> str | None:
    """The one id that `text` stands for: written in another case, or its beginning alone. None for none, or several."""
    if text in ids:
        return text
    folded = text.casefold()
    same = [each for each in ids if each.casefold() == folded]
    if same:
        return same[0] if len(same) == 1 else None
    begun = [each for each in ids if each.casefold().startswith(folded)]
    return begun[0] if len(begun) == 1 else None


def offer(text: str, ids: Iterable[str], most: int = _OFFERED) -> list[str]:
    """Ids that may have been meant, the likeliest first."""
    folded = text.casefold()
    every = list(ids)
    begun = heapq.nsmallest(most, (each for each in every if each.casefold().startswith(folded)), key=_short)
    if len(begun) == most or not folded:
        return begun
    within = (each for each in every if folded in each.casefold() and each not in begun)
    found = begun + heapq.nsmallest(most - len(begun), within, key=_short)
    if found:
        return found
    # Comparing with all of them would hold the loop up: only those that begin or end alike.
    alike = heapq.nlargest(_LOOKED_AT, every, key=lambda each: _alike(folded, each.casefold()))
    by_folded = {each.casefold(): each for each in reversed(alike)}
    near = [(_likeness(folded, each), each) for each in difflib.get_close_matches(folded, list(by_folded), n=most)]
    return [by_folded[each] for likeness, each in near if likeness >= near[0][0] - _AS_NEAR]


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, other, one).ratio()  # this way round, as `get_close_matches` has it


def _short(text: str) -> tuple[int, str]:
    return len(text), text


def _alike(one: str, other: str) -> int:
    """How many letters they have in common at their beginning and at their end."""
    least = min(len(one), len(other))
    begin = next((n for n in range(least) if one[n] != other[n]), least)
    end = next((n for n in range(least) if one[-1 - n] != other[-1 - n]), least)
    return begin + end
