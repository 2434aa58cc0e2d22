"""`POST /send` without HTTP: headers and a body in, an answer out, whichever server stands before it."""

import asyncio
import logging
import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

import msgspec

from cloud.backends.keys import ApiKey, ApiKeys
from cloud.backends.limits import RateLimit
from cloud.errors import Refused
from cloud.operations.answers import Answer, refusal
from cloud.operations.order import Order
from cloud.operations.request_id import new_request_id
from cloud.operations.service import Operations
from wire.ids import KIOSK_ID, METHODS, OPERATION, parse_idempotency_key, parse_kiosk_id, parse_method, parse_operation
from wire.messages import MESSAGE_MAX_BYTES

log = logging.getLogger(__name__)

# The request's envelope must fit into the message beside it.
BODY_MAX_BYTES = MESSAGE_MAX_BYTES - 16 * 1024
_EXPIRES_DEFAULT = 3600.0
_body = msgspec.json.Decoder(dict[str, msgspec.Raw])


class SendHeaders(msgspec.Struct, frozen=True, kw_only=True, rename=lambda name: name.replace("_", "-")):
    """The headers of `POST /send`, by lower-case name."""

    # What is checked by `wire.ids`, in its words, is only described here.
    header_kiosk_id: Annotated[
        str,
        msgspec.Meta(description="The kiosk.", examples=["kiosk_001"], extra_json_schema={"pattern": f"^{KIOSK_ID}$"}),
    ]
    header_operation_type: Annotated[
        str,
        msgspec.Meta(
            description="The name of a route on the kiosk.",
            examples=["payment", "fiscal"],
            extra_json_schema={"pattern": f"^{OPERATION}$"},
        ),
    ]
    header_http_method: Annotated[
        str,
        msgspec.Meta(
            description="How the kiosk calls its gateway: POST or GET.",
            examples=["POST"],
            extra_json_schema={"enum": sorted(METHODS)},
        ),
    ] = "POST"
    header_timeout: (
        Annotated[
            float,
            msgspec.Meta(ge=1, le=300, description="Seconds to wait for the answer; default KIOSK_RESPONSE_TIMEOUT."),
        ]
        | None
    ) = None
    header_delivery: Annotated[
        Literal["now", "queue"],
        msgspec.Meta(description="now: an absent kiosk is 503 at once; queue: kept until it returns, answers 202."),
    ] = "now"
    header_expires: Annotated[
        float,
        msgspec.Meta(ge=1, le=30 * 86400, description="With queue: seconds after which it is not executed any more."),
    ] = _EXPIRES_DEFAULT
    idempotency_key: (
        Annotated[str, msgspec.Meta(max_length=255, description="The same key with the same request is one operation.")]
        | None
    ) = None


class Send:
    """Checks a request's form and its caller's right, then has it carried out."""

    def __init__(
        self, *, operations: Operations, keys: ApiKeys, key_limit: RateLimit, default_timeout: float, open_to_all: bool
    ) -> None:
        self._operations = operations
        self._keys = keys
        self._key_limit = key_limit
        self._default_timeout = default_timeout
        self._open_to_all = open_to_all
        self._loop = asyncio.get_running_loop()

    async def answer(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer a request. `headers` by lower-case name; a body that was too large to be read is refused before."""
        request_id = new_request_id()
        try:
            key = self.authenticate(headers.get("authorization", ""))
            return await self._operations.send(self._order(request_id, headers, body, key))
        except Refused as error:
            return _refuse(error, request_id)
        except Exception:
            log.exception("a request failed", extra={"request_id": request_id})
            return _refuse(Refused("internal", "the hub failed; its log has the reason"), request_id)

    def authenticate(self, authorization: str) -> ApiKey | None:
        """The caller's key; None in demo mode without one. Raises `Refused` (unauthorized)."""
        scheme, _, text = authorization.partition(" ")
        key = self._keys.check(text.strip()) if scheme.casefold() == "bearer" else None
        if key is None and (authorization or not self._open_to_all):
            detail = "the API key is not in force" if authorization else "the header Authorization: Bearer … is missing"
            raise Refused("unauthorized", detail)
        return key

    def authorize(self, authorization: str) -> ApiKey | None:
        """The caller's key, for a request that counts. Raises `Refused`: unauthorized, rate-limited."""
        key = self.authenticate(authorization)
        if wait := self._over_limit(key):
            raise Refused("rate-limited", "too many requests with this API key", retry_after=math.ceil(wait))
        return key

    def _over_limit(self, key: ApiKey | None) -> float:
        return self._key_limit.take(key.id if key else "", self._loop.time())

    def too_large(self) -> Answer:
        """The answer to a body over the limit."""
        detail = f"a body has at most {BODY_MAX_BYTES} bytes"
        return _refuse(Refused("too-large", detail), new_request_id())

    def _order(self, request_id: str, headers: Mapping[str, str], body: bytes, key: ApiKey | None) -> Order:
        if len(body) > BODY_MAX_BYTES:
            raise Refused("too-large", f"a body has at most {BODY_MAX_BYTES} bytes")
        try:
            given = msgspec.convert(headers, SendHeaders, strict=False)
        except msgspec.ValidationError as error:
            raise Refused("bad-request", _in_words(error)) from error
        kiosk_id = _parse("Header-Kiosk-Id", parse_kiosk_id, given.header_kiosk_id)
        operation = _parse("Header-Operation-Type", parse_operation, given.header_operation_type)
        method = _parse("Header-Http-Method", parse_method, given.header_http_method)
        idempotency_key = None
        if given.idempotency_key is not None:
            idempotency_key = _parse("Idempotency-Key", parse_idempotency_key, given.idempotency_key)
        if body and not body.isspace():
            try:
                _body.decode(body)
                body.decode()  # texts inside are not looked at above, and a socket that is sent other bytes breaks
            except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
                raise Refused("bad-request", f"the body is not a JSON object: {error}") from error
        else:
            body = b"{}"
        return Order(
            request_id=request_id,
            kiosk_id=kiosk_id,
            operation=operation,
            method=method,
            body=body,
            api_key_id=key.id if key else None,
            idempotency_key=idempotency_key,
            timeout=given.header_timeout or self._default_timeout,
            expires=given.header_expires if given.header_delivery == "queue" else None,
            over_limit=self._over_limit(key),
        )


def headers_of(answer: Answer) -> dict[str, str]:
    """The HTTP headers an answer needs, `Content-Length` left to the server."""
    headers = {"Content-Type": answer.content_type, "X-Request-Id": answer.request_id}
    if answer.replayed:
        headers["Idempotent-Replayed"] = "true"
    if answer.retry_after is not None:
        headers["Retry-After"] = str(answer.retry_after)
    if answer.location:
        headers["Location"] = answer.location
    if answer.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def _refuse(error: Refused, request_id: str) -> Answer:
    error.request_id = error.request_id or request_id
    return refusal(error)


def _in_words(error: msgspec.ValidationError) -> str:
    """A wrong header named as callers write it."""
    text = str(error)
    if missing := re.search(r"missing required field `([\w-]+)`", text):
        return f"the header {missing[1].title()} is missing"
    text, _, path = text.partition(" - at `$.")
    return f"{path.rstrip('`').title()}: {text}"


def _parse(header: str, parse: Callable[[str], str], text: str) -> str:
    try:
        return parse(text.strip())
    except ValueError as error:
        raise Refused("bad-request", f"{header}: {error}") from error
