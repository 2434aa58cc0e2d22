"""The specification as a page for people: one file, no script, nothing from elsewhere."""

import base64
import hashlib
import html
from functools import cache
from pathlib import Path
from typing import Any

from cloud.web.openapi import specification
from wire.problems import PROBLEMS
from wire.version import VERSION


@cache
def docs_page() -> tuple[str, str]:
    """The page for people, and the hash of its style for the Content-Security-Policy."""
    style = Path(__file__).with_name("pages").joinpath("docs.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    spec = specification()
    sections, contents = [], []
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            anchor = f"{method}{path}".translate(str.maketrans("/{}", "-  ")).replace(" ", "")
            title = f'<span class="method {method}">{method.upper()}</span> <code>{html.escape(path)}</code>'
            contents.append(f'<li><a href="#{anchor}">{title}</a></li>')
            sections.append(f'<section id="{anchor}"><h2>{title}</h2>{_describe(operation)}</section>')
    problems = "".join(
        f"<tr><td>{kind.status}</td><td><code>{name}</code></td><td><code>{kind.outcome}</code></td><td>{html.escape(kind.title)}</td></tr>"
        for name, kind in PROBLEMS.items()
    )
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Kioskwire hub API</title><style>{style}</style></head><body>
<header><h1>Kioskwire hub API <small>{VERSION}</small></h1><p>{html.escape(spec["info"]["description"])}
Machine-readable: <a href="/openapi.json">openapi.json</a>.</p></header>
<nav><ul>{"".join(contents)}</ul></nav><main>{"".join(sections)}
<section id="problems"><h2>Problems</h2><p>An answer of the hub's own is <code>application/problem+json</code>.
<code>not_executed</code> may be tried again safely; <code>unknown</code> may not before
<code>GET /operations/{{request_id}}</code> has told more.</p>
<table><thead><tr><th>Status</th><th>Type</th><th>Outcome</th><th>When</th></tr></thead>
<tbody>{problems}</tbody></table></section></main></body></html>"""
    return page, f"sha256-{digest}"


def _describe(operation: dict[str, Any]) -> str:
    parts = [
        f"<p><strong>{html.escape(operation['summary'])}.</strong> {html.escape(operation.get('description', ''))}</p>"
    ]
    for scheme in operation["security"]:
        names = {"api_key": "an API key", "admin_key": "the admin key"}
        parts.append(f"<p>Needs {names[next(iter(scheme))]} in <code>Authorization: Bearer …</code></p>")
    if parameters := operation.get("parameters"):
        rows = "".join(
            f"<tr><td><code>{html.escape(item['name'])}</code></td>"
            f"<td>{item['in']}{', required' if item['required'] else ''}</td>"
            f"<td>{html.escape(item['description'])} {_limits(item['schema'])}</td></tr>"
            for item in parameters
        )
        parts.append(
            f"<table><thead><tr><th>Parameter</th><th>In</th><th>Meaning</th></tr></thead><tbody>{rows}</tbody></table>"
        )
    rows = "".join(
        f"<tr><td>{status}</td><td>{_marked(response['description'])}</td></tr>"
        for status, response in operation["responses"].items()
    )
    parts.append(f"<table><thead><tr><th>Answer</th><th>Meaning</th></tr></thead><tbody>{rows}</tbody></table>")
    return "".join(parts)


def _limits(schema: dict[str, Any]) -> str:
    words = []
    for part in schema.get("anyOf", [schema]):
        if "minimum" in part and "maximum" in part:
            words.append(f"{part['minimum']} to {part['maximum']}.")
        if "enum" in part:
            words.append(
                "One of " + ", ".join(f"<code>{html.escape(str(value))}</code>" for value in part["enum"]) + "."
            )
    if schema.get("default") is not None:
        words.append(f"Default <code>{html.escape(_plain(schema['default']))}</code>.")
    return " ".join(words)


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _marked(text: str) -> str:
    """Escaped, with `…` as code and each line on its own."""
    pieces = html.escape(text).replace("\n", "<br>").split("`")
    return "".join(f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces))
