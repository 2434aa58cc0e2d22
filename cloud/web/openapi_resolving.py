"""Operations settled by hand described: a part of `cloud.web.openapi`."""

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
_TEXT = {"type": "string"}
_OR_NULL = {"type": ["string", "null"]}
_TIME = {"type": ["string", "null"], "format": "date-time"}
_OPERATION = {"application/json": {"schema": {"$ref": "#/components/schemas/Operation"}}}

RESOLUTION: Json = {
    "type": ["object", "null"],
    "properties": {
        "by": {**_TEXT, "description": "admin and an address, or telegram: and a user's id."},
        "at": _TIME,
        "why": _TEXT,
        "before": {**_TEXT, "description": "What was known until then."},
        "told_at": {**_TIME, "description": "When its kiosk told its outcome after all."},
        "told": {"type": ["object", "null"], "description": "That outcome: executed, status, body, problem."},
        "contradiction": {**_OR_NULL, "description": "How it differs from what the person said."},
    },
    "description": "Of one that a person settled, as nobody else could.",
}


def resolving_paths(
    operation: Callable[..., Json], admin: list[dict[str, list[str]]], problems: tuple[str, ...]
) -> Json:
    """Paths. `operation` makes one, `problems` are those of every address for the admin key's holder."""
    return {
        "/admin/operations/{request_id}/resolve": {
            "post": operation(
                "Settle an operation whose outcome is unknown",
                {"200": {"description": "As it is from now on.", "content": _OPERATION}},
                *("bad-request", "conflict", *problems),
                security=admin,
                description=(
                    "For good, once. Refused while its kiosk may still begin it (Retry-After), and for what is not "
                    "unknown. Its backend is called back; its key answers confirmed-executed or confirmed-not-executed."
                ),
                parameters=[
                    {
                        "name": "request_id",
                        "in": "path",
                        "required": True,
                        "description": "As given in X-Request-Id.",
                        "schema": _TEXT,
                    }
                ],
                requestBody={
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Resolve"}}},
                },
            )
        }
    }
