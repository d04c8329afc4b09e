"""A certificate authority that answers as Fulcio does, and demands what Fulcio demands.

A certificate is issued for a key only to a client that presents a token of the trusted issuer and
proves that it holds the key.

Source: sigstore/fulcio `fulcio.proto` (request and answer), `docs/certificate-specification.md` and
`docs/oid-info.md` (what is in a certificate).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from urllib.parse import quote

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from local_sigstore.tokens import Issuer, Refused

LIFETIME = timedelta(minutes=10)
"""Of a signer's certificate."""

_DAY = timedelta(days=1)
_FULCIO = "1.3.6.1.4.1.57264.1"
_RAW_ISSUER = 1

EXTENSIONS: Mapping[int, str] = {8: "iss", 13: "sha", 14: "ref", 20: "cause", 21: "run_id"}
"""Fulcio's extensions, by their last number, and the claim each is taken from.

Issuer, source repository digest and ref, build trigger, run invocation.
"""

_Extension: TypeAlias = tuple[x509.ExtensionType, bool]


def identity(claims: Mapping[str, Any]) -> str:
    """Return the identity that a certificate names, as a Fulcio with the documented mapping makes it.

    ``<issuer>/<project>/<pipeline>@branch/<branch>``, ``@tag/<tag>``, ``@pull_request/<number>`` or
    ``@none/none``. A pull request's branch is named by its author, so it is left out: else the branch `main`
    of a fork would sign as the project's own.
    """
    if claims["cause"] == "pull_request":
        at = f"pull_request/{claims.get('pr_number', '')}"
    else:
        at = f"{claims['ref_type']}/{claims.get('ref', 'none')}"
    path = quote(f"{claims['project_slug']}/{claims['pipeline']}@{at}", safe="/@:+")
    return f"{claims['iss']}/{path}"


class Authority:
    """One root, made when this is; its key never leaves the process.

    Args:
        issuer: whose tokens it accepts.
    """

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("LOCAL TEST Sigstore, NOT TO BE TRUSTED")
        self.root = self._certificate(
            self._name,
            self._key.public_key(),
            _DAY,
            (x509.BasicConstraints(ca=True, path_length=1), True),
            (_usage("key_cert_sign", "crl_sign"), True),
        )

    def issue(self, request: Mapping[str, Any], bearer: str = "") -> dict[str, Any]:
        """Answer Fulcio's ``POST /api/v2/signingCert``.

        Args:
            request: the body.
            bearer: the token, which clients send as a header or in the body.

        Raises:
            Refused: the token or the proof of possession is not in order.
        """
        try:
            token = bearer or str(request["credentials"]["oidcIdentityToken"])
            asked = request["publicKeyRequest"]
            key = load_pem_public_key(asked["publicKey"]["content"].encode())
            proof = base64.b64decode(asked["proofOfPossession"])
        except (KeyError, TypeError, ValueError, UnsupportedAlgorithm):
            raise Refused("the request lacks a token, a public key or a proof of possession") from None
        claims = self._issuer.verify(token)
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise Refused("the public key is not an ECDSA key")
        try:
            key.verify(proof, str(claims["sub"]).encode(), ec.ECDSA(SHA256()))
        except InvalidSignature:
            raise Refused("the proof of possession is not a signature of the token's sub") from None
        leaf = self._signer(key, claims)
        chain = [each.public_bytes(Encoding.PEM).decode() for each in (leaf, self.root)]
        return {"signedCertificateDetachedSct": {"chain": {"certificates": chain}}}

    def timestamping(self, key: ec.EllipticCurvePublicKey) -> x509.Certificate:
        """Return a certificate for the key of a timestamp authority."""
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        name = _name("LOCAL TEST timestamp authority, NOT TO BE TRUSTED")
        return self._certificate(
            name, key, _DAY, (_usage("digital_signature"), True), (purpose, True), self._issued_by()
        )

    def _signer(self, key: ec.EllipticCurvePublicKey, claims: Mapping[str, Any]) -> x509.Certificate:
        subject = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity(claims))])
        return self._certificate(
            x509.Name([]),
            key,
            LIFETIME,
            (_usage("digital_signature"), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False),
            (subject, True),
            *_statements(claims),
            self._issued_by(),
        )

    def _issued_by(self) -> _Extension:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False

    def _certificate(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, lifetime: timedelta, *extensions: _Extension
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(seconds=5))
            .not_valid_after(now + lifetime)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self._key, SHA256())


def _statements(claims: Mapping[str, Any]) -> Iterator[_Extension]:
    """Yield Fulcio's extensions for what the token states."""
    yield _statement(_RAW_ISSUER, claims["iss"].encode()), False
    for number, claim in EXTENSIONS.items():
        if text := claims.get(claim):
            yield _statement(number, _utf8_string(text)), False


def _statement(number: int, value: bytes) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(ObjectIdentifier(f"{_FULCIO}.{number}"), value)


def _utf8_string(text: str) -> bytes:
    """Return `text` as a DER UTF8String (X.690 §8.1.3 for the length)."""
    data = text.encode()
    if len(data) < 0x80:
        return bytes((0x0C, len(data))) + data
    size = len(data).to_bytes((len(data).bit_length() + 7) // 8, "big")
    return bytes((0x0C, 0x80 | len(size))) + size + data


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*granted: str) -> x509.KeyUsage:
    usages = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
    more = ("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{usage: usage in granted for usage in (*usages, *more)})
