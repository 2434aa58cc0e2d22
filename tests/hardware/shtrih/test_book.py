"""What outlives a power cut, and what does when it cannot be read."""

import json
from typing import Any

import pytest

from hardware.shtrih.book import Book, Done, Intent, recall
from wire.receipt import FiscalDocument

INTENT = Intent(reference="r1", kind="sale", number=7, total=18999, shift=3)


def test_what_is_written_is_recalled() -> None:
    book = Book(INTENT, Done(reference="r0", kind="sale", document=FiscalDocument(number=6)), True, "r0")
    written = json.loads(json.dumps(book.memory()))
    assert recall(written) == book
    assert len(json.dumps(written)) < 600
    assert recall({}) == Book()


@pytest.mark.parametrize(
    "memory", [{"version": "x"}, {"open": 3}, {"done": []}, {"annul": "yes"}, {"what": 1, "open": None}]
)
def test_garbage_is_told_and_does_no_harm(memory: dict[str, Any]) -> None:
    book = recall(memory)
    assert book.open is None
    assert book.complaint or "what" in memory


@pytest.mark.parametrize(
    "memory",
    [
        {"open": {"reference": "r9", "kind": 5}},
        {"open": {"reference": "r9", "kind": "barter", "number": 3}},
    ],
)
def test_an_intent_that_is_not_understood_can_only_be_unclear(memory: dict[str, Any]) -> None:
    book = recall(memory)
    assert book.open == Intent(reference="r9", kind="", number=-1)
    assert book.complaint


def test_a_slip_makes_no_document_be_forgotten() -> None:
    document, slip = Done(reference="r1", kind="sale"), Done(reference="s1", kind="slip")
    book = recall(Book(done=document, slip=slip).memory())
    assert (book.ended("r1"), book.ended("s1"), book.ended("r2")) == (document, slip, None)
