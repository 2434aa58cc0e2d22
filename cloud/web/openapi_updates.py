"""The addresses of updates and rollouts described: a part of `cloud.web.openapi`."""

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}
_OR_NULL = {"type": ["string", "null"]}
_TIME = {"type": ["string", "null"], "format": "date-time"}


def update_paths(operation: Callable[..., Json], admin: list[dict[str, list[str]]], problems: tuple[str, ...]) -> Json:
    """Paths. `operation` makes one, `problems` are those of every address for the admin key's holder."""
    channel = _path("channel", "Such as stable: 1 to 32 lower case letters, digits and hyphens.")
    file = _path("file", "manifest.json, rollout.json, a file that the manifest names; with .minisig its signature.")
    anything: Json = {"application/octet-stream": {"schema": {}}}
    return {
        "/updates/{channel}/{file}": {
            "get": operation(
                "Fetch a new version",
                {
                    "200": {"description": "The whole file.", "content": {**anything, **_json({})}},
                    "206": {"description": "The part asked for by Range.", "content": anything},
                    "304": {"description": "It is what If-None-Match names."},
                    "416": {"description": "The file has no such part."},
                    "503": {
                        "description": "Too many downloads at once; Retry-After says when to come again.",
                        "content": {"text/plain": {"schema": _TEXT}},
                    },
                },
                "not-found",
                security=[],
                parameters=[
                    channel,
                    file,
                    _header("Range", "One range of bytes; more are answered with the whole."),
                    _header("If-Range", "The ETag of what the caller has the beginning of."),
                ],
                description=(
                    "Signed, not secret: no key is needed. rollout.json says how much of the fleet may install the "
                    "channel's version now; before an operator begins a rollout nobody may."
                ),
            )
        },
        "/admin/rollouts": {
            "get": operation(
                "List channels, their rollouts, and the versions kiosks run",
                {"200": {"description": "All.", "content": _json(_ref("Rollouts"))}},
                *problems,
                security=admin,
            )
        },
        "/admin/rollouts/{channel}": {
            "get": operation(
                "Show a rollout, its latest changes and the kiosks that failed",
                {"200": {"description": "The rollout.", "content": _json(_ref("RolloutWithHistory"))}},
                *problems,
                security=admin,
                parameters=[channel],
            ),
            "put": operation(
                "Begin a rollout, widen it, pause it, have it go on",
                {"200": {"description": "As it is now.", "content": _json(_ref("RolloutWithHistory"))}},
                *("bad-request", "conflict", *problems),
                security=admin,
                parameters=[channel],
                requestBody={"required": True, "content": _json(_ref("Change"))},
            ),
        },
    }


def update_answers() -> Json:
    """Schemas of what is answered."""
    progress = {
        "among": {**_NUMBER, "description": "May have it now."},
        "running": {**_NUMBER, "description": "Said last that they run it."},
        "installed": {**_NUMBER, "description": "It is on trial there, or was when they were last heard of."},
        "silent": {**_NUMBER, "description": "Of them, those not heard of for an hour since."},
        "confirmed": _NUMBER,
        "failed": _NUMBER,
    }
    rollout = {
        "channel": _TEXT,
        "offered": {"type": "array", "items": _TEXT, "description": "Versions, oldest first."},
        "version": {**_OR_NULL, "description": "Null before a rollout is begun: nobody gets anything."},
        "percent": _NUMBER,
        "window": {**_TEXT, "description": "HH:MM-HH:MM, the kiosks' time; empty: their own."},
        "paused": {"type": "boolean"},
        "reason": {**_TEXT, "description": "Why the hub has paused it."},
        "changed_at": _TIME,
        "changed_by": _TEXT,
        "kiosks": {**_thing(progress), "type": ["object", "null"]},
    }
    failure = _thing({"kiosk": _TEXT, "version": _TEXT, "reason": _TEXT, "at": _TIME})
    act = _thing({"at": _TIME, "by": _TEXT, "words": _TEXT})
    return {
        "Rollout": _thing(rollout),
        "Rollouts": _thing(
            {
                "rollouts": {"type": "array", "items": _ref("Rollout")},
                "versions": {
                    "type": "object",
                    "additionalProperties": _NUMBER,
                    "description": "How many kiosks said last that they run which version.",
                },
                "unknown": {**_NUMBER, "description": "Kiosks that have never said."},
            }
        ),
        "RolloutWithHistory": _thing(
            {
                "rollout": _ref("Rollout"),
                "failures": {"type": "array", "items": failure},
                "changes": {"type": "array", "items": act},
            }
        ),
    }


def _thing(properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _path(name: str, description: str) -> Json:
    return {"name": name, "in": "path", "required": True, "description": description, "schema": _TEXT}


def _header(name: str, description: str) -> Json:
    return {"name": name, "in": "header", "required": False, "description": description, "schema": _TEXT}
