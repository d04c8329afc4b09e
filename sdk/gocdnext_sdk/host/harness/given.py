"""The names under which pipelines get what a run brings with it."""

from typing import Final

REGISTRY_VARIABLES: Final = ("REGISTRY",)
"""Variables that a throw-away registry gives."""

REGISTRY_SECRETS: Final = ("REGISTRY_USERNAME", "REGISTRY_PASSWORD")
"""Secrets that a throw-away registry gives."""

SIGSTORE_VARIABLES: Final = ("SIGSTORE_ISSUER", "SIGSTORE_SIGNING_CONFIG", "SIGSTORE_TRUSTED_ROOT")
"""Variables that a private Sigstore gives."""
