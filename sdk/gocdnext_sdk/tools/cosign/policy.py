"""Who must have signed, and the flags by which cosign is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Policy:
    """Who must have signed, and what proves it.

    Args:
        key: path or KMS URI of the public key; None: a certificate proves it.
        identity: the identity that the certificate must name.
        identity_regexp: an expression for the whole identity, instead.
        issuer: the issuer of the identity.
        issuer_regexp: an expression for the whole issuer, instead.
        trusted_root: path of the trusted root; the public Sigstore's if not given.
        tlog: whether an entry in a transparency log is demanded.
        sct: whether the certificate's entry in a certificate transparency log is demanded.
        insecure: whether the registry may speak plain http.
        form: which form of signature counts: a bundle, or the older one where there is no bundle; or the
            older one alone.
    """

    key: str | None = None
    identity: str | None = None
    identity_regexp: str | None = None
    issuer: str | None = None
    issuer_regexp: str | None = None
    trusted_root: str | None = None
    tlog: bool = True
    sct: bool = True
    insecure: bool = False
    form: Literal["any", "legacy"] = "any"

    @property
    def older(self) -> Policy:
        """The same of the older form alone: cosign looks for it only where there is no bundle of any kind."""
        return replace(self, form="legacy")

    def argv(self) -> list[str]:
        """Return cosign's flags."""
        argv = flag("--key", self.key) + insecure_flags(insecure=self.insecure)
        if self.key is None:
            argv += flag("--certificate-identity", self.identity)
            argv += flag("--certificate-identity-regexp", _whole(self.identity_regexp))
            argv += flag("--certificate-oidc-issuer", self.issuer)
            argv += flag("--certificate-oidc-issuer-regexp", _whole(self.issuer_regexp))
            argv += [] if self.sct else ["--insecure-ignore-sct"]
        argv += flag("--trusted-root", self.trusted_root)
        argv += ["--new-bundle-format=false"] if self.form == "legacy" else []
        if not self.tlog:
            argv += ["--insecure-ignore-tlog"]
            # A certificate lives for minutes: without a log only a timestamp proves that it was valid then.
            argv += ["--use-signed-timestamps"] if self.key is None else []
        return argv


def annotation_flags(annotations: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the flags for `annotations`, each a CSV record, since cosign reads them as such."""
    from gocdnext_sdk.tools.csv import comma_separated

    for name, value in annotations:
        yield from ("--annotations", comma_separated([f"{name}={value}"]))


def insecure_flags(*, insecure: bool) -> list[str]:
    """Return the flag that lets registries speak plain http where they do not speak TLS.

    It holds for every registry of a call, which is one: `COSIGN_REPOSITORY` is refused with it.
    """
    return ["--allow-http-registry"] if insecure else []


def flag(name: str, value: str | None) -> list[str]:
    """Return a flag and its value; nothing without one."""
    return [] if value is None else [name, value]


def _whole(expression: str | None) -> str | None:
    """Make `expression` match the whole text only; cosign is content with a part of it."""
    return None if expression is None else f"^(?:{expression})$"
