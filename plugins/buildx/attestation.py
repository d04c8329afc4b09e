"""What an image says of how it was built and what is in it: the values of `sbom` and `provenance`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import WithJsonSchema

from gocdnext_sdk import Invalid, from_text, quoted
from gocdnext_sdk.tools.csv import BOOLEANS, comma_separated, fields


@dataclass(frozen=True)
class Attestation:
    """An attestation that is asked for, or not wanted.

    Args:
        wanted: whether the image gets it.
        attributes: how it is made, in order.
    """

    wanted: bool
    attributes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Attestation:
        """Read a value as `--sbom` and `--provenance` take it: a boolean, or attributes.

        BuildKit knows keys in lower case, and would pass over others, and over blanks before one.
        Source: `CanonicalizeAttest` and `Attest.UnmarshalText` of buildx 0.36.1, util/buildflags/attests.go.

        Raises:
            Invalid: buildx would not read it, or would read another attestation in it.
        """
        if text in BOOLEANS:
            return cls(BOOLEANS[text])
        refused = Invalid(f"{quoted(text)} is no attestation", 'write "true", "false" or "KEY=VALUE,…"')
        try:
            pairs = [each.partition("=") for each in fields(text)]
        except ValueError:
            raise refused from None
        attributes = {key.strip().lower(): value for key, _, value in pairs}
        if len(attributes) < len(pairs) or "type" in attributes or not all(equals for _, equals, _ in pairs):
            raise refused
        disabled = attributes.pop("disabled", "false")
        if disabled not in BOOLEANS:
            raise refused
        return cls(not BOOLEANS[disabled], attributes)

    def __str__(self) -> str:
        """Return it as buildx takes it."""
        if not (self.wanted and self.attributes):
            return "true" if self.wanted else "false"
        return comma_separated(f"{key}={value}" for key, value in self.attributes.items())


AttestationInput = Annotated[Attestation, from_text(Attestation.parse), WithJsonSchema({"type": "string"})]
