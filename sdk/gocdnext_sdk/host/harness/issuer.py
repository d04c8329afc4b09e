"""The key with which the harness signs the jobs' identity tokens, in place of the platform."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from jwt.algorithms import RSAAlgorithm

ALGORITHM = "RS256"


@dataclass(frozen=True)
class SigningKey:
    """The signing key of an issuer."""

    private: RSAPrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> Self:
        """Generate a key of the size that the platform uses."""
        return cls(generate_private_key(public_exponent=65537, key_size=2048))

    @classmethod
    def load(cls, pem: str) -> Self:
        """Return the key in `pem`.

        Raises:
            ValueError: it is not an RSA key.
        """
        key = load_pem_private_key(pem.encode(), None)
        if not isinstance(key, RSAPrivateKey):
            raise ValueError("not an RSA key")
        return cls(key)

    def pem(self) -> str:
        """Return the private key, unencrypted."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def id(self) -> str:
        """The `kid` in the header of its tokens."""
        public = self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(public).hexdigest()[:16]

    def jwks(self) -> dict[str, Any]:
        """Return the public key as the issuer publishes it (RFC 7517)."""
        key = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {"keys": [{**key, "use": "sig", "alg": ALGORITHM, "kid": self.id}]}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return a signed token with `claims`."""
        return jwt.encode(dict(claims), self.private, ALGORITHM, headers={"kid": self.id})
