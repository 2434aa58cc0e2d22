"""ALERTS_CONFIG: a YAML file that changes the rules that are built in, read strictly, every mistake at once.

    kinds:
      kiosk-offline: {after: 5m, except: [test_*]}
      shift-old: {hours: 22, repeat: 2h}
      paper-low: {enabled: false}
    quiet_hours: {from: "22:00", to: "08:00", timezone: Asia/Almaty}
    escalate_to: [-1001234567890, "@duty"]

What is not said stays as it is built in; quiet hours without `timezone` are by TIMEZONE. A mistake is named by its
path, such as `kinds.kiosk-offline.after`.
"""

import difflib
import logging
import re
from datetime import UTC, time, tzinfo
from pathlib import Path
from typing import Any

import msgspec
import yaml

from cloud.alerts.alert import Severity
from cloud.alerts.kinds import KINDS, LIMITS, Rule
from cloud.alerts.quiet import Quiet
from cloud.alerts.rules import Rules
from cloud.zones import NoZone, zone
from wire.environment import Mistake
from wire.masking import mask

log = logging.getLogger(__name__)

FILE_MAX_BYTES = 256 * 1024
_DURATION = re.compile(r"(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,7})s)?")
_DURATION_MAX = 30 * 86400.0
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_CHAT = re.compile(r"@[A-Za-z][A-Za-z0-9_]{3,63}|-?\d{1,20}")
_TOP = ("kinds", "quiet_hours", "escalate_to")
_QUIET = ("from", "to", "timezone")
_DURATIONS = ("after", "clear_after", "gather", "repeat", "escalate")
_OF_A_KIND = ("enabled", "severity", *_DURATIONS, "only", "except")
_LISTED_MAX = 100
_RIGHT_DURATION = "right would be a time such as 30s, 2m, 23h, 1h30m or a number of seconds, at most 30 days"


class RulesError(ValueError):
    """The file cannot be used; holds every mistake."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        self.mistakes = mistakes
        super().__init__("; ".join(map(str, mistakes)))


def read_rules(path: Path, zone: tzinfo = UTC) -> Rules:
    """Read the file; `zone` is that of quiet hours which name none. Raises `RulesError` with every mistake in it."""
    try:
        with path.open("rb") as file:
            text = file.read(FILE_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        words = f"cannot be read: {reason}; right would be the path of a YAML file"
        raise RulesError([Mistake("ALERTS_CONFIG", str(path)[:200], words)]) from error
    if len(text) > FILE_MAX_BYTES:
        raise RulesError([Mistake("ALERTS_CONFIG", str(path)[:200], "is larger than 256 KiB")])
    return parse_rules(text, str(path), zone)


def parse_rules(text: bytes, origin: str, zone: tzinfo = UTC) -> Rules:
    """Read rules out of YAML; `origin` names the file in mistakes, `zone` is as in `read_rules`.

    Raises `RulesError`.
    """
    loader = None
    try:
        loader = _Loader(text)
        document = loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise RulesError([Mistake(origin, where, f"is not YAML: {error.problem}")]) from error
    except (yaml.YAMLError, ValueError, RecursionError, LookupError, AttributeError) as error:
        # The last two: PyYAML, of a value that its tag (`!!int`) does not fit.
        raise RulesError([Mistake(origin, "the file", f"is not YAML: {str(error)[:200]}")]) from error
    finally:
        if loader is not None:
            loader.dispose()
    reader = _Reader(origin, zone)
    for name, line in loader.doubled:
        reader.wrong(name, f"in line {line}", "stands twice in one mapping; right would be once")
    rules = reader.rules(document)
    if reader.mistakes:
        raise RulesError(reader.mistakes)
    return rules


class _Loader(yaml.SafeLoader):
    """Safe YAML that remembers keys given twice, which plain YAML readers silently overwrite."""

    def __init__(self, text: bytes) -> None:
        super().__init__(text)
        self.doubled: list[tuple[str, int]] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    self.doubled.append((str(key.value)[:100], key.start_mark.line + 1))
                seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Reader:
    """Takes rules out of a parsed document and collects what is wrong."""

    def __init__(self, origin: str, zone: tzinfo) -> None:
        self.origin = origin
        self.zone = zone
        self.mistakes: list[Mistake] = []

    def wrong(self, path: str, value: object, words: str) -> None:
        self.mistakes.append(Mistake(path, _shown(value), f"{words} (from {self.origin})"))

    def unknown(self, path: str, fields: dict[Any, Any], known: tuple[str, ...]) -> None:
        for key, value in fields.items():
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
                self.wrong(f"{path}.{str(key)[:64]}".lstrip("."), value, f"is not an option; {hint}")

    def mapping(self, path: str, given: object, right: str) -> dict[Any, Any]:
        if given is None:
            return {}
        if isinstance(given, dict):
            return given
        self.wrong(path, given, f"right would be {right}")
        return {}

    def rules(self, document: object) -> Rules:
        fields = self.mapping(self.origin, document, "a mapping with `kinds`, `quiet_hours`, `escalate_to`")
        self.unknown("", fields, _TOP)
        of_kinds = self.mapping("kinds", fields.get("kinds"), "a mapping of kinds, such as kiosk-offline: {after: 5m}")
        kinds = dict(KINDS)
        for name, given in of_kinds.items():
            if name in KINDS:
                kinds[name] = self.rule(f"kinds.{name}", KINDS[name], given)
                continue
            near = difflib.get_close_matches(str(name), KINDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(KINDS)}"
            self.wrong(f"kinds.{str(name)[:64]}", None, f"is no kind of alerts; {hint}")
        return Rules(
            kinds=kinds, quiet=self.quiet(fields.get("quiet_hours")), escalate_to=self.chats(fields.get("escalate_to"))
        )

    def rule(self, path: str, built_in: Rule, given: object) -> Rule:
        fields = self.mapping(path, given, "a mapping such as {after: 5m} or {enabled: false}")
        limits = tuple(built_in.limits)
        self.unknown(path, fields, (*_OF_A_KIND, *limits))
        changes: dict[str, Any] = {}
        enabled = fields.get("enabled")
        if isinstance(enabled, bool):
            changes["enabled"] = enabled
        elif enabled is not None:
            self.wrong(f"{path}.enabled", enabled, "right would be true or false")
        severity = fields.get("severity")
        if isinstance(severity, str) and severity in set(Severity):
            changes["severity"] = Severity(severity)
        elif severity is not None:
            self.wrong(f"{path}.severity", severity, f"right would be {' or '.join(Severity)}")
        for name in _DURATIONS:
            if fields.get(name) is not None:
                changes[name] = self.duration(f"{path}.{name}", fields[name], name in {"repeat", "escalate"})
        for name, field in (("only", "only_kiosks"), ("except", "except_kiosks")):
            if fields.get(name) is not None:
                changes[field] = self.patterns(f"{path}.{name}", fields[name])
        numbers = {name: self.limit(path, built_in, name, fields.get(name)) for name in limits}
        rule = msgspec.structs.replace(built_in, limits=numbers, **changes)
        if changes.get("escalate") and rule.severity is not Severity.CRITICAL:
            words = (
                f"only what is critical is escalated; right would be severity: critical beside it, or {path} without"
            )
            self.wrong(f"{path}.escalate", fields["escalate"], words)
        return rule

    def limit(self, path: str, built_in: Rule, name: str, given: object) -> float:
        default = built_in.limits[name]
        if given is None:
            return default
        if isinstance(given, int | float) and not isinstance(given, bool) and 0 < given <= 1e6:
            return float(given)
        words = f"right would be a number above 0 ({LIMITS[built_in.kind, name]}), such as {default:g}"
        self.wrong(f"{path}.{name}", given, words)
        return default

    def duration(self, path: str, given: object, may_be_never: bool) -> float:
        if may_be_never and given == "never":
            return 0.0
        seconds = -1.0
        if isinstance(given, int | float) and not isinstance(given, bool):
            seconds = float(given) if given <= _DURATION_MAX else -1.0
        elif isinstance(given, str) and (text := given.replace(" ", "")) and (match := _DURATION.fullmatch(text)):
            parts = (int(part or 0) for part in match.groups())
            seconds = float(sum(part * unit for part, unit in zip(parts, (86400, 3600, 60, 1), strict=True)))
        if 0 <= seconds <= _DURATION_MAX:
            return seconds
        self.wrong(path, given, _RIGHT_DURATION + (", or never" if may_be_never else ""))
        return 0.0

    def patterns(self, path: str, given: object) -> tuple[str, ...]:
        if isinstance(given, list) and len(given) <= _LISTED_MAX:
            found = [text for text in given if isinstance(text, str) and 0 < len(text) <= 64]
            if len(found) == len(given):
                return tuple(found)
        self.wrong(path, given, "right would be a list of kiosks' ids or patterns, such as [kiosk_001, test_*]")
        return ()

    def quiet(self, given: object) -> Quiet | None:
        if given is None:
            return None
        right = 'a mapping such as {from: "22:00", to: "08:00", timezone: Asia/Almaty}'
        if not isinstance(given, dict):
            self.wrong("quiet_hours", given, f"right would be {right}")
            return None
        self.unknown("quiet_hours", given, _QUIET)
        since = self.time_of_day("quiet_hours.from", given.get("from"))
        until = self.time_of_day("quiet_hours.to", given.get("to"))
        its_zone = self.time_zone(given.get("timezone"))
        if since is None or until is None or its_zone is None:
            return None
        if since == until:
            self.wrong("quiet_hours.to", f"{until:%H:%M}", "is the same as `from`; right would be another time")
        return Quiet(since, until, its_zone)

    def time_of_day(self, path: str, given: object) -> time | None:
        if isinstance(given, str) and (match := _TIME.fullmatch(given.strip())):
            return time(int(match[1]), int(match[2]))
        lacks = "is required; " if given is None else ""
        self.wrong(path, given, f'{lacks}right would be a time of day in quotes, such as "22:00"')
        return None

    def time_zone(self, given: object) -> tzinfo | None:
        if given is None:
            return self.zone
        try:
            return zone(given if isinstance(given, str) else "")
        except NoZone as error:
            self.wrong("quiet_hours.timezone", given, str(error))
            return None

    def chats(self, given: object) -> tuple[int | str, ...]:
        if given is None:
            return ()
        given = given if isinstance(given, list) else [given]
        found: list[int | str] = []
        for number, chat in enumerate(given):
            text = _shown(chat).strip()
            if isinstance(chat, bool) or not isinstance(chat, int | str) or not _CHAT.fullmatch(text):
                right = "right would be a chat's or a person's number such as -1001234567890, or @name"
                self.wrong(f"escalate_to.{number + 1}", chat, right)
            else:
                found.append(text if text.startswith("@") else int(text))
        if len(found) > _LISTED_MAX:
            self.wrong("escalate_to", len(found), f"right would be at most {_LISTED_MAX} chats")
        return tuple(dict.fromkeys(found))


def _shown(value: object) -> str:
    """What stands in the file, as it may be quoted. Written out, aliases of aliases would not fit the memory."""
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    try:
        return mask(str(value))[:100]
    except ValueError:
        return "a number of too many digits"


class RulesFile:
    """The rules in force: of the file as it is, or as it was when it was right last."""

    def __init__(self, path: str, zone: tzinfo = UTC) -> None:
        """No path: the rules that are built in, for ever. `zone` is that of quiet hours which name none."""
        self._zone = zone
        self._path = Path(path) if path else None
        self._known: tuple[int, ...] | None = None
        self.rules = Rules()
        self.error: str | None = None  # what is wrong in the file just now

    def look(self) -> None:
        """Read it if it is another than at the look before. Blocks as files do."""
        if self._path is None:
            return
        try:
            stat = self._path.stat()
            now: tuple[int, ...] = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        except (OSError, ValueError):
            now = ()
        if now == self._known:
            return
        is_first, self._known = self._known is None, now
        try:
            self.rules = read_rules(self._path, self._zone)
        except RulesError as error:
            self.error = str(error)[:2000]
            in_force = "those that are built in" if is_first else "those from before"
            log.error(
                "the rules for alerts are wrong", extra={"in_force": in_force, "mistakes": [*map(str, error.mistakes)]}
            )
            return
        if not is_first:
            log.info("the rules for alerts were read anew", extra={"file": str(self._path)})
        self.error = None
