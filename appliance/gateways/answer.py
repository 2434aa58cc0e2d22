"""A gateway's HTTP answer as the JSON object that travels to the backend. Pure.

A JSON object passes whole, byte for byte. Anything else is wrapped, so that the answer always is an object; one too
large for a message is cut and says so.
"""

import base64
import codecs
import re

import msgspec

# A message holds 1 MiB with everything around the body.
BODY_MAX_BYTES = 768 * 1024
CUT_BYTES = 64 * 1024
# Those of texts. Python has more, and some of them take minutes for a body of this size: punycode, idna.
_CHARSETS = re.compile(
    r"(?i)utf-?8|utf-?(16|32)([bl]e)?|(us-?)?ascii|iso-?8859-?\d{1,2}|latin-?1|windows-12\d\d|cp-?\d{3,4}|koi8-?[rtu]"
    r"|mac-?cyrillic|gb(k|2312|18030)|big5|shift_?jis|euc-?(jp|kr)"
)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode


def wrap(content: bytes, content_type: str) -> msgspec.Raw:
    """The body of a whole answer, at most `BODY_MAX_BYTES` long as it came."""
    stripped = content.removeprefix(codecs.BOM_UTF8).strip()
    if not stripped:
        return msgspec.Raw(b"{}")
    if stripped.startswith(b"{"):
        try:
            stripped.decode()  # fields are only skimmed below, which does not look at their UTF-8
            _object.decode(stripped)
            return msgspec.Raw(stripped)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            pass
    text = _as_text(content, content_type)
    fields = {"raw": text} if text is not None else {"raw_base64": base64.b64encode(content).decode()}
    body = _encode({**fields, "content_type": content_type})
    if len(body) > BODY_MAX_BYTES + CUT_BYTES:  # escapes and base64 make it longer than it came
        return cut(content, content_type, len(content))
    return msgspec.Raw(body)


def cut(beginning: bytes, content_type: str, size: int | None) -> msgspec.Raw:
    """The body of an answer that is too large: its beginning, and its size where the gateway said it."""
    text = beginning[:CUT_BYTES].decode("utf-8", errors="replace")
    return msgspec.Raw(_encode({"raw": text, "truncated": True, "size": size, "content_type": content_type}))


def is_own(body: bytes) -> bool:
    """Whether a body is an object that the gateway made, and not nothing, nor what was wrapped or cut here."""
    fields = set(_object.decode(body))
    return bool(fields) and not ("content_type" in fields and fields & {"raw", "raw_base64"})


def _as_text(content: bytes, content_type: str) -> str | None:
    """The text, by the charset that was named, else UTF-8; None when it is none."""
    charset = "utf-8"
    for part in content_type.split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.lower() == "charset" and _CHARSETS.fullmatch(value.strip("\"' ")):
            charset = value.strip("\"' ")
    for encoding in (charset, "utf-8"):
        try:
            text = content.decode(encoding)
            text.encode()  # some charsets give halves of characters, which JSON cannot carry
        except (LookupError, UnicodeError, ValueError):
            continue
        if "\x00" not in text:
            return text
    return None
