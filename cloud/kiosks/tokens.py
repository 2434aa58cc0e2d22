"""A kiosk's token: a JWT (HS256) that names the kiosk and its token's generation. No clock plays a part in ours."""

import time

import jwt

from wire.ids import parse_kiosk_id

_AUDIENCE = "kiosk"


class BadToken(ValueError):
    """The token proves nothing; the text says why, without quoting it."""


class Tokens:
    """Issues and reads tokens under one secret.

    `legacy_claim` names the claim that holds the kiosk id in tokens a fleet already has: they count as generation 0.
    """

    def __init__(self, secret: str, legacy_claim: str = "") -> None:
        self._secret = secret
        self._legacy_claim = legacy_claim

    def issue(self, kiosk_id: str, generation: int, at: float | None = None) -> str:
        """A token for this kiosk, good until a later generation is in force; the same one for the same time `at`."""
        claims = {"sub": kiosk_id, "aud": _AUDIENCE, "iat": int(time.time() if at is None else at), "gen": generation}
        return jwt.encode(claims, self._secret, algorithm="HS256")

    def read(self, token: str) -> tuple[str, int]:
        """The kiosk id and generation a token names. Raises `BadToken`."""
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                # A clock that was put back must not lock a fleet out: ours have no expiry, and iat is for people.
                options={"verify_aud": False, "verify_iat": False, "verify_sub": False, "verify_jti": False},
            )
        except (jwt.InvalidTokenError, ValueError) as error:
            raise BadToken(f"{type(error).__name__}: {error}") from error
        if claims.get("aud") == _AUDIENCE:
            kiosk_id, generation = claims.get("sub"), claims.get("gen")
        elif self._legacy_claim and "aud" not in claims:
            kiosk_id, generation = claims.get(self._legacy_claim), 0
        else:
            raise BadToken("not a token for kiosks")
        if not isinstance(kiosk_id, str) or type(generation) is not int:
            raise BadToken("names no kiosk")
        try:
            return parse_kiosk_id(kiosk_id), generation
        except ValueError as error:
            raise BadToken("names no kiosk") from error
