"""What an image must have before it is promoted: attestations, and signatures of several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from gocdnext_sdk import (
    Input,
    Invalid,
    Problem,
    in_workspace,
    quoted,
)
from gocdnext_sdk.inputs.image_signature import ImageSignatureInputs
from gocdnext_sdk.inputs.parsers import parse_lines
from gocdnext_sdk.oci.reference import Registry
from gocdnext_sdk.tools.cosign import key_reference, kms_scheme
from gocdnext_sdk.workspace import is_file

from .attested import Attested, parse_attested
from .marks import VALIDATED, ImageMark, parse_mark


@dataclass(frozen=True)
class RequiredSigner:
    """Who must have signed.

    Args:
        key: a key's path or KMS URI; else an identity.
        identity: in the certificate.
        issuer: of the identity.
    """

    key: str | None = None
    identity: str | None = None
    issuer: str | None = None

    def __str__(self) -> str:
        return self.key or f"{self.identity} of {self.issuer}"


def _parse_signer(number: int, line: str, workspace: Path | None) -> RequiredSigner:
    words = line.split()
    if len(words) > 2 or not all(word.strip(",") for word in words):
        raise Invalid(f"item {number} is not KEY or IDENTITY ISSUER", "one signer a line")
    return (
        RequiredSigner(None, *words)
        if len(words) == 2
        else RequiredSigner(key_reference(words[0], workspace))
    )


def _each_line(parse: Callable[[int, str, Path | None], object]) -> BeforeValidator:
    """Return the validator of a list of one item a line, each with its number."""

    def parse_each(text: str, workspace: Path | None) -> tuple[object, ...]:
        return tuple(parse(number, line, workspace) for number, line in enumerate(parse_lines(text), start=1))

    return in_workspace(parse_each)


_LINES = WithJsonSchema({"type": "string", "format": "lines"})

Marks = Annotated[tuple[ImageMark, ...], _each_line(parse_mark), _LINES]
"""Marks, one a line."""


class DemandInputs(ImageSignatureInputs):
    """`require-attestation` and `require-signature`, beside a signature by `verify-…`."""

    require_attestation: Annotated[tuple[Attested, ...], _each_line(parse_attested), _LINES] = Input(
        "",
        description="Take only what has these attestations by the signer of `verify-…`, one `TYPE` or "
        "`TYPE<AGE` a line: `vuln<24h`, `cyclonedx`, `slsaprovenance1<30d`. Behind it, paths of CUE or Rego "
        "files: rules that every attestation of the type must satisfy.",
    )
    require_signature: Annotated[tuple[RequiredSigner, ...], _each_line(_parse_signer), _LINES] = Input(
        "",
        description="Take only what all of these have signed, one a line: `IDENTITY ISSUER` of a keyless "
        "signature, or a key's path in the workspace or KMS URI.",
    )

    require: Marks = Input(
        "",
        description="Take only what has been marked so, one mark a line, written as in `mark`; "
        "`attestation<30d` says how old it may be. The attestation must be by the signer of `verify-…`.",
    )
    api_url: str | None = Input(
        None,
        description="Where the API of the service is that deletes tags, or has marks, such as "
        "`https://gitlab.example.com`. If empty: the service's own; of a Harbor, Quay or Artifactory of "
        "yours, its registry's host.",
    )

    @property
    def names_signer(self) -> bool:
        """Whether `verify-…` says who must have signed."""
        return super().demands_signature

    @property
    def demands_signature(self) -> bool:
        """Whether anything is demanded of who vouches for the image."""
        own = self.require_attestation or self.require_signature or self.require
        return self.names_signer or bool(own)

    @property
    def attestations(self) -> tuple[Attested, ...]:
        """The attestations that are demanded, marks among them."""
        marks = (each for each in self.require if each.kind == "attestation")
        return (*self.require_attestation, *(Attested(VALIDATED, each.age, each.text) for each in marks))

    def check(self, environ: Mapping[str, str], workspace: Path) -> Iterable[Problem]:
        """Check that it is clear who must have attested, and that keys and rules are there."""
        yield from super().check(environ, workspace)
        if self.attestations and not self.names_signer:
            yield Problem(
                "require-attestation" if self.require_attestation else "require",
                "needs to know by whom",
                "give `verify-key`, or `verify-identity` and `verify-issuer`",
            )
        for path in dict.fromkeys(rule for each in self.require_attestation for rule in each.rules):
            if not is_file(workspace / path):
                yield Problem("require-attestation", f"there is no file {quoted(path)} in the workspace")
        for signer in self.require_signature:
            if signer.key and not kms_scheme(signer.key) and not is_file(workspace / signer.key):
                yield Problem(
                    "require-signature", f"there is no key file {quoted(signer.key)} in the workspace"
                )

    def api_at(self, mark: ImageMark, registry: Registry) -> str:
        """Return where the API of the service is that keeps a mark, for images of a registry."""
        base = "/artifactory" if mark.kind == "artifactory" else ""
        return (self.api_url or f"https://{registry.api_host}{base}").rstrip("/")

    @property
    def demands(self) -> tuple[str, ...]:
        """What is demanded, in words; the signer of `verify-…` first."""
        by = self.verify_identity or self.verify_identity_regexp
        issuer = self.verify_issuer or self.verify_issuer_regexp
        signer = f"signature of {by} of {issuer}" if by else "signature of the key"
        return (
            *((signer,) if self.names_signer else ()),
            *(f"attestation {' '.join((each.text, *each.rules))}" for each in self.require_attestation),
            *(f"signature of {each}" for each in self.require_signature),
            *(f"mark {each}" for each in self.require),
        )
