"""What a client of the local Sigstore trusts.

Source: sigstore/protobuf-specs `sigstore_trustroot.proto`; cosign's `trusted-root create` writes the same.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import Certificate
from cryptography.x509.oid import NameOID

from gocdnext_sdk.tools.sigstore import TRUSTED_ROOT


def trusted_root(
    *,
    fulcio: str,
    root: Certificate,
    rekor: str,
    log_key: ec.EllipticCurvePublicKey,
    tsa: str,
    timestamping: Certificate,
) -> dict[str, Any]:
    """Return the trusted root of exactly these services.

    Args:
        fulcio: URL of the certificate authority.
        root: its certificate.
        rekor: URL of the transparency log.
        log_key: what the log signs with.
        tsa: URL of the timestamp authority, with its path.
        timestamping: its certificate, issued by `root`.
    """
    key = log_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        "mediaType": f"{TRUSTED_ROOT};version=0.1",
        "tlogs": [
            {
                "baseUrl": rekor,
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": _base64(key),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": _valid(root),
                },
                "logId": {"keyId": _base64(hashlib.sha256(key).digest())},
            }
        ],
        "certificateAuthorities": [_authority(fulcio, [root])],
        "timestampAuthorities": [_authority(tsa, [timestamping, root])],
    }


def _authority(url: str, chain: Sequence[Certificate]) -> dict[str, Any]:
    (name,) = chain[0].subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return {
        "subject": {"commonName": name.value},
        "uri": url,
        "certChain": {
            "certificates": [{"rawBytes": _base64(each.public_bytes(Encoding.DER))} for each in chain]
        },
        "validFor": _valid(chain[0]),
    }


def _valid(certificate: Certificate) -> dict[str, str]:
    return {"start": certificate.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ")}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
