"""Adapter for cosign 3.1: keys, policies, verification.

The flags and messages are those of cosign 3.1. A module of it is loaded when a name of it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gocdnext_sdk.tools.cosign.attestations import *  # noqa: F403
    from gocdnext_sdk.tools.cosign.environment import *  # noqa: F403
    from gocdnext_sdk.tools.cosign.keys import *  # noqa: F403
    from gocdnext_sdk.tools.cosign.policy import *  # noqa: F403
    from gocdnext_sdk.tools.cosign.verification import *  # noqa: F403

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


if not TYPE_CHECKING:  # else every name would be one to a type checker

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return value
