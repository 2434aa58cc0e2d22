"""What all our Tornado handlers share: problems as JSON, who may call, and lines in the log without a query."""

import hmac
import logging
import math
from asyncio import Future
from typing import Any, TypeVar

import msgspec
from tornado.web import HTTPError, RequestHandler

from cloud.backends.keys import ApiKey
from cloud.errors import Refused, StorageError
from cloud.operations.answers import Answer, refusal
from cloud.operations.request_id import new_request_id
from cloud.web.send import headers_of
from cloud.web.services import Services
from wire.problems import Outcome

log = logging.getLogger(__name__)

T = TypeVar("T")
_BODY_MAX_BYTES = 64 * 1024
_HTTP_PROBLEMS = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}


class Refusing(RequestHandler):
    """Says no in problems; what every address of the hub is."""

    refused_outcome: Outcome | None = None  # what refusals tell, where that is not what the problem means at /send

    def set_default_headers(self) -> None:
        """Nothing of ours is to be sniffed, framed or kept by caches."""
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")

    def give(self, answer: Answer) -> None:
        """Answer with an answer of `operations`."""
        self.set_status(answer.status)
        for name, value in headers_of(answer).items():
            self.set_header(name, value)
        self.finish(answer.body)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Every error leaves as `application/problem+json`; tracebacks stay here."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, StorageError):
            error = Refused("hub-storage", "the log of the hub has the reason", retry_after=5)
        if not isinstance(error, Refused):
            problem = _HTTP_PROBLEMS.get(status_code, "bad-request" if status_code < 500 else "internal")
            detail = error.log_message if isinstance(error, HTTPError) and error.log_message else ""
            error = Refused(problem, detail or f"{self.request.method} {self.request.path}")
        error.request_id = error.request_id or new_request_id()
        if status_code == 405:
            missing = RequestHandler._unimplemented_method
            methods = [name for name in self.SUPPORTED_METHODS if getattr(type(self), name.lower()) is not missing]
            self.set_header("Allow", ", ".join(sorted(methods)))
        self.give(refusal(error, self.refused_outcome))


class Handler(Refusing):
    """The base: `services` is what `cloud.app` built."""

    services: Services

    def initialize(self, services: Services) -> None:
        """Called by Tornado with what the route table names."""
        self.services = services

    def finish(self, chunk: Any = None) -> "Future[None]":
        """The caller's next request is not for a hub that ends."""
        if self.services.health.stopping and not self._headers_written:
            self.set_header("Connection", "close")
        return super().finish(chunk)

    def authorize_backend(self) -> ApiKey | None:
        """The caller's API key. Raises `Refused`."""
        return self.services.send.authorize(self.request.headers.get("Authorization", ""))

    def authorize_admin(self) -> None:
        """Raises `Refused` unless the caller holds the admin key."""
        expected = self.services.admin_key.reveal()
        if not expected:
            raise Refused("not-found", "the admin API is off: ADMIN_KEY is not set")
        scheme, _, text = self.request.headers.get("Authorization", "").partition(" ")
        given = text.strip().encode()
        if scheme.casefold() != "bearer" or not hmac.compare_digest(given, expected.encode()):
            wait = self.services.gate.too_many_bad_tokens(f"admin {self.request.remote_ip}")
            if wait:
                raise Refused("rate-limited", "too many attempts with a wrong admin key", retry_after=math.ceil(3))
            raise Refused("unauthorized", "the admin key is missing or wrong")

    def read(self, kind: type[T], most: int = _BODY_MAX_BYTES) -> T:
        """The request's JSON body, of `most` bytes, as `kind`. Raises `Refused` naming what is wrong."""
        if len(self.request.body) > most:
            raise Refused("too-large", f"a body has at most {most} bytes")
        try:
            return msgspec.json.decode(self.request.body or b"{}", type=kind)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise Refused("bad-request", f"body: {error}") from error

    def answer(self, value: Any, status: int = 200) -> None:
        """Answer with JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(msgspec.json.encode(value))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Refusals are no news; a failure is, without the query, in which old clients carry their token."""
        if isinstance(value, Refused | HTTPError | StorageError):
            return
        log.error("a handler failed", exc_info=(typ, value, tb), extra={"path": self.request.path})


class NotFound(Handler):
    """Every address that is not in the route table."""

    def prepare(self) -> None:
        """Refuse."""
        raise Refused("not-found", f"there is nothing at {self.request.path}")
