"""The variables and secrets that a local registry and a local Sigstore give to pipelines."""

from typing import Final

REGISTRY_VARIABLES: Final = ("REGISTRY",)
"""Variables of a throw-away registry."""

REGISTRY_SECRETS: Final = ("REGISTRY_USERNAME", "REGISTRY_PASSWORD")
"""Secrets of a throw-away registry."""

SIGSTORE_VARIABLES: Final = ("SIGSTORE_ISSUER", "SIGSTORE_SIGNING_CONFIG", "SIGSTORE_TRUSTED_ROOT")
"""Variables of a private Sigstore."""
