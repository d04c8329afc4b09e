"""What can be attested: the kinds of statements, and whether two are the same.

Source: cosign 3.1 `options/predicate.go` (names and types), `attestation.go` (what becomes of a statement).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

_SLSA, _SPDX = "https://slsa.dev/provenance", "https://spdx.dev/Document"

TYPES: Mapping[str, str] = {
    "custom": "https://cosign.sigstore.dev/attestation/v1",
    "slsaprovenance": f"{_SLSA}/v0.2",
    "slsaprovenance02": f"{_SLSA}/v0.2",
    "slsaprovenance1": f"{_SLSA}/v1",
    "link": "https://in-toto.io/Link/v1",
    "spdx": _SPDX,
    "spdxjson": _SPDX,
    "cyclonedx": "https://cyclonedx.org/bom",
    "vuln": "https://cosign.sigstore.dev/attestation/vuln/v1",
    "openvex": "https://openvex.dev/ns",
}
"""The predicate types that cosign has names for."""

SIGNATURE = "https://sigstore.dev/cosign/sign/v1"
"""The predicate type of a signature that is a bundle."""


def uri_of(kind: str) -> str:
    """Return the predicate type, a URI, of a name or of itself."""
    return TYPES.get(kind, kind)


def is_same(kind: str, attested: object, statement: str) -> bool:
    """Tell whether an attestation says what a statement does.

    Args:
        kind: as in `predicate-type`.
        attested: the predicate of the attestation.
        statement: the content of the file that cosign would attest.
    """
    if kind == "spdx":
        return attested == statement
    if uri_of(kind) == TYPES["custom"]:  # cosign puts the file into a text, beside the time
        return isinstance(attested, dict) and attested.get("Data") == statement
    try:
        return _canonical(json.dumps(attested)) == _canonical(statement)
    except (ValueError, RecursionError):
        return False


def _canonical(text: str) -> str:
    """Return JSON such that it says the same as another if it is the same; all numbers are Go's float64."""
    return json.dumps(json.loads(text, parse_int=float), sort_keys=True)
