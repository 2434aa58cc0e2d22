"""The HTTP API described: OpenAPI 3.1 made from the structs that parse the requests."""

from functools import cache
from typing import Any

import msgspec

from cloud.operations.operation import State
from cloud.updates.rollouts import Change
from cloud.web.admin import ApiKeyChange, KioskChange, NewApiKey, NewKiosk
from cloud.web.openapi_alerts import alerts_answers, alerts_paths
from cloud.web.openapi_enrolment import CODE, ENROLMENT, enrolment_answers, enrolment_paths
from cloud.web.openapi_resolving import RESOLUTION, resolving_paths
from cloud.web.openapi_updates import update_answers, update_paths
from cloud.web.resolving import Resolve
from cloud.web.send import SendHeaders
from wire.ids import KIOSK_ID
from wire.problems import PROBLEMS, Outcome
from wire.version import VERSION

_BODIES = (NewKiosk, KioskChange, NewApiKey, ApiKeyChange, Change, Resolve)
_JSON_OBJECT = {"type": "object", "additionalProperties": True}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_TIME = {"type": ["string", "null"], "format": "date-time"}


def _content(schema: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    return {"content": {kind: {"schema": schema}}}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _problems(*names: str) -> dict[str, Any]:
    """Answers for these problem types, by status."""
    responses: dict[str, Any] = {}
    for name in names:
        kind = PROBLEMS[name]
        entry = responses.setdefault(
            str(kind.status), {"description": "", **_content(_ref("Problem"), "application/problem+json")}
        )
        line = f"`{name}`, outcome `{kind.outcome}`: {kind.title}."
        entry["description"] = f"{entry['description']}\n{line}".strip()
    return dict(sorted(responses.items()))


def _path(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "description": description, "schema": {"type": "string"}}


def _query(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def _send_parameters() -> list[dict[str, Any]]:
    _, components = msgspec.json.schema_components([SendHeaders])
    properties = components["SendHeaders"]["properties"]
    required = components["SendHeaders"].get("required", [])
    parameters = []
    for name, schema in properties.items():
        own = {key: value for key, value in schema.items() if key != "description"}
        shown = "-".join(part.capitalize() for part in name.split("-"))
        parameters.append(
            {
                "name": shown,
                "in": "header",
                "required": name in required,
                "description": schema.get("description") or _described(schema),
                "schema": own,
            }
        )
    return parameters


def _described(schema: dict[str, Any]) -> str:
    """The description inside an optional one."""
    return next((part["description"] for part in schema.get("anyOf", ()) if "description" in part), "")


_SEND_PROBLEMS = [
    *("bad-request", "unauthorized", "kiosk-disabled", "unknown-kiosk", "unknown-operation", "cancelled"),
    *("idempotency-conflict", "too-large", "rate-limited", "internal", "gateway-unreachable", "device-fault"),
    "hub-stopping",
    *(
        "confirmed-executed",
        "confirmed-not-executed",
        "hub-storage",
        "key-unchecked",
        "kiosk-offline",
        "kiosk-busy",
        "kiosk-storage",
        "expired",
        "timeout",
        "kiosk-lost",
        "interrupted",
    ),
]


@cache
def specification() -> dict[str, Any]:
    """The specification as OpenAPI 3.1."""
    _, bodies = msgspec.json.schema_components(_BODIES, ref_template="#/components/schemas/{name}")
    request_id = _path("request_id", "As given in X-Request-Id.")
    kiosk_id = _path("id", "The kiosk.")
    key_id = _path("id", "The API key's id, not the key.")
    backend: list[dict[str, list[str]]] = [{"api_key": []}]
    admin: list[dict[str, list[str]]] = [{"admin_key": []}]

    def operation(
        summary: str,
        responses: dict[str, Any],
        *problems: str,
        security: list[dict[str, list[str]]] = backend,
        **more: Any,
    ) -> dict[str, Any]:
        return {"summary": summary, "security": security, **more, "responses": {**responses, **_problems(*problems)}}

    def body(name: str) -> dict[str, Any]:
        return {"required": True, **_content(_ref(name))}

    def ok(description: str, schema: dict[str, Any], status: str = "200") -> dict[str, Any]:
        return {status: {"description": description, **_content(schema)}}

    admin_problems = ("unauthorized", "not-found", "rate-limited")
    paths: dict[str, Any] = {
        "/send": {
            "post": operation(
                "Ask one kiosk to do one thing and wait for its answer",
                {
                    "default": {
                        "description": "The gateway's own answer: its HTTP status and JSON body, unchanged.",
                        "headers": {
                            "X-Request-Id": {"schema": {"type": "string"}, "description": "Names the operation."},
                            "Idempotent-Replayed": {
                                "schema": {"const": "true"},
                                "description": "Given again for an Idempotency-Key.",
                            },
                        },
                        **_content(_JSON_OBJECT),
                    },
                    "202": {
                        "description": "Queued (Header-Delivery: queue).",
                        **_content(
                            {
                                "type": "object",
                                "properties": {"request_id": {"type": "string"}, "state": {"const": "queued"}},
                            }
                        ),
                    },
                },
                *_SEND_PROBLEMS,
                description=(
                    "The body is a JSON object for the kiosk's gateway, or empty. An answer of the hub's own is "
                    "application/problem+json; its member outcome tells whether it is safe to try again."
                ),
                parameters=_send_parameters(),
                requestBody={"required": False, **_content(_JSON_OBJECT)},
            )
        },
        "/operations": {
            "get": operation(
                "List operations, newest first",
                ok(
                    "A page; cursor is null on the last.",
                    {
                        "type": "object",
                        "properties": {
                            "operations": {"type": "array", "items": _ref("Operation")},
                            "cursor": _TEXT_OR_NULL,
                        },
                    },
                ),
                *("bad-request", "unauthorized", "rate-limited"),
                description="An operation without an Idempotency-Key is listed once it has ended.",
                parameters=[
                    _query("kiosk", "Only of this kiosk.", {"type": "string", "pattern": f"^{KIOSK_ID}$"}),
                    _query("state", "Only in this state.", {"enum": list(State)}),
                    _query("since", "Only begun since: Unix seconds or RFC 3339.", {"type": "string"}),
                    _query("cursor", "As given with the page before.", {"type": "string"}),
                    _query(
                        "limit",
                        "Operations on a page.",
                        {"type": "integer", "minimum": 1, "maximum": 500, "default": 50},
                    ),
                ],
            )
        },
        "/operations/{request_id}": {
            "get": operation(
                "What became of an operation",
                ok("The operation.", _ref("Operation")),
                *("unauthorized", "not-found", "rate-limited"),
                parameters=[request_id],
            )
        },
        "/operations/{request_id}/events": {
            "get": operation(
                "Watch an operation (server-sent events)",
                {
                    "200": {
                        "description": (
                            "Each event is named by a state or progress; its data is the operation, or what the kiosk "
                            "said of its progress. The stream ends with a final state."
                        ),
                        **_content({"type": "string"}, "text/event-stream"),
                    }
                },
                *("unauthorized", "not-found", "rate-limited"),
                parameters=[request_id],
            )
        },
        "/operations/{request_id}/cancel": {
            "post": operation(
                "Do not execute it, if that is still possible",
                {
                    **ok("Cancelled: it is not executed.", _ref("Operation")),
                    **ok("The kiosk was asked; the operation's final state tells.", _ref("Operation"), "202"),
                },
                *("unauthorized", "not-found", "conflict", "rate-limited"),
                parameters=[request_id],
            )
        },
        "/admin/kiosks": {
            "get": operation(
                "List kiosks",
                ok("All.", {"type": "object", "properties": {"kiosks": {"type": "array", "items": _ref("Kiosk")}}}),
                *admin_problems,
                security=admin,
            ),
            "post": operation(
                "Register a kiosk",
                ok("Its code and token are not shown again.", _ref("NewKioskWithCode"), "201"),
                *("bad-request", "conflict", *admin_problems),
                security=admin,
                requestBody=body("NewKiosk"),
            ),
        },
        "/admin/kiosks/{id}": {
            "get": operation(
                "Show a kiosk",
                ok("The kiosk.", _ref("KioskWithCode")),
                "unknown-kiosk",
                *admin_problems,
                security=admin,
                parameters=[kiosk_id],
            ),
            "patch": operation(
                "Rename, enable, disable",
                ok("Disabling closes its socket.", _ref("Kiosk")),
                *("bad-request", "unknown-kiosk", *admin_problems),
                security=admin,
                parameters=[kiosk_id],
                requestBody=body("KioskChange"),
            ),
            "delete": operation(
                "Remove a kiosk",
                {"204": {"description": "Removed; its socket is closed, its operations stay."}},
                *("unknown-kiosk", *admin_problems),
                security=admin,
                parameters=[kiosk_id],
            ),
        },
        "/admin/kiosks/{id}/token": {
            "post": operation(
                "Renew a kiosk's token",
                ok("The old token, a key and a code are dead, and the socket closed.", _ref("KioskWithToken"), "201"),
                *("unknown-kiosk", *admin_problems),
                security=admin,
                parameters=[kiosk_id],
            )
        },
        "/admin/api-keys": {
            "get": operation(
                "List API keys",
                ok(
                    "Those in force.",
                    {"type": "object", "properties": {"api_keys": {"type": "array", "items": _ref("ApiKey")}}},
                ),
                *admin_problems,
                security=admin,
            ),
            "post": operation(
                "Add an API key",
                ok("Key and signing secret are not shown again.", _ref("ApiKeyWithSecret"), "201"),
                *("bad-request", *admin_problems),
                security=admin,
                requestBody=body("NewApiKey"),
            ),
        },
        "/admin/api-keys/{id}": {
            "patch": operation(
                "Where its callbacks go",
                ok("With the new signing secret.", _ref("CallbackAddress")),
                *("bad-request", *admin_problems),
                security=admin,
                parameters=[key_id],
                requestBody=body("ApiKeyChange"),
            ),
            "delete": operation(
                "Revoke an API key",
                {"204": {"description": "Revoked."}},
                *admin_problems,
                security=admin,
                parameters=[key_id],
            ),
        },
        **resolving_paths(operation, admin, admin_problems),
        **alerts_paths(operation, admin, admin_problems),
        **update_paths(operation, admin, admin_problems),
        **enrolment_paths(operation, admin, admin_problems),
        "/telegram": {
            "post": operation(
                "Take what Telegram delivers to the bot",
                {
                    "200": {"description": "It is kept.", **_content(_JSON_OBJECT)},
                    "403": {"description": "The secret is not what Telegram was told.", **_content(_JSON_OBJECT)},
                    "503": {"description": "The bot is not ready.", **_content(_JSON_OBJECT)},
                },
                *("not-found", "too-large"),
                security=[],
                requestBody={"required": True, **_content(_JSON_OBJECT)},
                description="Called by Telegram alone, where TELEGRAM_WEBHOOK_URL is set.",
                parameters=[
                    {
                        "name": "X-Telegram-Bot-Api-Secret-Token",
                        "in": "header",
                        "required": False,
                        "description": "What the hub told Telegram to bring.",
                        "schema": {"type": "string"},
                    }
                ],
            )
        },
        "/health": {
            "get": operation(
                "Whether the hub can serve",
                {**ok("It can.", _ref("Health")), **ok("It cannot.", _ref("Health"), "503")},
                security=[],
            )
        },
        "/metrics": {
            "get": operation(
                "Metrics for Prometheus",
                {"200": {"description": "All series.", **_content({"type": "string"}, "text/plain")}},
                security=[],
            )
        },
    }
    for response in paths["/send"]["post"]["responses"].values():
        response["content"].setdefault("application/json", {"schema": _JSON_OBJECT})  # the gateway's, with that status
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Kioskwire hub",
            "version": VERSION,
            "description": "Reach kiosks: every operation executed at most once, no outcome lost.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "api_key": {"type": "http", "scheme": "bearer", "description": "An API key, kw_…"},
                "admin_key": {"type": "http", "scheme": "bearer", "description": "ADMIN_KEY of the hub."},
            },
            "schemas": {**bodies, **_answers()},
        },
    }


def _answers() -> dict[str, Any]:
    duplicate = {
        "address": {"type": "string"},
        "other_address": {"type": "string"},
        "same_journal": {"type": "boolean", "description": "One's disk was copied from the other's."},
        "first_seen": _TIME,
        "last_seen": _TIME,
        "count": {"type": "integer", "description": "How often."},
    }
    kiosk = {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "enabled": {"type": "boolean"},
        "generation": {"type": "integer", "description": "Of the token in force."},
        "created_at": _TIME,
        "enrolment": ENROLMENT,
        "connected": {"type": "boolean"},
        "connected_at": _TIME,
        "address": _TEXT_OR_NULL,
        "dialect": {"enum": ["v1", "kiosk.v2", None]},
        "version": _TEXT_OR_NULL,
        "routes": {"type": ["array", "null"], "items": {"type": "string"}},
        "unsettled": {"type": ["integer", "null"], "description": "Outcomes it still had to tell when it said hello."},
        "duplicate": {
            "type": ["object", "null"],
            "properties": duplicate,
            "description": "The one that served and the newcomer, if two boxes were seen with this identity lately.",
        },
        "hub": {
            "type": ["string", "null"],
            "description": "The hub that holds its socket, of several. Null: it is not connected, or there is one hub.",
        },
    }
    key = {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "created_at": _TIME,
        "callback_url": _TEXT_OR_NULL,
    }
    problem = {
        "type": {"enum": list(PROBLEMS)},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": _TEXT_OR_NULL,
        "outcome": {
            "enum": list(Outcome),
            "description": "not_executed may be tried again, unknown and executed may not.",
        },
    }
    operation = {
        "request_id": {"type": "string"},
        "kiosk": {"type": "string"},
        "operation": {"type": "string"},
        "method": {"type": "string"},
        "delivery": {"enum": ["now", "queue"]},
        "state": {"enum": list(State)},
        "final": {"type": "boolean", "description": "Nothing can change it any more."},
        "executed": {"enum": ["yes", "no", "unknown", None], "description": "As the kiosk said, or a person."},
        "idempotency_key": _TEXT_OR_NULL,
        **dict.fromkeys(("created_at", "expires_at", "sent_at", "accepted_at", "finished_at"), _TIME),
        "kiosk_seconds": {"type": ["number", "null"]},
        "answer": {
            "type": ["object", "null"],
            "properties": {"status": {"type": "integer"}, "body": _JSON_OBJECT},
            "description": "The gateway's.",
        },
        "problem": {
            "type": ["object", "null"],
            "properties": {name: problem[name] for name in ("type", "outcome")} | {"detail": _TEXT_OR_NULL},
        },
        "resolution": RESOLUTION,
    }
    health = {
        "status": {"enum": ["healthy", "degraded"]},
        "reasons": {"type": "array", "items": {"type": "string"}},
        "version": {"type": "string"},
        "redis": {"enum": ["connected", "slow", "disabled", "unreachable"]},
        "telegram": {
            "enum": ["disabled", "connecting", "connected", "standby", "unreachable", "conflict", "unauthorized"],
            "description": "Of the bot; standby: another hub polls.",
        },
        "telemetry": {
            "enum": ["disabled", "connecting", "connected", "unreachable", "refused"],
            "description": "Of figures pushed elsewhere; no part of the status.",
        },
        "database": {"enum": ["connected", "unreachable"]},
        "active_kiosks": {"type": "integer", "description": "Connected, at all hubs together."},
        "total_kiosks": {"type": "integer"},
        "duplicated_kiosks": {"type": "integer", "description": "Of which two boxes were seen lately."},
        "operations_running": {"type": "integer", "description": "At all hubs together."},
        "operations_queued": {"type": "integer"},
        "uptime": {"type": "number", "description": "Seconds."},
    }

    def thing(properties: dict[str, Any]) -> dict[str, Any]:
        return {"type": "object", "properties": properties, "required": list(properties)}

    text = {"type": "string"}
    return {
        "Problem": thing(problem),
        "Operation": thing(operation),
        "Kiosk": thing(kiosk),
        "KioskWithCode": thing(
            {
                **kiosk,
                "devices": {
                    "type": "array",
                    "items": thing(dict.fromkeys(("name", "role", "driver", "state"), text)),
                    "description": "As told last, to this hub or the one that holds it; of one that is away as well.",
                },
                "code_good_until": {
                    **_TIME,
                    "description": "Null: it has no open code, or the database does not answer.",
                },
            }
        ),
        "KioskWithToken": thing({**kiosk, "token": text}),
        "NewKioskWithCode": thing({**kiosk, **CODE, "token": text}),
        **enrolment_answers(),
        "ApiKey": thing(key),
        "ApiKeyWithSecret": thing({**key, "key": text, "callback_secret": _TEXT_OR_NULL}),
        "CallbackAddress": thing({"id": text, "callback_url": _TEXT_OR_NULL, "callback_secret": _TEXT_OR_NULL}),
        "Health": _with_hubs(thing(health)),
        **alerts_answers(),
        **update_answers(),
    }


def _with_hubs(health: dict[str, Any]) -> dict[str, Any]:
    """What a hub adds that others share its kiosks with."""
    text, number = {"type": "string"}, {"type": "integer"}
    hub = {
        "id": {**text, "description": "How its life begins, another one after each start."},
        "name": text,
        "version": text,
        "kiosks": number,
        "operations_running": number,
        "status": {
            "enum": ["healthy", "degraded", "unknown"],
            "description": "unknown: it is not heard, and the rest is what it told last.",
        },
        "troubles": {
            "type": "object",
            "additionalProperties": text,
            "description": "What is wrong with it: `database`, `redis`, `clock`, `stopping`, each in a sentence.",
        },
        "is_this": {"type": "boolean"},
    }
    hubs = {
        "type": "array",
        "items": {"type": "object", "properties": hub, "required": list(hub)},
        "description": "All hubs that live, as this one sees them; missing where it is alone.",
    }
    return {**health, "properties": {**health["properties"], "hubs": hubs}}
