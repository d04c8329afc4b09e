"""What of the job's environment cosign heeds beside keys: what it may see, and where it puts signatures."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from gocdnext_sdk.errors import Problem
from gocdnext_sdk.oci.reference import Reference, Registry

INHERITED = (
    *("DOCKER_CONFIG", "COSIGN_REPOSITORY", "COSIGN_DOCKER_MEDIA_TYPES", "COSIGN_MAX_ATTACHMENT_SIZE"),
    *("TUF_MIRROR", "SOURCE_DATE_EPOCH"),
)
"""Variables of the job that cosign may see. No secrets, and none that trusts another key or root.

A mirror is not trusted: what it serves is signed. `TUF_ROOT`, a folder of roots, and `TUF_ROOT_JSON` are;
they could lie in the checkout, so that `trusted-root` alone says what to trust.
"""


def check_insecure(environ: Mapping[str, str], insecure: Collection[Registry]) -> Iterator[Problem]:
    """Check that no registry beside the image's would be spoken to without TLS.

    Args:
        environ: the job's.
        insecure: the registries that may speak plain http.
    """
    repository = environ.get("COSIGN_REPOSITORY")
    if not (repository and insecure):
        return
    if not set(signature_registries(environ)).intersection(insecure):
        what = "cosign would allow plain http to the registry in COSIGN_REPOSITORY too"
        yield Problem("insecure-registries", what, "remove that variable, or name its registry here too")


def signature_registries(environ: Mapping[str, str]) -> tuple[Registry, ...]:
    """Return the registry that the job's `COSIGN_REPOSITORY` has signatures go to, if it names one."""
    try:
        return (Reference.parse(environ.get("COSIGN_REPOSITORY", "")).registry,)
    except ValueError:
        return ()
