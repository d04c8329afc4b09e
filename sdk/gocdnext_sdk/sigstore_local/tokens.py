"""JSON Web Tokens, as far as an issuer and who relies on it need them: RS256, keys in a JWKS.

Source: RFC 7515 (JWS), RFC 7517 (JWK), RFC 7519 (JWT).
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    RSAPublicNumbers,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


class Refused(Exception):
    """A request that must not be granted. The message holds no part of a token."""


@dataclass(frozen=True)
class SigningKey:
    """The key of an issuer."""

    private: RSAPrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> Self:
        """Make one, of the size the platform uses."""
        return cls(generate_private_key(public_exponent=65537, key_size=2048))

    @classmethod
    def load(cls, pem: str) -> Self:
        """Return the key that `pem` holds.

        Raises:
            ValueError: it holds no RSA key.
        """
        key = load_pem_private_key(pem.encode(), None)
        if not isinstance(key, RSAPrivateKey):
            raise ValueError("not an RSA key")
        return cls(key)

    def pem(self) -> str:
        """Return the private key, unprotected."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def id(self) -> str:
        """The `kid` by which a token names it."""
        return hashlib.sha256(_unsigned(self.private.public_key().public_numbers().n)).hexdigest()[:16]

    def jwks(self) -> dict[str, Any]:
        """Return the public key as the issuer publishes it."""
        numbers = self.private.public_key().public_numbers()
        return {
            "keys": [
                {
                    "kty": "RSA",
                    "use": "sig",
                    "alg": "RS256",
                    "kid": self.id,
                    "n": encode(_unsigned(numbers.n)),
                    "e": encode(_unsigned(numbers.e)),
                }
            ]
        }

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return a token that states `claims`."""
        header = {"alg": "RS256", "kid": self.id, "typ": "JWT"}
        stated = ".".join(encode(json.dumps(part).encode()) for part in (header, claims))
        return f"{stated}.{encode(self.private.sign(stated.encode(), PKCS1v15(), SHA256()))}"


@dataclass(frozen=True)
class Issuer:
    """Whose tokens are accepted.

    Args:
        url: its `iss`.
        jwks: its public keys.
        audience: whom a token must be meant for.
    """

    url: str
    jwks: Mapping[str, Any]
    audience: str = "sigstore"

    def discovery(self) -> dict[str, Any]:
        """Return the document at ``/.well-known/openid-configuration``, as the platform's says it."""
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/.well-known/jwks.json",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def verify(self, token: str, *, now: float | None = None) -> dict[str, Any]:
        """Return what `token` states, once its signature, issuer, audience and time are in order.

        Raises:
            Refused: they are not.
        """
        now = time.time() if now is None else now
        stated, _, signature = token.rpartition(".")
        try:
            header, claims = (json.loads(decode(part)) for part in stated.split("."))
            algorithm, key_id = header["alg"], header["kid"]
            proof = decode(signature)
        except (ValueError, KeyError, TypeError):
            raise Refused("the token is not a signed JWT") from None
        if algorithm != "RS256":
            raise Refused("the token's alg is not RS256")
        try:
            self._key(key_id).verify(proof, stated.encode(), PKCS1v15(), SHA256())
        except InvalidSignature:
            raise Refused("the token's signature is not the issuer's") from None
        if claims.get("iss") != self.url:
            raise Refused("the token's iss is another issuer")
        audience = claims.get("aud")
        if self.audience not in (audience if isinstance(audience, list) else [audience]):
            raise Refused(f"the token's aud is not {self.audience}")
        if not claims.get("nbf", 0) <= now < claims.get("exp", 0):
            raise Refused("the token has expired, or is not valid yet")
        return dict(claims)

    def _key(self, key_id: object) -> RSAPublicKey:
        for key in self.jwks["keys"]:
            if key["kid"] == key_id:
                modulus, exponent = (int.from_bytes(decode(key[name]), "big") for name in ("n", "e"))
                return RSAPublicNumbers(exponent, modulus).public_key()
        raise Refused("the token is signed with a key that the issuer does not publish")


def encode(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Return what `encode` was given.

    Raises:
        ValueError: it is no base64url.
    """
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _unsigned(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
