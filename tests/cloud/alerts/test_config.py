"""ALERTS_CONFIG is read strictly: every mistake at once, by its path, with what would be right."""

import os
import zoneinfo
from datetime import UTC, datetime, time
from pathlib import Path

import pytest

from cloud.alerts.alert import Severity
from cloud.alerts.config import RulesError, RulesFile, parse_rules, read_rules
from cloud.alerts.kinds import KINDS, LIMITS
from cloud.alerts.rules import Rules
from cloud.zones import zone

ALL = b"""
kinds:
  kiosk-offline: {after: 5m, clear_after: 10s, gather: 0, repeat: 1h30m, escalate: never, except: [test_*]}
  shift-old: {hours: 22, repeat: 7200, only: [shop_1, shop_2]}
  paper-low: {enabled: false}
  paper-out: {severity: warning}
quiet_hours: {from: "22:00", to: "8:30", timezone: Asia/Almaty}
escalate_to: [-1001234567890, "@duty_room", 42]
"""


HUGE = "kinds: {paper-out: {after: 0x" + "f" * 5000 + "}}"


def mistakes(text: str | bytes) -> list[str]:
    with pytest.raises(RulesError) as caught:
        parse_rules(text if isinstance(text, bytes) else text.encode(), "alerts.yaml")
    assert str(caught.value)
    return [str(mistake) for mistake in caught.value.mistakes]


def test_what_is_said_is_changed_and_the_rest_is_as_built_in() -> None:
    rules = parse_rules(ALL, "alerts.yaml")
    offline = rules.kinds["kiosk-offline"]
    assert (offline.after, offline.clear_after, offline.gather, offline.repeat) == (300.0, 10.0, 0.0, 5400.0)
    assert (offline.escalate, offline.except_kiosks, offline.severity) == (0.0, ("test_*",), Severity.CRITICAL)
    shift = rules.kinds["shift-old"]
    assert (shift.limits, shift.repeat, shift.only_kiosks) == ({"hours": 22.0}, 7200.0, ("shop_1", "shop_2"))
    assert rules.kinds["paper-low"].enabled is False
    assert rules.kinds["paper-out"].severity is Severity.WARNING
    assert rules.kinds["device-fault"] == KINDS["device-fault"]
    assert rules.quiet is not None
    assert (rules.quiet.since, rules.quiet.until, str(rules.quiet.zone)) == (time(22), time(8, 30), "Asia/Almaty")
    assert rules.escalate_to == (-1001234567890, "@duty_room", 42)


@pytest.mark.parametrize("text", ["", "{}", "kinds:", "# nothing\n"])
def test_nothing_said_is_nothing_changed(text: str) -> None:
    assert parse_rules(text.encode(), "alerts.yaml") == Rules()


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("kinds: {kiosk-ofline: {}}", "kinds.kiosk-ofline: is no kind of alerts; did you mean kiosk-offline?"),
        ("kinds: {x: {}}", "kinds.x: is no kind of alerts; known are kiosk-offline, "),
        ("kinds: [kiosk-offline]", "kinds=a list: right would be a mapping of kinds"),
        ("kinds: {paper-out: 5m}", "kinds.paper-out=5m: right would be a mapping such as {after: 5m}"),
        ("kinds: {paper-out: {afer: 5m}}", "kinds.paper-out.afer=5m: is not an option; did you mean after?"),
        ("kinds: {paper-out: {hours: 5}}", "kinds.paper-out.hours=5: is not an option; known are enabled, severity,"),
        ("kinds: {paper-out: {after: 5x}}", "kinds.paper-out.after=5x: right would be a time such as 30s, 2m"),
        ("kinds: {paper-out: {after: ''}}", "kinds.paper-out.after: right would be a time such as 30s"),
        ("kinds: {paper-out: {after: -1}}", "kinds.paper-out.after=-1: right would be a time"),
        ("kinds: {paper-out: {after: 31d}}", "kinds.paper-out.after=31d: right would be a time"),
        ("kinds: {paper-out: {after: .nan}}", "kinds.paper-out.after=nan: right would be a time"),
        ("kinds: {paper-out: {after: true}}", "kinds.paper-out.after=True: right would be a time"),
        ("kinds: {paper-out: {after: [1]}}", "kinds.paper-out.after=a list: right would be a time"),
        ("kinds: {paper-out: {after: never}}", "kinds.paper-out.after=never: right would be a time"),
        ("kinds: {paper-out: {repeat: x}}", "or never (from alerts.yaml)"),
        ("kinds: {paper-out: {enabled: 1}}", "kinds.paper-out.enabled=1: right would be true or false"),
        ("kinds: {paper-out: {severity: bad}}", "kinds.paper-out.severity=bad: right would be critical or warning or"),
        ("kinds: {paper-out: {severity: [a]}}", "kinds.paper-out.severity=a list: right would be critical"),
        ("kinds: {paper-out: {only: shop}}", "kinds.paper-out.only=shop: right would be a list of kiosks' ids"),
        ("kinds: {paper-out: {except: [1]}}", "kinds.paper-out.except=a list: right would be a list of kiosks' ids"),
        ("kinds: {paper-low: {escalate: 5m}}", "kinds.paper-low.escalate=5m: only what is critical is escalated"),
        ("kinds: {shift-old: {hours: 0}}", "kinds.shift-old.hours=0: right would be a number above 0 (open for more"),
        ("kinds: {shift-old: {hours: .inf}}", "kinds.shift-old.hours=inf: right would be a number above 0"),
        ("quiet_hours: night", "quiet_hours=night: right would be a mapping such as {from:"),
        ("quiet_hours: {from: '22:00'}", "quiet_hours.to: is required; right would be a time of day in quotes"),
        (
            "quiet_hours: {from: 22:00}",
            'quiet_hours.from=1320: right would be a time of day in quotes, such as "22:00"',
        ),
        ("quiet_hours: {to: '24:00'}", "quiet_hours.to=24:00: right would be a time of day in quotes"),
        ("quiet_hours: {timezone: ''}", "quiet_hours.timezone: right would be a name such as Asia/Almaty"),
        (
            "quiet_hours: {timezone: Asia/Almata}",
            "quiet_hours.timezone=Asia/Almata: is no time zone; did you mean Asia/",
        ),
        ("quiet_hours: {timezone: ../etc}", "quiet_hours.timezone=../etc: is no time zone"),
        ("quiet_hours: {timezone: Asia}", "quiet_hours.timezone=Asia: is no time zone"),
        ("quiet_hours: {timezone: 6}", "quiet_hours.timezone=6: right would be a name"),
        ("quiet_hours: {until: '8:00'}", "quiet_hours.until=8:00: is not an option; known are from, to, timezone"),
        ("quiet_hours: {from: '8:00', to: '08:00', timezone: UTC}", "quiet_hours.to=08:00: is the same as `from`"),
        ("escalate_to: [duty]", "escalate_to.1=duty: right would be a chat's or a person's number"),
        ("escalate_to: [1, true]", "escalate_to.2=True: right would be a chat's"),
        ("kind: {}", "kind=a mapping: is not an option; did you mean kinds?"),
        ("[]", "alerts.yaml=a list: right would be a mapping with `kinds`"),
        ("kinds: {paper-out: {after: 1}, paper-out: {}}", "paper-out=in line 1: stands twice in one mapping"),
        ("a: b: c", "alerts.yaml=line 1, column 5: is not YAML: mapping values are not allowed here"),
        ("{? [1] : 2}", "is not YAML: "),
        ("x: !!int y", "is not YAML: "),
        (b"\xff\xfe\x00", "is not YAML: "),
        pytest.param(HUGE, "a number of too many digits: right would be a time", id="huge"),
    ],
)
def test_mistakes(text: str | bytes, mistake: str) -> None:
    assert any(mistake in found for found in mistakes(text)), mistakes(text)


def test_all_mistakes_are_told_at_once_and_each_names_the_file() -> None:
    found = mistakes("kinds: {paper-out: {after: x, repeat: y}, z: {}}\nescalate_to: [a, b]\nquiet_hours: {}\n")
    assert len(found) == 7
    assert all("(from alerts.yaml)" in mistake for mistake in found)


def test_aliases_of_aliases_are_not_written_out() -> None:
    lines = ["a0: &a0 [1]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))]
    assert all(len(mistake) < 500 for mistake in mistakes("\n".join([*lines, "kinds: *a29", "escalate_to: *a29"])))


def test_secrets_in_the_wrong_place_are_not_shown() -> None:
    token = "123456789:" + "A" * 35
    assert not any("AAAA" in mistake for mistake in mistakes(f"escalate_to: ['{token}']"))


def test_a_machine_without_time_zones_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    found = mistakes("quiet_hours: {from: '22:00', to: '8:00', timezone: No/Where}")
    assert found == [
        "quiet_hours.timezone=No/Where: this machine has no time zones; right would be to install them first: "
        "the package tzdata, of the system or by pip (from alerts.yaml)"
    ]


def test_quiet_hours_without_a_time_zone_are_by_that_of_the_hub(tmp_path: Path) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text("quiet_hours: {from: '22:00', to: '8:00'}")
    file = RulesFile(str(path), zone("Asia/Almaty"))
    file.look()
    quiet = file.rules.quiet
    assert quiet is not None
    assert str(quiet.zone) == "Asia/Almaty"
    assert quiet.holds(datetime(2026, 11, 22, 17, 30, tzinfo=UTC).timestamp())
    assert not quiet.holds(datetime(2026, 11, 22, 4, 30, tzinfo=UTC).timestamp())


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="No such file or directory; right would be the path of a YAML file"):
        read_rules(tmp_path / "none.yaml")
    (tmp_path / "large.yaml").write_bytes(b"#" * 300_000)
    with pytest.raises(RulesError, match="is larger than 256 KiB"):
        read_rules(tmp_path / "large.yaml")


def test_every_number_of_a_kind_is_described_and_every_duration_is_one_that_can_be_written() -> None:
    assert {(kind, name) for kind, rule in KINDS.items() for name in rule.limits} == set(LIMITS)
    for kind, rule in KINDS.items():
        assert rule.kind == kind
        assert rule.words
        assert not rule.escalate or rule.severity is Severity.CRITICAL


def test_a_file_that_changes_is_read_anew_and_one_that_is_wrong_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text("kinds: {paper-out: {after: 1m}}")
    file = RulesFile(str(path))
    assert file.rules == Rules()
    file.look()
    first = file.rules
    assert first.kinds["paper-out"].after == 60.0
    file.look()
    assert file.rules is first
    path.write_text("kinds: {paper-out: {after: wrong}}")
    file.look()
    assert file.rules is first
    assert file.error is not None
    assert "kinds.paper-out.after=wrong" in file.error
    path.unlink()
    file.look()
    assert file.rules is first
    assert "No such file" in str(file.error)
    path.write_text("kinds: {paper-out: {after: 3m}}")
    file.look()
    assert file.rules.kinds["paper-out"].after == 180.0
    assert file.error is None


def test_a_file_that_is_replaced_by_one_of_the_same_length_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text("kinds: {paper-out: {after: 1m}}")
    file = RulesFile(str(path))
    file.look()
    stat = path.stat()
    other = tmp_path / "other"
    other.write_text("kinds: {paper-out: {after: 2m}}")
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(path)
    file.look()
    assert file.rules.kinds["paper-out"].after == 120.0


def test_without_a_file_the_rules_that_are_built_in_are_in_force() -> None:
    file = RulesFile("")
    file.look()
    assert (file.rules, file.error) == (Rules(), None)
