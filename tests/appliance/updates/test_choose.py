"""Which version a kiosk is to have."""

import pytest

from appliance.updates.choose import choose
from tests.appliance.updates.releases import release
from wire.release import Manifest, Rollout, is_among


def chosen(running: str, rollout: Rollout | None = None, *versions: str, bad: str = "", **more: object) -> str:
    manifest = Manifest(
        channel="stable", serial=1,
        releases=[release(each, b"x") for each in versions or ("1.0.0", "1.2.0", "1.1.0")],
    )  # fmt: skip
    choice = choose(
        manifest, rollout, running=running, target=str(more.get("target") or release("1.0.0", b"").target),
        kiosk_id="kiosk_001", bad=frozenset(bad.split()), at_once=bool(more.get("at_once")),
    )  # fmt: skip
    assert choice.release is not None or choice.words
    return choice.release.version if choice.release else ""


@pytest.mark.parametrize(
    ("running", "rollout", "bad", "expected"),
    [
        ("1.0.0", None, "", "1.2.0"),
        ("1.2.0", None, "", ""),
        ("1.3.0", None, "", ""),
        ("1.2.0rc1", None, "", "1.2.0"),
        ("1.0.0", None, "1.2.0", "1.1.0"),
        ("1.1.0", None, "1.2.0", ""),
        ("1.0.0", Rollout(version="1.2.0"), "", "1.2.0"),
        ("1.0.0", Rollout(version="1.2.0", percent=0), "", ""),  # nor 1.1.0, which may have been held
        ("1.0.0", Rollout(version="1.2.0"), "1.2.0", ""),
        ("1.0.0", Rollout(version="1.1.0"), "", "1.1.0"),
        ("1.0.0", Rollout(version="0.9.0"), "", ""),
        ("1.0.0", Rollout(version="2.0.0"), "", ""),
        ("1.0.0", Rollout(version="1.2.0", paused=True), "", ""),
    ],
)
def test_newer_not_bad_and_not_held_back(running: str, rollout: Rollout | None, bad: str, expected: str) -> None:
    assert chosen(running, rollout, bad=bad) == expected


def test_percent_is_of_kiosks_and_a_person_is_beyond_it() -> None:
    percent = next(each for each in range(101) if is_among(each, "kiosk_001", "1.2.0"))
    assert chosen("1.1.0", Rollout(version="1.2.0", percent=percent)) == "1.2.0"
    assert chosen("1.1.0", Rollout(version="1.2.0", percent=percent - 1)) == ""
    assert chosen("1.1.0", Rollout(version="1.2.0", paused=True), at_once=True) == "1.2.0"
    assert chosen("1.1.0", None, bad="1.2.0", at_once=True) == "", "not even for a person, who is to forgive it first"


def test_another_machine_gets_nothing() -> None:
    assert chosen("1.0.0", None, target="linux-riscv64") == ""
