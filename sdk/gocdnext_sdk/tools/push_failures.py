"""What BuildKit and kaniko say of a push that failed, and what its registry adds when it is asked."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gocdnext_sdk.errors import RegistryError, ToolError
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.reference import Reference
from gocdnext_sdk.oci.refusals import IMMUTABLE_STATUSES, MAY_BE_IMMUTABLE
from gocdnext_sdk.oci.tags import where

_PRECONDITION = re.compile(rb"\b412\b.*Precondition|Precondition.*\b412\b|PRECONDITION|412 Precondition")
"""What builders say of a push that a rule of the registry refuses."""

_FAILED_TO_PUSH = b"failed to push"
"""What BuildKit and kaniko say when it was not the build that failed."""

_LOGIN = "the login was refused: is the password right, and does it last as long as the build?"

_LOGGED_OUT = re.compile(rb"UNAUTHORIZED|failed to fetch oauth token")
"""What they say if it was the login that was refused."""

_REFUSED = re.compile(rb"(?:unexpected status|status code)[^\n]*?\b([45]\d\d)\b")
"""How BuildKit and kaniko name the answer to a push."""


def is_one(error: ToolError) -> bool:
    """Tell whether it was the push that failed, and not the build."""
    return _FAILED_TO_PUSH in error.said or bool(_PRECONDITION.search(error.said))


def explained(error: ToolError, targets: Sequence[Reference], registry: RegistryClient) -> ToolError:
    """Return the error of a push with what the registry says of it, and with where the tags are.

    Args:
        error: the builder's.
        targets: every reference that was to be published.
        registry: has the logins of the build.
    """
    if _PRECONDITION.search(error.said):
        return ToolError(f"{error.what}: {_refusal(targets, registry)}", error.advice)
    answer = _REFUSED.search(error.said)
    status = int(answer[1]) if answer else 0
    if status in IMMUTABLE_STATUSES:
        advice = MAY_BE_IMMUTABLE
    else:
        advice = _LOGIN if status == 401 or _LOGGED_OUT.search(error.said) else error.advice
    told = f" ({where(targets, registry)})" if len(targets) > 1 else ""
    return ToolError(f"{error.what}{told}", advice)


def _refusal(targets: Sequence[Reference], registry: RegistryClient) -> str:
    """Return why the registry answers 412: builders do not pass its reason on, so it is asked again.

    What a tag points to already is written once more, which changes nothing where it is allowed.
    """
    for target in targets:
        try:
            found = registry.find(target)
            if found is not None:
                registry.tag(target.with_digest(found.digest), str(target.tag))
        except RegistryError as error:
            return error.what
    return "a rule of the registry's project, such as for immutable tags, refuses it"
