"""What a browser keeps for us, signed: nobody makes one up, and a wrong one costs no look into the database. Pure."""

import base64
import hashlib
import hmac
import secrets


class Signing:
    """Signs with keys derived from the hub's secret, one for each purpose: none can be taken for another."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def sign(self, purpose: str, value: str) -> str:
        """The value with its proof. It is not hidden by that."""
        return f"{value}.{self.mac(purpose, value)}"

    def open(self, purpose: str, signed: str) -> str | None:
        """The value again; None: it was not signed here, or for something else."""
        value, dot, mac = signed.rpartition(".")
        if not dot or not signed.isascii():
            return None
        return value if hmac.compare_digest(mac, self.mac(purpose, value)) else None

    def mac(self, purpose: str, value: str) -> str:
        """43 characters that only this hub can make of `value`."""
        key = hmac.digest(self._secret, b"kioskwire dashboard " + purpose.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(hmac.digest(key, value.encode(), hashlib.sha256)).decode().rstrip("=")


def new_secret() -> str:
    """256 random bits, for a cookie or a link."""
    return secrets.token_urlsafe(32)


def name_of(secret: str) -> str:
    """What the database knows it by: with that alone nothing can be opened."""
    return hashlib.sha256(secret.encode()).hexdigest()
