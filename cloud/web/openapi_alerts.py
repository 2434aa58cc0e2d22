"""The addresses of alerts described: a part of `cloud.web.openapi`."""

from collections.abc import Callable
from typing import Any

from cloud.alerts.alert import Severity
from cloud.alerts.kinds import KINDS

Json = dict[str, Any]
_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}
_TIME = {"type": "string", "format": "date-time"}
_OR_NULL = {"type": ["string", "null"], "format": "date-time"}
_ALERT = {"$ref": "#/components/schemas/Alert"}


def alerts_paths(operation: Callable[..., Json], admin: list[dict[str, list[str]]], problems: tuple[str, ...]) -> Json:
    """Paths. `operation` makes one, `problems` are those of every address for the admin key's holder."""
    return {
        "/admin/alerts": {
            "get": operation(
                "What is wrong just now, and what is muted",
                {"200": {"description": "What stands.", "content": _json({"$ref": "#/components/schemas/Alerts"})}},
                *problems,
                security=admin,
            )
        },
        "/admin/alerts/{number}/acknowledge": {
            "post": operation(
                "Take note of an alert: it is told again and escalated no more",
                {"200": {"description": "As it is from now on.", "content": _json(_ALERT)}},
                *problems,
                security=admin,
                parameters=[
                    {
                        "name": "number",
                        "in": "path",
                        "required": True,
                        "description": "Of an alert that stands.",
                        "schema": _TEXT,
                    }
                ],
            )
        },
    }


def alerts_answers() -> Json:
    """Schemas of what is answered."""
    alert = {
        "number": _NUMBER,
        "kind": {"enum": list(KINDS)},
        "kiosk": {"type": ["string", "null"], "description": "Null: the hub itself."},
        "subject": {**_TEXT, "description": "A device, a document, an operation; empty: the kiosk or the hub."},
        "severity": {"enum": list(Severity)},
        "words": {**_TEXT, "description": "One sentence."},
        "since": {**_TIME, "description": "When what is wrong began."},
        "raised_at": _TIME,
        "gone_at": {**_OR_NULL, "description": "It does not hold just now, and is cleared unless it comes back."},
        "escalated_at": _OR_NULL,
        "acknowledged_at": _OR_NULL,
        "acknowledged_by": _TEXT,
        "data": {"type": "object", "description": "Numbers and short texts, by kind."},
    }
    mute = {"scope": {**_TEXT, "description": "A kiosk's id, or a kind."}, "until": _TIME, "at": _TIME, "by": _TEXT}
    return {
        "Alert": _thing(alert),
        "Alerts": _thing(
            {
                "total": _NUMBER,
                "alerts": {"type": "array", "items": _ALERT, "description": "The newest 1,000, the latest first."},
                "mutes": {"type": "array", "items": _thing(mute)},
            }
        ),
    }


def _thing(properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}
