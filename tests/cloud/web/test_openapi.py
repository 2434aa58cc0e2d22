"""The specification is OpenAPI 3.1, says what the routes are, and its page needs nothing from elsewhere."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from cloud.web.docs_page import docs_page
from cloud.web.openapi import specification
from cloud.web.routes import ROUTES
from tests.cloud.hub import running
from wire.problems import PROBLEMS

_METHODS = {"get", "post", "put", "patch", "delete"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of every operation."""
    for path, item in specification()["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def references(value: Any) -> Iterator[str]:
    """Every `$ref` below a value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "$ref":
                yield inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_the_document_has_the_structure_of_openapi_3_1() -> None:
    document = specification()
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert {"title", "version"} <= set(document["info"])
    schemes = set(document["components"]["securitySchemes"])
    for path, method, operation in operations():
        where = f"{method} {path}"
        assert method in _METHODS, where
        assert operation["summary"], where
        assert operation["responses"], where
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[1-5]\d\d|default", status), where
            assert response["description"], (where, status)
            for media in response.get("content", {}).values():
                assert set(media) <= {"schema", "example", "examples"}, where
        for parameter in operation.get("parameters", []):
            assert {"name", "in", "required", "schema", "description"} <= set(parameter), where
            assert parameter["in"] in {"path", "query", "header"}, where
            assert parameter["description"], (where, parameter["name"])
        assert {name for item in operation["security"] for name in item} <= schemes, where


def test_every_reference_leads_somewhere() -> None:
    document = specification()
    for reference in references(document):
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
        assert target, reference


def test_path_parameters_are_those_of_the_path() -> None:
    for path, method, operation in operations():
        declared = {item["name"] for item in operation.get("parameters", []) if item["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path)), f"{method} {path}"


def test_every_route_is_described_and_nothing_else() -> None:
    described = {re.sub(r"{\w+}", "([^/]+)", path) for path in specification()["paths"]}
    assert described == {path for path, _ in ROUTES} - {"/ws", "/docs", "/openapi.json"}


def test_every_method_of_a_handler_is_described() -> None:
    handlers = dict(ROUTES)
    for path, item in specification()["paths"].items():
        handler = handlers[re.sub(r"{\w+}", "([^/]+)", path)]
        own = {name for name in _METHODS for kind in handler.__mro__[:-2] if name in vars(kind) and kind is handler}
        assert own == set(item), path


def test_every_problem_of_send_is_described_with_its_outcome() -> None:
    responses = specification()["paths"]["/send"]["post"]["responses"]
    for name in set(PROBLEMS) - {"not-found", "method-not-allowed", "conflict", "code-refused"}:
        kind = PROBLEMS[name]
        assert f"`{name}`, outcome `{kind.outcome}`" in responses[str(kind.status)]["description"], name


def test_the_headers_of_send_are_those_of_the_contract() -> None:
    parameters = specification()["paths"]["/send"]["post"]["parameters"]
    assert {item["name"]: item["required"] for item in parameters} == {
        "Header-Kiosk-Id": True,
        "Header-Operation-Type": True,
        "Header-Http-Method": False,
        "Header-Timeout": False,
        "Header-Delivery": False,
        "Header-Expires": False,
        "Idempotency-Key": False,
    }


async def test_answers_have_the_members_they_are_described_with(tmp_path: Path) -> None:
    schemas = specification()["components"]["schemas"]
    async with running(tmp_path) as hub:
        async with hub.kiosk() as kiosk, kiosk.serving():
            sent = await hub.send()
        found = await hub.operation(sent.headers["x-request-id"])
        kiosks = (await hub.http.get("/admin/kiosks", headers=hub.admin)).json()["kiosks"]
        keys = (await hub.http.get("/admin/api-keys", headers=hub.admin)).json()["api_keys"]
        problem = (await hub.http.get("/nowhere")).json()
        health = (await hub.http.get("/health")).json()
    given = {"Operation": found, "Kiosk": kiosks[0], "ApiKey": keys[0], "Problem": problem, "Health": health}
    assert {name: set(value) for name, value in given.items()} == {
        name: set(schemas[name]["required"]) for name in given
    }


class Page(HTMLParser):
    """Collects what a page would load or run, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in {"href", "src", "action"}:
                self.links.append(value or "")
            if name == "id":
                self.ids.add(value or "")
            if name.startswith("on") or name == "style":
                self.handlers.append(name)


async def test_the_page_loads_nothing_runs_nothing_and_its_links_lead_within_the_hub(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        answer = await hub.http.get("/docs")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    page = Page()
    page.feed(answer.text)
    assert page.tags.isdisjoint({"script", "link", "img", "iframe", "object", "embed", "form", "base"})
    assert page.handlers == []
    assert {link for link in page.links if not link.startswith("#")} == {"/openapi.json"}
    assert {link[1:] for link in page.links if link.startswith("#")} <= page.ids
    assert "url(" not in answer.text
    assert "@import" not in answer.text
    assert docs_page()[1] in answer.headers["content-security-policy"]
    for path in specification()["paths"]:
        assert path in answer.text


async def test_the_document_is_served_as_json(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        answer = await hub.http.get("/openapi.json")
        assert (200, specification()) == (answer.status_code, answer.json())
