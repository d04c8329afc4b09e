"""Adapter for cosign 3.1: keys, policies, verification.

The flags and messages are those of cosign 3.1. A module of it is loaded when a name of it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gocdnext_sdk.tools.cosign.attestations import (
        broken_rules,
        envelope,
        statement,
        verified_bundle,
        verified_predicates,
        verify_attestation,
    )
    from gocdnext_sdk.tools.cosign.environment import INHERITED, check_insecure, signature_registries
    from gocdnext_sdk.tools.cosign.keys import (
        KEY_EXAMPLES,
        KMS,
        key_kind,
        key_reference,
        kms_environ,
        kms_scheme,
    )
    from gocdnext_sdk.tools.cosign.policy import Policy, annotation_flags, flag, insecure_flags
    from gocdnext_sdk.tools.cosign.verification import (
        NOTHING_READ,
        REFUSALS,
        REFUSED,
        SIGNATURES,
        ask_cosign,
        is_refusal,
        is_verified,
        show,
        verifier,
        verify,
        verify_all,
    )

_NAMES = {
    "attestations": (
        *("broken_rules", "envelope", "statement"),
        *("verified_bundle", "verified_predicates", "verify_attestation"),
    ),
    "environment": ("INHERITED", "check_insecure", "signature_registries"),
    "keys": ("KEY_EXAMPLES", "KMS", "key_kind", "key_reference", "kms_environ", "kms_scheme"),
    "policy": ("Policy", "annotation_flags", "flag", "insecure_flags"),
    "verification": (
        *("NOTHING_READ", "REFUSALS", "REFUSED", "SIGNATURES"),
        *("ask_cosign", "is_refusal", "is_verified", "show", "verifier", "verify", "verify_all"),
    ),
}
"""What is public, by the module that holds it."""

_HOMES = {name: f"{__name__}.{module}" for module, names in _NAMES.items() for name in names}

__all__ = [
    "INHERITED",
    "KEY_EXAMPLES",
    "KMS",
    "NOTHING_READ",
    "REFUSALS",
    "REFUSED",
    "SIGNATURES",
    "Policy",
    "annotation_flags",
    "ask_cosign",
    "broken_rules",
    "check_insecure",
    "envelope",
    "flag",
    "insecure_flags",
    "is_refusal",
    "is_verified",
    "key_kind",
    "key_reference",
    "kms_environ",
    "kms_scheme",
    "show",
    "signature_registries",
    "statement",
    "verified_bundle",
    "verified_predicates",
    "verifier",
    "verify",
    "verify_all",
    "verify_attestation",
]


if not TYPE_CHECKING:  # else every name would be one to a type checker

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return value
