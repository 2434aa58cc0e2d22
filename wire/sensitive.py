"""What must not be read by everybody, by the name it goes by and by how it looks. Pure.

Names come as gateways write them: `cardNumber`, `X-Api-Key`, `CVV2`, `пароль`. They are taken apart into words, since
`pin` is a secret and `pinpad` is none, a `fiscal_sign` stands on the receipt and a `sign` proves who asks.
"""

import re
from enum import Enum
from functools import lru_cache

from wire.masking import has_check_digit

DOTS = "…"


class Kind(Enum):
    """What a name says of its value."""

    PLAIN = ""
    NOTHING = "nothing"  # of it is shown: a secret
    CARD = "card"  # the last four digits are
    PHONE = "phone"  # the last two
    PERSON = "person"  # the number of a person, as a state gives it: the last two

    def __bool__(self) -> bool:
        return self is not Kind.PLAIN


# Wherever they stand in a name.
_SECRET_PARTS = (
    "token", "secret", "passw", "passphrase", "apikey", "cryptogram", "credential", "privatekey", "signature", "hmac",
    "cookie", "парол", "токен", "секрет", "подпись",
)  # fmt: skip
# As a word of a name.
_SECRET_WORDS = frozenset(
    {"pwd", "pass", "pin", "cvv", "cvc", "cvv2", "cvc2", "csc", "cvp", "cavv", "otp", "totp", "jwt", "bearer",
     "passport", "пин", "паспорт"}
)  # fmt: skip
# As the whole name.
_SECRET_NAMES = frozenset({"auth", "sign", "sig", "authorization", "hash", "md5", "sha256"})
# `…_key` of these; a terminal's or an idempotency key is none.
_KEYS = frozenset(
    {"api", "access", "secret", "private", "auth", "app", "application", "client", "merchant", "master", "encryption",
     "sign", "signing", "license", "licence", "service", "shared", "hash", "session"}
)  # fmt: skip
# `…_code` of these; of a bank, an error or a country it is none.
_CODES = frozenset({"sms", "otp", "verification", "security", "pin", "secret", "enrolment", "enrollment", "activation"})
_SIGNERS = frozenset({"x", "request", "response", "md", "digital", "api", "hash", "data", "content"})
# What is said about a secret is none: `token_type`, `passwordRequired`.
_ABOUT = frozenset(
    {"type", "status", "expires", "expire", "expiry", "expiration", "ttl", "at", "in", "count", "length", "required",
     "valid", "limit", "used", "date", "time", "method", "pad"}
)  # fmt: skip
_CARD_NAMES = frozenset({"card", "карта", "cardnumber", "cardno", "cardnum", "номеркарты", "primaryaccountnumber"})
_NUMBERS = frozenset({"number", "num", "no", "nr", "value", "val", "full", "raw", "номер"})
_PHONE_PARTS = ("phone", "msisdn", "телефон", "telefon", "whatsapp")
_PHONE_NAMES = frozenset({"tel", "mobile", "тел", "моб"})
_PERSON_WORDS = frozenset({"iin", "иин", "snils", "снилс", "ssn"})
# Names of what is looked up by its value: a number or a code there is an id rather than a phone or a key.
_ID_WORDS = frozenset(
    {"id", "ids", "uuid", "guid", "number", "num", "no", "rrn", "arn", "stan", "ref", "reference", "serial", "key",
     "code", "bin", "inn", "sum", "amount", "price", "total", "order", "invoice", "receipt", "check", "document",
     "trace", "track", "barcode", "ean", "ean13", "gtin", "fn", "fd", "fp", "иин", "бин", "инн", "сумма", "номер",
     "заказ"}
)  # fmt: skip
_ALONE = frozenset({"number", "num", "no", "номер", "key", "code"})  # by themselves they say nothing

_WORD = re.compile(r"[A-ZА-ЯЁ]+(?![a-zа-яё])[0-9]*|[A-ZА-ЯЁ]?[a-zа-яё]+[0-9]*|[0-9]+")


@lru_cache(maxsize=8192)
def _words(name: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORD.findall(name))


def kind_of(name: str, around: Kind = Kind.PLAIN) -> Kind:
    """What a member's name says of its value, `around` being what the name of the object around it said."""
    if around is Kind.NOTHING:
        return around
    kind = _kind(name[:100])
    if kind or not around:
        return kind
    return around if set(_words(name[:100])) & _NUMBERS else kind


def is_id(name: str) -> bool:
    """Whether the value is something to be looked up by."""
    words = _words(name[:100])
    return bool(words) and words[-1] in _ID_WORDS and not (len(words) == 1 and words[0] in _ALONE)


@lru_cache(maxsize=8192)
def _kind(name: str) -> Kind:
    words = _words(name)
    if not words:
        return Kind.PLAIN
    whole, joined, last = "_".join(words), "".join(words), words[-1]
    before = words[-2] if len(words) > 1 else ""
    if _is_secret(words, whole, joined, before):
        return Kind.PLAIN if last in _ABOUT and len(words) > 1 else Kind.NOTHING
    if joined in _CARD_NAMES or "pan" in words or (last in _NUMBERS and before == "card"):
        return Kind.CARD
    if whole in _PHONE_NAMES or any(part in joined for part in _PHONE_PARTS) or set(words[:-1]) & _PHONE_NAMES:
        return Kind.PHONE
    return Kind.PERSON if set(words) & _PERSON_WORDS or last in {"inn", "инн"} else Kind.PLAIN


def _is_secret(words: tuple[str, ...], whole: str, joined: str, before: str) -> bool:
    last = words[-1]
    if "pinpad" in joined:
        words, joined = tuple(word for word in words if word != "pin"), joined.replace("pinpad", "")
    return (
        any(part in joined for part in _SECRET_PARTS)
        or not _SECRET_WORDS.isdisjoint(words)
        or whole in _SECRET_NAMES
        or (last == "authorization" and before in {"proxy", "x"})
        or (last == "key" and before in _KEYS)
        or (last == "code" and before in _CODES)
        or (last == "sign" and before in _SIGNERS)
        or last in {"track1", "track2"}
        or (last == "data" and before.startswith("track"))
    )


def mask_as(kind: Kind, value: str) -> str:
    """A value as its name says it must be shown; what is no such value stays as it is."""
    if kind is Kind.NOTHING:
        return DOTS if value else value
    digits = re.sub(r"[^0-9]", "", value)
    if kind is Kind.CARD and 12 <= len(digits) <= 19:
        return DOTS + digits[-4:]
    if (kind is Kind.PHONE and len(digits) >= 7) or (kind is Kind.PERSON and len(digits) >= 11):
        return DOTS + digits[-2:]
    return value


# --- by how it looks ---

_DIGITS = re.compile(
    r"(?<![0-9])(?<![0-9]\.)[0-9](?:[ \xa0\u2009\u200b-\u200d\u2010-\u2015\u202f\u2060*-]{0,2}[0-9]){12,}+"
)
_GROUPS_MAX = 100  # of digits in a row: nobody reads them, and to look for cards in more takes too long
_DOTTED_CARD = re.compile(r"(?<![0-9])[0-9]{4}(?:[._/][0-9]{4}){3}(?![0-9])")
_PLUS_PHONE = re.compile(r"(?:\+|%2B)[0-9](?:(?:[ ()\xa0.-]|%20|%28|%29){0,3}[0-9]){7,14}(?![0-9])")
_PHONE = re.compile(
    r"(?<![\w.+-])[78]([ \xa0-]?\(?)[3-9][0-9]{2}(\)?[ \xa0-]?)[0-9]{3}([ \xa0-]?)[0-9]{2}[ \xa0-]?[0-9]{2}(?![\w-])"
)
_EMAIL = re.compile(r"(?<![\w.+'-])([\w.+'-]++)(@|%40)((?:[\w-]{1,63}\.){1,8}[^\W\d]\w{1,30})")
_OPAQUE = re.compile(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/_-]{32,}+=*+")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_CHANGES = re.compile(r"(?<=[a-z])[^a-z]|(?<=[A-Z])[^A-Z]|(?<=[0-9])[^0-9]")


def is_card(digits: str) -> bool:
    """Whether it has the length and the beginning of an issuer's numbers, and the check digit."""
    return 13 <= len(digits) <= 19 and _is_issued(digits) and has_check_digit(digits)


def _is_issued(d: str) -> bool:
    """Lengths and first digits as ISO/IEC 7812 has given them to the networks met here."""
    length, two, four = len(d), int(d[:2]), int(d[:4])
    if length == 16 and (
        51 <= two <= 55 or 2221 <= four <= 2720 or four in {8600, 9860, 5614}
    ):  # Mastercard, Uzcard, Humo
        return True
    if d[0] == "4":  # Visa
        return length in {13, 16, 18, 19}
    if 2200 <= four <= 2205 or two in {62, 81} or two == 35:  # Mir, UnionPay, JCB
        return length >= 16
    if two in {34, 37}:  # American Express
        return length == 15
    if two in {30, 36, 38, 39}:  # Diners Club
        return length >= 14
    return two in {50, 56, 57, 58} or d[0] == "6"  # Maestro, Discover, Rupay


def mask_shapes(text: str, *, is_named_id: bool) -> str:
    """The text without cards, phones, e-mail addresses and long random texts.

    `is_named_id`: its name says that it is looked up by, so that eleven digits alone are no phone.
    """
    text = _DIGITS.sub(_cards, text)
    text = _DOTTED_CARD.sub(_cards, text)
    text = _PLUS_PHONE.sub(_phone, text)
    text = _PHONE.sub(_bare_phone if is_named_id else _phone, text)
    if "@" in text or "%40" in text:
        text = _EMAIL.sub(_email, text)
    return _OPAQUE.sub(_named_opaque if is_named_id else _opaque, text)


def _cards(match: re.Match[str]) -> str:
    """What stands in groups may begin or end with other numbers: a quantity, a date, a CVV."""
    parts = re.split("([^0-9])", match[0])  # groups at even places, what is between them at odd ones
    if len(parts) > 2 * _GROUPS_MAX:
        return DOTS
    at = 0
    while at < len(parts):
        digits = ""
        for end in range(at, len(parts), 2):
            digits += parts[end]
            if len(digits) > 19:
                break
            if len(digits) >= 13 and is_card(digits):
                parts[at : end + 1] = [DOTS + digits[-4:]]
                break
        at += 2
    return "".join(parts)


def _phone(match: re.Match[str]) -> str:
    return DOTS + match[0][-2:]


def _bare_phone(match: re.Match[str]) -> str:
    return match[0] if not (match[1] or match[2] or match[3]) else _phone(match)


def _email(match: re.Match[str]) -> str:
    shown = match[1][0] if len(match[1]) > 2 else ""
    return f"{shown}{DOTS}{match[2]}{match[3]}"


def _opaque(match: re.Match[str], least_hex: int = 32) -> str:
    found = match[0]
    text = found.rstrip("=")
    if text.isdigit() or _UUID.search(text):
        return found
    if re.fullmatch(r"[0-9a-f]+|[0-9A-F]+", text):
        return DOTS if len(text) >= least_hex else found
    is_path = text.startswith("/") or match.string[max(0, match.start() - 1) : match.start()] in {":", ".", "?"}
    parts = text.split("/") if is_path else [text]
    return DOTS if any(len(part) >= 32 and _is_random(part) for part in parts) else found


def _named_opaque(match: re.Match[str]) -> str:
    """Ids are hexadecimal as often as not, and some are random: only what is too long for one is none."""
    return _opaque(match, 65) if len(match[0]) > 64 else match[0]


def _is_random(text: str) -> bool:
    """Small and great letters and digits in turn, unlike words."""
    text = re.sub(r"[^A-Za-z0-9]", "", text)
    kinds = sum(bool(re.search(each, text)) for each in ("[a-z]", "[A-Z]", "[0-9]"))
    enough = kinds == 3 or (kinds == 2 and len(text) >= 40 and bool(re.search("[0-9]", text)))
    return enough and len(_CHANGES.findall(text)) * 3 >= len(text)
