"""The addresses of codes and enrolment described: a part of `cloud.web.openapi`."""

from collections.abc import Callable
from typing import Any

from cloud.kiosks.codes import Reason, Result
from wire.enrolment import ALPHABET, CODE_LENGTH, KEY_TEXT_LENGTH

Json = dict[str, Any]
_TEXT = {"type": "string"}
_OR_NULL = {"type": ["string", "null"]}
_TIME = {"type": "string", "format": "date-time"}
_LIMIT: Json = {
    "name": "limit",
    "in": "query",
    "required": False,
    "description": "How many.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
}
CODE: Json = {
    "code": {"type": "string", "description": "For one box, once. Not shown again."},
    "code_good_until": _TIME,
}
ENROLMENT: Json = {
    "type": ["object", "null"],
    "properties": {
        "key": {"type": "string", "description": "Fingerprint of the key that its hellos are signed with."},
        "at": {"type": ["string", "null"], "format": "date-time"},
        "address": _OR_NULL,
    },
    "description": "Null where a token alone lets the kiosk in.",
}


def enrolment_paths(
    operation: Callable[..., Json], admin: list[dict[str, list[str]]], problems: tuple[str, ...]
) -> Json:
    """Paths. `operation` makes one, `problems` are those of every address for the admin key's holder."""
    kiosk_id = {"name": "id", "in": "path", "required": True, "description": "The kiosk.", "schema": _TEXT}
    return {
        "/enroll": {
            "post": operation(
                "Trade a kiosk's one-time code for its token",
                {"200": {"description": "Who the kiosk is from now on.", "content": _json(_ref("EnrolAnswer"))}},
                *("bad-request", "code-refused", "too-large", "rate-limited", "hub-stopping", "hub-storage"),
                security=[],
                requestBody={"required": True, "content": _json(_ref("EnrolRequest"))},
                description=(
                    "Asked by kiosks. The same code with the same key is answered alike for as long as the code is "
                    "good; why a code is refused is told to operators only."
                ),
            )
        },
        "/admin/kiosks/{id}/code": {
            "post": operation(
                "Make a kiosk's one-time code",
                {"201": {"description": "The one before is refused now.", "content": _json(_ref("Code"))}},
                *("unknown-kiosk", *problems),
                security=admin,
                parameters=[kiosk_id],
            )
        },
        "/admin/kiosks/{id}/enrolments": {
            "get": operation(
                "What was tried at a kiosk's enrolment, newest first",
                {"200": {"description": "The newest.", "content": _json(_ref("Enrolments"))}},
                *("bad-request", "unknown-kiosk", *problems),
                security=admin,
                parameters=[kiosk_id, _LIMIT],
            )
        },
        "/admin/enrolments": {
            "get": operation(
                "What was tried at any kiosk's enrolment, newest first",
                {"200": {"description": "The newest.", "content": _json(_ref("Enrolments"))}},
                *("bad-request", *problems),
                security=admin,
                parameters=[_LIMIT],
            )
        },
    }


def enrolment_answers() -> Json:
    """Schemas of what is asked and answered."""
    code_pattern = f"^[{ALPHABET}]{{{CODE_LENGTH // 2}}}-?[{ALPHABET}]{{{CODE_LENGTH // 2}}}$"
    line = {
        "kiosk": {**_OR_NULL, "description": "Null: the code named none."},
        "result": {"enum": list(Result)},
        "reason": {
            **_OR_NULL,
            "description": f"Who made a code, what withdrew it, or why it was refused: {', '.join(Reason)}.",
        },
        "address": _OR_NULL,
        "other_address": {**_OR_NULL, "description": "Of the second box."},
        "key": {**_OR_NULL, "description": "Fingerprint."},
        "first_at": _TIME,
        "last_at": _TIME,
        "count": {"type": "integer", "description": "Of alike ones within an hour."},
    }
    request = {
        "code": {"type": "string", "pattern": code_pattern, "description": "In any case, with blanks and hyphens."},
        "public_key": {
            "type": "string",
            "pattern": f"^[A-Za-z0-9_-]{{{KEY_TEXT_LENGTH}}}$",
            "description": "Raw Ed25519, base64url without padding.",
        },
        "version": {"type": "string", "description": "Of the kiosk's program."},
    }
    return {
        "EnrolRequest": {"type": "object", "properties": request, "required": ["code", "public_key"]},
        "EnrolAnswer": _thing({"kiosk_id": _TEXT, "token": _TEXT, "name": _TEXT}),
        "Code": _thing({"id": _TEXT, **CODE}),
        "Enrolments": _thing({"enrolments": {"type": "array", "items": _ref("EnrolmentLine")}}),
        "EnrolmentLine": _thing(line),
    }


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _thing(properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}
