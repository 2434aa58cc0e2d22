"""The hub's description of itself holds; `make chaos ONLY=schema` tries it at length."""

from pathlib import Path

from tests.chaos import schema


def test_the_hub_is_as_its_openapi_says(tmp_path: Path) -> None:
    result = schema.run(tmp_path, 1, 0.05)
    assert result.breaches == []
    assert result.figures["backend_addresses"] >= 6
    assert result.figures["admin_addresses"] >= 8
    assert result.figures["backend_cases"] + result.figures["admin_cases"] > 100
