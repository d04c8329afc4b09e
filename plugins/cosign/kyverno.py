"""A policy with which Kyverno admits only what is signed, or attested, as a job has done it.

Kyverno checks bundles by the Sigstore that its own flags name, and older signatures by what the policy says.
Any bundle of the signer is a signature to it, an attestation too, unless the policy names the type.

Source: Kyverno 1.13 to 1.19 `ClusterPolicy`, `verifyImages` (`api/kyverno/v1/image_verification_types.go`,
`pkg/engine/internal/imageverifier.go`; `pkg/cosign/`, in 1.19 `pkg/image/verifiers/cpol/cosign/`). 1.19 calls
`ClusterPolicy` deprecated; earlier ones know no other policy for both forms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gocdnext_sdk import Reference
from gocdnext_sdk.tools.sigstore import PUBLIC_LOG, Document, certificates, log_keys, service_url

from .forms import OLDER_LOG
from .predicates import SIGNATURE, uri_of
from .signer import Signer

_TSAS = "timestampAuthorities"


def kyverno_policy(signer: Signer, images: Sequence[Reference]) -> Iterator[str]:
    """Yield the lines of a Kyverno policy that admits only what is signed, or attested, like this."""
    yield from (f"# {note}" for note in _notes(signer))
    yield from _yaml(_policy(signer, images)).splitlines()


def _notes(signer: Signer) -> Iterator[str]:
    """Yield what the policy cannot say."""
    inputs, bundle = signer.inputs, _is_bundle(signer)
    if bundle and not inputs.keyless:
        yield "needs Kyverno 1.19: earlier ones check bundles by certificate only; format: both is for them"
    if bundle and inputs.trusted_root is not None and (inputs.keyless or inputs.tlog):
        yield "needs Kyverno's flags --enableTuf, --tufMirror and --tufRoot, which must name your Sigstore"
    if bundle and signer.elsewhere:
        yield "Kyverno looks for bundles beside the image only; format: both is for COSIGN_REPOSITORY"
    if bundle and inputs.signed_annotations:
        yield "Kyverno does not look at the annotations of bundles; format: both is for them"
    if not bundle and not inputs.tlog and inputs.keyless and not certificates(_root(signer), _TSAS):
        yield "add the certificates of the timestamp authority: ctlog: {tsaCertChain: …}"
    if inputs.keyless and not signer.knows_itself:
        yield "IDENTITY is to be the identity in the certificate, which the authority has chosen"


def _policy(signer: Signer, images: Sequence[Reference]) -> Mapping[str, Any]:
    inputs = signer.inputs
    names = dict.fromkeys(each.name for each in images)
    check: dict[str, Any] = {
        "type": "SigstoreBundle" if _is_bundle(signer) else "Cosign",
        "failureAction": "Enforce",
        "imageReferences": [f"{name}{rest}" for name in names for rest in (":*", "@*")],
    }
    if signer.elsewhere and not _is_bundle(signer):
        check["repository"] = signer.elsewhere
    attestors = [{"entries": [_attestor(signer)]}]
    if inputs.attestation or _is_bundle(signer):
        kind = uri_of(inputs.predicate_type) if inputs.attestation else SIGNATURE
        check["attestations"] = [{"type": kind, "attestors": attestors}]
    else:
        check["attestors"] = attestors
    pods = {"any": [{"resources": {"kinds": ["Pod"]}}]}
    return {
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": f"{'attested' if inputs.attestation else 'signed'}-images"},
        "spec": {"rules": [{"name": "check", "match": pods, "verifyImages": [check]}]},
    }


def _attestor(signer: Signer) -> Mapping[str, Any]:
    inputs, bundle = signer.inputs, _is_bundle(signer)
    demanded = {} if bundle else dict(inputs.signed_annotations)
    annotations = {"annotations": demanded} if demanded else {}
    if inputs.keyless:
        roots = [] if bundle else certificates(_root(signer), "certificateAuthorities")
        trust: dict[str, Any] = {"roots": "".join(roots)} if roots else {}
        trust |= {"rekor": _rekor(signer), **({} if bundle else _ctlog(signer))}
        return {"keyless": {**_identity(signer), **trust}, **annotations}
    key = signer.cosign.public_key()
    keys: dict[str, Any] = {"kms": inputs.key} if key is None or key.pem is None else {"publicKeys": key.pem}
    keys["rekor"] = _rekor(signer)
    if not bundle or not inputs.tlog:
        # A key has no certificate, and Kyverno would fetch the keys of the public logs for it all the same.
        keys["ctlog"] = {"ignoreSCT": True}
    return {"keys": keys, **annotations}


def _identity(signer: Signer) -> Mapping[str, str]:
    inputs = signer.inputs
    issuer = inputs.cert_oidc_issuer or (None if inputs.cert_oidc_issuer_regexp else signer.cosign.issuer)
    wild = "" if _is_bundle(signer) else "*?"
    return {
        **_matching("subject", inputs.cert_identity or "IDENTITY", inputs.cert_identity_regexp, wild),
        **_matching("issuer", issuer or "ISSUER", inputs.cert_oidc_issuer_regexp, wild),
    }


def _matching(name: str, exact: str, regexp: str | None, wild: str) -> Mapping[str, str]:
    """Return the field that fits a text and no other, where some characters would stand for any."""
    if regexp is None and set(exact).isdisjoint(wild):
        return {name: exact}
    return {f"{name}RegExp": f"^(?:{re.escape(exact) if regexp is None else regexp})$"}


def _rekor(signer: Signer) -> Mapping[str, Any]:
    inputs = signer.inputs
    if not inputs.tlog:  # the URL has a default in a cluster, and Kyverno's command demands it
        return ({"url": PUBLIC_LOG} if inputs.keyless else {}) | {"ignoreTlog": True}
    written = service_url(inputs.services or {}, "rekorTlogUrls", () if _is_bundle(signer) else OLDER_LOG)
    known = log_keys(_root(signer), "tlogs")
    url = written or next(filter(None, known), PUBLIC_LOG)  # which Kyverno takes if none is named
    own = known.get(url) or next(iter(known.values()), None)
    return {"url": url} | ({"pubkey": own} if own and not _is_bundle(signer) else {})


def _ctlog(signer: Signer) -> Mapping[str, Any]:
    """Return what is known of a Sigstore of one's own: the log of its authority, and who stamps the time."""
    root, inputs = _root(signer), signer.inputs
    found: dict[str, Any] = {}
    if inputs.trusted_root is not None:
        key = next(iter(log_keys(root, "ctlogs").values()), None)
        found = {"pubkey": key} if key else {"ignoreSCT": True}
    if not inputs.tlog and (stamps := certificates(root, _TSAS)):
        found["tsaCertChain"] = stamps[0]  # Kyverno takes one authority
    return {"ctlog": found} if found else {}


def _root(signer: Signer) -> Document:
    return signer.inputs.trusted_root or {}


def _is_bundle(signer: Signer) -> bool:
    return "legacy" not in signer.inputs.forms


def _yaml(content: Mapping[str, Any]) -> str:
    import yaml  # at the end of a job, which has other things to do at its start

    class Dumper(yaml.SafeDumper):
        """Writes what has several lines, such as a key, as such."""

    def scalar(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        style = "|" if "\n" in text else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)

    Dumper.add_representer(str, scalar)
    return yaml.dump(content, Dumper=Dumper, sort_keys=False, width=1000)
