"""What must not be read in a log: card numbers, phones, secrets. Pure; both programs' loggers use it.

Masks keep enough to recognise a value (a card's last four, a phone's last two) and never more.
"""

import re

_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
_PHONE = re.compile(r"(?<![\w.-])(?:\+\d[\d ()-]{8,16}\d|[78]\d{10})(?![\w-])")
# Only where a word begins, and then to its end, once: a row of beginnings takes no longer than a word.
_TOKEN = re.compile(r"(?<![\w-])((?:(?!\beyJ)[\w-])*+)eyJ[\w-]{5,}+\.[\w-]{5,}+\.[\w-]*+")
_API_KEY = re.compile(r"\b(kw_[A-Za-z0-9]{1,16}_)[A-Za-z0-9_-]{16,}")
_BEARER = re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}")
_QUERY = re.compile(r"(?i)([?&](?:token|key|secret|password|code)=)[^&\s\"']+")
_WEBHOOK = re.compile(r"\bwhsec_[A-Za-z0-9+/=]{8,}")
_BOT_TOKEN = re.compile(r"(?<!\d)(\d{5,20}):[A-Za-z0-9_-]{30,}")
_URL_PASSWORD = re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)")
_DIGITS = re.compile(r"\d{4}|\+\d")


def mask(text: str) -> str:
    """The text with everything that looks like a card number, a phone or a secret made unreadable."""
    text = mask_secrets(text)
    if _DIGITS.search(text):
        text = _CARD.sub(_mask_card, text)
        text = _PHONE.sub(lambda match: "…" + match[0][-2:], text)
    return text


def mask_secrets(text: str) -> str:
    """The text with everything that looks like a token, a key or a password made unreadable."""
    if "eyJ" in text:
        text = _TOKEN.sub(r"\1eyJ…", text)
    if "kw_" in text:
        text = _API_KEY.sub(r"\1…", text)
    if "earer" in text.casefold():
        text = _BEARER.sub(r"\1…", text)
    if "=" in text:
        text = _QUERY.sub(r"\1…", text)
    if "whsec_" in text:
        text = _WEBHOOK.sub("whsec_…", text)
    if "://" in text:
        text = _URL_PASSWORD.sub(r"\1…", text)
    if ":" in text:
        text = _BOT_TOKEN.sub(r"\1:…", text)
    return text


def mask_secret(text: str) -> str:
    """A secret as it may be shown to its owner: that it is there, and how long it is."""
    return f"<{len(text)} characters>" if text else "<empty>"


def has_check_digit(digits: str) -> bool:
    """Whether the last digit is that of a card number (Luhn); one in ten of other numbers has it as well."""
    doubled = [int(d) if i % 2 == 0 else sum(divmod(2 * int(d), 10)) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def _mask_card(match: re.Match[str]) -> str:
    digits = "".join(c for c in match[0] if c.isdigit())
    if not has_check_digit(digits):  # an amount, a time, an order
        return match[0]
    return "…" + digits[-4:]
