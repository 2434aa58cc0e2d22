"""Events in words: every kind that kiosks tell has them in all languages; anything else comes out as it was told."""

import re
from pathlib import Path

import msgspec
import pytest

from cloud.alerts import told
from cloud.dashboard.event_words import STATES, speak
from cloud.dashboard.texts import LANGUAGES, Language
from cloud.kiosks import noteworthy
from hardware import events
from hardware.events import DeviceState, Event

DOCS = Path(__file__).parents[3] / "docs"
ID = "01997f3a-5f10-7c3e-9d1b-6a2f4c8e0b11"
NNBSP, NBSP = "\N{NARROW NO-BREAK SPACE}", "\N{NO-BREAK SPACE}"
# Kept by the kiosk, and told to nobody.
INNER = {"bill-escrowed", "coins-paid", "payout-began", "totals-read"}
# Told as one of several things.
SEVERAL = {
    "state-changed": [{"state": state} for state in STATES],
    "cash-ended": [{"status": status} for status in ("paid", "cancelled", "timed_out", "failed", "interrupted")],
    "cash-moved": [{"amount": {"minor": minor, "currency": "KZT"}} for minor in (100, -100)],
    "service-ordered": [{"in_service": True}, {"in_service": False}],
    "reconciliation": [{"differences": []}, {"differences": [{"words": "a coin too many"}]}],
    "engineer-tested": [{"outcome": outcome} for outcome in ("passed", "failed", "cut")],
    "engineer-checked-routes": [{"outcome": outcome} for outcome in ("passed", "failed", "cut")],
}


def of_devices() -> set[str]:
    """Every event that drivers tell."""
    kinds = {each.__struct_config__.tag for each in vars(events).values() if _is_event(each)}
    return {str(kind).replace("_", "-") for kind in kinds} - INNER


def _is_event(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Event) and value is not Event


def documented() -> set[str]:
    """Every kind that the documents of the wire name."""
    found = set()
    for name, heading in (("desk.md", "## Events"), ("engineer.md", "## What the hub is told")):
        part = (DOCS / name).read_text(encoding="utf-8").partition(f"\n{heading}\n")[2].partition("\n## ")[0]
        rows = re.findall(r"^\| (`[^|]*`[^|]*) \|", part, re.M)
        assert len(rows) > 5
        found |= {kind for row in rows for kind in re.findall(r"`([a-z-]+)`", row)}
    found |= set(re.findall(r"`([a-z-]+)` event\b", (DOCS / "updates.md").read_text(encoding="utf-8")))
    wire = (DOCS / "wire.md").read_text(encoding="utf-8")
    return found | set(re.findall(r'"seq": [0-9]+, "at": [0-9.]+, "kind": "([a-z-]+)"', wire))


KINDS = sorted(of_devices() | documented() | told.KINDS | noteworthy.KINDS | {
    "device-replaced", "service-ordered", "level-normal", "level-refilled", "levels-left", "operation-unknown",
    "update-installed", "update-confirmed", "update-failed", "update-put-off", "engineer-bundle", "engineer-restart",
})  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_that_is_documented_has_words(kind: str, language: Language) -> None:
    for data in SEVERAL.get(kind, [{}]):
        heard = speak(language, kind, msgspec.json.encode(data))
        assert heard.is_known, data
        assert heard.title[0].isupper()
        assert heard.title != kind


async def test_states_are_those_of_devices() -> None:
    assert set(STATES) == {state.value for state in DeviceState}


@pytest.mark.parametrize(
    ("kind", "data", "facts"),
    [
        ("bill-stacked", {"bill": {"minor": 100000, "currency": "KZT"}, "late": True},
         (f"1{NNBSP}000,00{NBSP}KZT", "выяснилось позже")),
        ("payout-ended", {"asked": 3, "paid": 2, "coin": {"minor": 5000, "currency": "KZT"}},
         (f"2 из 3 × 50,00{NBSP}KZT",)),
        ("cash-ended", {"status": "cancelled", "reason": "customer", "amount": 135000, "currency": "KZT"},
         ("клиентом", f"к оплате 1{NNBSP}350,00{NBSP}KZT")),
        ("cash-owed", {"owed": 5000, "unclear": 0, "currency": "KZT", "claim": "CD47-KPX3"},
         (f"долг 50,00{NBSP}KZT", "код CD47-KPX3")),
        ("state-changed", {"state": "fault", "was": "ready", "changes": 4}, ("до этого: готово", "смен состояния: 4")),
        ("collection", {"total": 250000, "currency": "KZT", "counts": {"100000": 2, "50000": 1}},
         (f"2{NNBSP}500,00{NBSP}KZT", "3 шт.")),
        ("level-near-full", {"count": 540, "capacity": 600}, ("540 из 600",)),
        ("document-registered", {"document": {"number": 17, "shift": 4}}, ("№ 17, смена 4",)),
        ("reconciliation", {"differences": [{"words": "one"}, {"words": "two"}]}, ("2 расхождения", "one")),
        ("clock-wrong", {"offset_s": 3700.0}, ("отстают на 1 ч 1 мин",)),
        ("disk-low", {"free": 52_000_000}, ("свободно 52 МБ",)),
        ("update-installed", {"from": "1.0", "to": "1.1"}, ("1.0 → 1.1",)),
        ("engineer-collected", {"totals": [{"device": "bills", "total": 5000, "currency": "KZT"}]},
         (f"bills 50,00{NBSP}KZT",)),
    ],
)  # fmt: skip
async def test_the_main_facts_are_told(kind: str, data: dict[str, object], facts: tuple[str, ...]) -> None:
    heard = speak("ru", kind, msgspec.json.encode(data))
    assert heard.facts == facts


async def test_the_operation_that_it_is_about_is_known() -> None:
    for data in ({"work": ID}, {"request_id": ID}, {"reference": f"{ID}/receipt"}):
        assert speak("en", "document-registered", msgspec.json.encode(data)).operation == ID
    for other in ("../../x", "", 5, None, f"{ID}0"):
        assert speak("en", "bill-stacked", msgspec.json.encode({"work": other})).operation == ""


async def test_what_the_device_says_is_masked() -> None:
    heard = speak("en", "jammed", b'{"words": "card 4111111111111111 is stuck", "code": "47"}')
    assert "4111111111111111" not in heard.said
    assert heard.said.endswith("(47)")


@pytest.mark.parametrize(
    "data",
    [
        b"", b"null", b"[]", b"{", b"\xff", b"[" * 5000, b'{"a": "' + b"x" * 20_000 + b'"}',
        b'{"bill": 5, "coin": [], "amount": {"minor": "x"}, "currency": 7, "late": "yes", "differences": 3.5}',
        b'{"bill": {"minor": 1e99, "currency": "KZT"}, "coin": {"minor": 1, "currency": "<b>"}, "asked": true}',
        b'{"count": 99999999999999999999, "capacity": -1, "offset_s": 1e400, "counts": {"1": {}}, "totals": [1, {}]}',
        b'{"state": {"x": 1}, "status": ["paid"], "outcome": {}, "devices": "x", "unreachable": [1], "document": 1}',
    ],
)  # fmt: skip
async def test_data_of_another_shape_breaks_nothing(data: bytes) -> None:
    for kind in (*KINDS, "x" * 64, "", "kind-x", "<script>"):
        for language in LANGUAGES:
            heard = speak(language, kind, data)
            assert all(isinstance(fact, str) and fact for fact in heard.facts)


async def test_what_is_not_known_comes_out_as_it_was_told() -> None:
    heard = speak("kk", "door-opened", b'{"words": "at night"}')
    assert (heard.title, heard.is_known, heard.facts) == ("door-opened", False, ())
    assert not speak("kk", "state-changed", b'{"state": "melted"}').is_known
