"""Settings out of strings: every mistake at once, in words, secrets masked."""

from typing import Annotated, Literal

import msgspec
import pytest

from wire.environment import Mistake, Secret, Setting, SettingsError, describe, read, unknown


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    port: Annotated[int, msgspec.Meta(ge=0, le=65535, description="a port, 0 to 65535")] = 8080
    jwt_secret: Annotated[Secret, msgspec.Meta(description="at least 32 characters")]
    log_level: Annotated[Literal["DEBUG", "INFO"], msgspec.Meta(description="DEBUG or INFO")] = "INFO"
    grace: Annotated[float, msgspec.Meta(gt=0, description="seconds")] = 5.0
    api_key: Annotated[Secret, msgspec.Meta(description="a key")] = Secret()
    redis_url: Annotated[str, msgspec.Meta(description="a Redis address")] = ""


def test_values_are_read_by_their_types() -> None:
    settings, mistakes = read(Sample, {"PORT": "99", "JWT_SECRET": "hunter22", "GRACE": " 2.5 ", "OTHER": "x"})
    assert mistakes == []
    assert settings == Sample(port=99, jwt_secret=Secret("hunter22"), grace=2.5)


def test_an_empty_string_counts_as_not_set() -> None:
    settings, _ = read(Sample, {"JWT_SECRET": "hunter22", "PORT": "", "LOG_LEVEL": "  "})
    assert settings == Sample(jwt_secret=Secret("hunter22"))


def test_every_mistake_is_found_at_once() -> None:
    settings, mistakes = read(Sample, {"PORT": "99999", "LOG_LEVEL": "LOUD", "GRACE": "soon"})
    assert settings is None
    assert [mistake.name for mistake in mistakes] == ["PORT", "JWT_SECRET", "LOG_LEVEL", "GRACE"]


def test_a_mistake_names_the_setting_its_value_and_what_would_be_right() -> None:
    _, mistakes = read(Sample, {"PORT": "http", "JWT_SECRET": "x"})
    assert len(mistakes) == 1
    words = str(mistakes[0])
    assert words.startswith("PORT=http: ")
    assert words.endswith("right would be: a port, 0 to 65535")


def test_a_missing_required_setting_says_what_it_is_for() -> None:
    _, mistakes = read(Sample, {})
    assert [str(mistake) for mistake in mistakes] == ["JWT_SECRET=: is required: at least 32 characters"]


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret("hunter22")
    assert secret.reveal() == "hunter22"
    assert "hunter22" not in f"{secret!r} {secret} {Sample(jwt_secret=secret)!r}"
    assert [bool(secret), bool(Secret())] == [True, False]
    assert {secret, Secret("hunter22")} == {secret}
    assert secret != "hunter22"


def test_an_error_lists_every_mistake_on_its_line() -> None:
    error = SettingsError([Mistake("A", "1", "is wrong"), Mistake("B", "2", "too")])
    assert str(error) == "A=1: is wrong\nB=2: too"


def test_every_setting_is_described() -> None:
    assert describe(Sample)[:2] == [
        Setting("PORT", "8080", "a port, 0 to 65535"),
        Setting("JWT_SECRET", "required", "at least 32 characters"),
    ]
    assert {setting.variable: setting.default for setting in describe(Sample)[4:]} == {
        "API_KEY": "not set",
        "REDIS_URL": "not set",
    }


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("JWT_SECRETT", "JWT_SECRETT is not a setting; did you mean JWT_SECRET?"),
        ("ZZZ", "ZZZ is not a setting"),
    ],
)
def test_names_that_no_setting_has_are_told(name: str, sentence: str) -> None:
    assert unknown(Sample, ["PORT", name]) == [sentence]
