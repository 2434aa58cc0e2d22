"""Passwords by Argon2, and the second factor by time (TOTP, RFC 6238). Pure; time is an argument.

Argon2id with 19 MiB and two passes, the lesser of OWASP's equal recommendations: some 50 ms of one core and little
memory, which is what a hub that carries payments can spare for a person who signs in. What was hashed otherwise is
hashed anew at the next right password.
"""

import hmac
import unicodedata

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from cloud.errors import Refused

PASSWORD_MIN, PASSWORD_MAX = 10, 256
STEP = 30  # seconds that a code is for
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Of lists of stolen passwords, those long enough to pass otherwise, without digits and signs at their ends.
_WORDS = """
password passw0rd p@ssw0rd p@ssword passwordpassword mypassword qwerty qwertyuio qwertyuiop qwertyqwerty asdfghjkl
zxcvbnm 1q2w3e4r5t 1q2w3e4r5t6y q1w2e3r4t5 q1w2e3r4t5y6 1qaz2wsx3edc qazwsxedc 1qazxsw23edc abc123abc123 a1b2c3d4e5
iloveyou administrator adminadmin welcome letmein changeme sunshine princess football baseball superman trustno1
kioskwire kiosk kiosks terminal dashboard operator engineer qiwi kazakhstan almaty astana moscow
пароль парольпароль йцукен йцукенгшщз фывапролдж привет администратор киоск терминал алматы астана казахстан
қазақстан құпиясөз
"""
_COMMON = frozenset(_WORDS.split())
_RUNS = ("abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm")


def check_password(name: str, password: str) -> None:
    """Raises `Refused` (bad-request) unless it is good enough for this account."""
    if len(password) < PASSWORD_MIN:
        raise _weak("short", f"at least {PASSWORD_MIN} characters")
    if len(password) > PASSWORD_MAX:
        raise _weak("long", f"at most {PASSWORD_MAX} characters")
    plain = password.casefold()
    core = plain.strip("0123456789!@#$%^&*()_+-=.,?~ ")
    if core == name or plain.replace(name, "") == "":
        raise _weak("name", "a password that is not the name")
    if not core or core in _COMMON or plain in _COMMON or len(set(plain)) < 4 or any(plain in run for run in _RUNS):
        raise _weak("common", "a password that is not among the first that are tried")


def hash_password(password: str) -> str:
    """With its parameters and a salt of its own. Takes some 50 ms: call it in a thread."""
    return _HASHER.hash(_normal(password))


def is_password(hashed: str, password: str) -> bool:
    """Whether this is the one. Takes some 50 ms, right or wrong: call it in a thread."""
    try:
        return _HASHER.verify(hashed, _normal(password))
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(hashed: str) -> bool:
    """Whether it was hashed with other parameters than today's."""
    return _HASHER.check_needs_rehash(hashed)


def new_totp_secret() -> str:
    """160 random bits in base32, as authenticator apps take them."""
    return pyotp.random_base32()


def totp_address(secret: str, name: str, issuer: str) -> str:
    """What stands in the QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=issuer)


def totp_step(secret: str, code: str, now: float, used: int | None) -> int | None:
    """The time step that a code is of, if it is right and newer than the last one used; None: it is not.

    A step on either side is taken too: phones go wrong by seconds, and people type slowly.
    """
    digits = "".join(code.split())
    if len(digits) != 6 or not (digits.isascii() and digits.isdigit()):
        return None
    otp, current, found = pyotp.TOTP(secret), int(now // STEP), None
    for step in (current - 1, current, current + 1):
        if hmac.compare_digest(otp.generate_otp(step), digits) and (used is None or step > used):
            found = step
    return found


def _normal(password: str) -> str:
    """The same keys give the same password on every keyboard: é may be typed as one character or as two."""
    return unicodedata.normalize("NFC", password)


def _weak(fact: str, right: str) -> Refused:
    words = f"this password will not do; right would be: {right}"
    return Refused("bad-request", words, fact=f"password-{fact}", least=PASSWORD_MIN, most=PASSWORD_MAX)
