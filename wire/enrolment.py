"""How a kiosk gets its identity: a one-time code traded for a token bound to a key. Pure; others sign and check.

The kiosk makes an Ed25519 key pair and keeps it, then sends the code with its public key. A repetition with the same
code and the same key is answered alike for as long as the code is good: an answer that was lost with the power is no
reason for a person to come again. Another key with a code that was used is refused.

From then on a token alone lets nobody in. The hub gives each connection a challenge, in the answer to its upgrade
(`CHALLENGE_HEADER`), and the hello carries the signature of `proof_text`.
"""

import msgspec

from wire.ids import parse_kiosk_id

CODE_LENGTH = 8
CODE_GOOD_FOR = 24 * 3600.0  # seconds
# Letters and digits that are not taken for each other, on a screen or over the telephone: no 0 O 1 I L U.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
CHALLENGE_HEADER = "Kioskwire-Challenge"
CHALLENGE_BYTES = 24
KEY_TEXT_LENGTH = 43  # of 32 bytes, base64url without padding
_PROOF = "kioskwire hello 1"


class EnrolRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Kiosk → hub, `POST /enroll`. `public_key` is raw Ed25519, base64url without padding."""

    code: str
    public_key: str
    version: str = ""


class EnrolAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Hub → kiosk: who it is from now on. `name` is for people."""

    kiosk_id: str
    token: str
    name: str = ""


def parse_code(text: str) -> str:
    """A code as people type it: in any case, with blanks and hyphens. Raises `ValueError`, quoting nothing."""
    code = "".join(text.split()).replace("-", "").upper()
    if len(code) != CODE_LENGTH or not set(code) <= set(ALPHABET):
        raise ValueError(
            f"a code is {CODE_LENGTH} letters and digits, such as ABCD-2345; 0 O 1 I L U are not among them"
        )
    return code


def shown_code(code: str) -> str:
    """A code as people read it: in two halves."""
    half = CODE_LENGTH // 2
    return f"{code[:half]}-{code[half:]}"


def proof_text(challenge: str, kiosk_id: str, boot_id: str, journal: str) -> bytes:
    """What a kiosk signs: this connection, and who it says it is there."""
    return msgspec.json.encode([_PROOF, challenge, parse_kiosk_id(kiosk_id), boot_id, journal])
