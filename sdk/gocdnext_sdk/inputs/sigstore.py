"""The input type of Sigstore's documents."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from gocdnext_sdk.inputs.types import JsonDocument
from gocdnext_sdk.tools.sigstore import normalised

SigstoreDocument = Annotated[JsonDocument, AfterValidator(normalised)]
"""A signing configuration or a trusted root: a `JsonDocument`, each field in its one spelling."""
