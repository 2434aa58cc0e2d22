"""The first dialect (v1), spoken by clients already in the field, as the same messages.

Hub → kiosk is one object with the request's headers, kiosk → hub the gateway's answer, flat, with `request_id` added.
Nothing else is ever sent to such a client and nothing twice: it has no journal.
"""

import msgspec

from wire.messages import Executed, Malformed, Request, Response

# Stands for the journal that a v1 client does not have: what was sent to one may be asked of nobody, also not of the
# `kiosk.v2` client that takes its place and has never heard of it.
NO_JOURNAL = "none: v1"
_answer = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)
_encoder = msgspec.json.Encoder()


def encode_request(kiosk_id: str, request: Request) -> bytes:
    """A request as v1 clients read it."""
    return _encoder.encode(
        {
            "request_id": request.request_id,
            "headers": {
                "header-kiosk-id": kiosk_id,
                "header-operation-type": request.operation,
                "header-http-method": request.method,
            },
            "body": request.body,
        }
    )


def decode_answer(text: str | bytes) -> Response:
    """A v1 client's answer; `operation` stays empty, as the client does not say it. Raises `Malformed`.

    Such a client passes no HTTP status on, so the answer counts as 200.
    """
    try:
        fields = _answer.decode(text)
        request_id = _text.decode(fields.pop("request_id"))
    except KeyError as error:
        raise Malformed("answer: the field request_id is missing") from error
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Malformed(f"answer: {error}") from error
    body = msgspec.Raw(_encoder.encode(fields))
    return Response(request_id=request_id, operation="", executed=Executed.YES, status=200, body=body)
