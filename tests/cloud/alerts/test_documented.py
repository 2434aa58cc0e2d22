"""docs/alerts.md says what every kind is, and how it is told, as it is built in."""

import re
from pathlib import Path

import yaml

from cloud.alerts.config import parse_rules
from cloud.alerts.kinds import KINDS, LIMITS, Rule
from cloud.alerts.words import span

DOC = Path(__file__).parents[3] / "docs" / "alerts.md"


def row(rule: Rule) -> str:
    """A kind's line in the table."""

    def often(seconds: float) -> str:
        return span(seconds).replace(" ", "\u00a0") if seconds else "never"

    times = [span(rule.after), span(rule.clear_after), span(rule.gather)]
    cells = [f"`{rule.kind}`", rule.words, str(rule.severity), *(text.replace(" ", "\u00a0") for text in times)]
    limits = ", ".join(f"`{name}: {value:g}`" for name, value in rule.limits.items())
    return "| " + " | ".join([*cells, often(rule.repeat), often(rule.escalate), limits]) + " |"


def test_the_table_of_kinds_is_what_is_built_in() -> None:
    text = DOC.read_text()
    found = [
        line for line in text.splitlines() if re.match(r"\| `[a-z]+(-[a-z]+)*` \| .* \| (critical|warning|info) ", line)
    ]
    assert found == [row(rule) for rule in KINDS.values()]


def test_the_numbers_of_kinds_are_explained() -> None:
    text = DOC.read_text()
    for (kind, name), words in LIMITS.items():
        assert f"| `{kind}` | `{name}` | {words} |" in text


def test_the_example_is_a_file_that_can_be_read() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", DOC.read_text(), re.DOTALL)
    assert yaml.safe_load(example).keys() == {"kinds", "quiet_hours", "escalate_to"}
    parse_rules(example.encode(), "docs")
