"""The one table of how an operation can end without its gateway's answer."""

import pytest

from wire.problems import PROBLEMS, CloseCode, Outcome


@pytest.mark.parametrize(
    ("problem", "status", "outcome"),
    [
        ("bad-request", 400, "not_executed"),
        ("unauthorized", 401, "not_executed"),
        ("kiosk-disabled", 403, "not_executed"),
        ("unknown-kiosk", 404, "not_executed"),
        ("unknown-operation", 404, "not_executed"),
        ("idempotency-conflict", 409, "not_executed"),
        ("too-large", 413, "not_executed"),
        ("rate-limited", 429, "not_executed"),
        ("gateway-unreachable", 502, "not_executed"),
        ("kiosk-offline", 503, "not_executed"),
        ("timeout", 504, "unknown"),
        ("kiosk-lost", 504, "unknown"),
        ("expired", 504, "not_executed"),
    ],
)
def test_the_contract_with_backends(problem: str, status: int, outcome: str) -> None:
    assert (PROBLEMS[problem].status, PROBLEMS[problem].outcome) == (status, outcome)


def test_only_a_timeout_or_a_failing_hub_leaves_the_effect_unknown() -> None:
    unknown = {name for name, kind in PROBLEMS.items() if kind.outcome is Outcome.UNKNOWN}
    assert unknown == {"timeout", "kiosk-lost", "interrupted", "internal", "key-unchecked"}


def test_every_problem_has_a_title_for_a_person() -> None:
    assert [name for name, kind in PROBLEMS.items() if not kind.title or kind.title.endswith(".")] == []


def test_close_codes_are_what_kiosks_in_the_field_expect() -> None:
    assert {code.name: int(code) for code in CloseCode} == {
        "RESTARTING": 1012,
        "NO_HELLO": 4400,
        "BAD_TOKEN": 4401,
        "FORBIDDEN": 4403,
        "REPLACED": 4409,
        "DUPLICATE": 4410,
        "CLONED": 4411,
        "TOO_MANY_ATTEMPTS": 4429,
    }
