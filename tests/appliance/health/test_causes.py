"""Every sentence of the drivers' tables has its cause, as somebody has looked at it and written it down.

`sentences.tsv` has them all: family, cause, sentence; "-" is one that says nothing a shop assistant could see to, so
that a device which is out of service with it is "out of order". A sentence that is new or another is to be sorted: see
what the test says it comes to, mend `_SIGNS` where that is wrong, and write the line down.
"""

from collections.abc import Iterable
from pathlib import Path

import hardware.ssp.events as ssp
from appliance.health.causes import _COMPILED, find_cause
from hardware.atol import states as atol
from hardware.ccnet import states as ccnet
from hardware.cctalk import states as cctalk
from hardware.escpos import states as escpos
from hardware.id003 import states as id003
from hardware.shtrih import states as shtrih

SORTED = Path(__file__).parent / "sentences.tsv"
_UNNAMED = "which the specification does not name"


def sentences() -> Iterable[tuple[str, str]]:
    """Family and sentence, each once."""
    tables: dict[str, Iterable[str]] = {
        "atol": atol.REMEDIES.values(),
        "ccnet": [*ccnet.STATE_WORDS.values(), *ccnet.FAILURE_WORDS.values()],
        "cctalk": [
            *(cctalk.fault_words(code) for code in range(256)),
            *(cctalk.bill_event_words(code) for code in range(256)),
            *(cctalk.hopper_words(1 << bit) for bit in range(24)),
        ],
        "escpos": [*escpos.WORDS.values(), escpos.ABSENT_WORDS],
        "id003": id003.WORDS.values(),
        "shtrih": [
            *shtrih.MODE_WORDS.values(), *shtrih.SUBMODE_WORDS.values(), *map(shtrih.error_words, range(256)),
        ],
        "ssp": [kind.words for kind in ssp.KINDS.values()],
    }  # fmt: skip
    for family, said in tables.items():
        yield from ((family, each) for each in dict.fromkeys(said) if each and _UNNAMED not in each)


def lines() -> list[str]:
    """As the file has them."""
    found = []
    for family, words in sentences():
        has_sign = any(signs.search(words) for _, signs in _COMPILED)
        found.append("\t".join((family, find_cause(words).value if has_sign else "-", words)))
    return sorted(found)


def test_every_sentence_of_the_drivers_tables_is_sorted_as_it_was_looked_at() -> None:
    assert "\n".join(lines()) == SORTED.read_text(encoding="utf-8").rstrip("\n")


def test_what_only_sounds_like_something_else() -> None:
    told = dict(line.split("\t")[:0:-1] for line in lines())
    assert told["its settings memory is damaged (EEPROM checksum): have it serviced"] == "broken"
    assert told["the keypad is faulty: a key may be stuck"] == "broken"
    assert told["coins could not be dispensed: look into the payout"] == "hopper-empty"
