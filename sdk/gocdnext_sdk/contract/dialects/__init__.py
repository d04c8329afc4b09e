"""The CI systems that start a plugin's container, one module each.

The plugin's image and its inputs are the same everywhere; what a system names otherwise is turned into what
gocdnext would have set. On gocdnext itself nothing of this is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gocdnext_sdk.contract.keys import MARK

if TYPE_CHECKING:
    from gocdnext_sdk.contract.dialects.base import Dialect


def dialects() -> tuple[Dialect, ...]:
    """Return every dialect besides gocdnext's own, the most particular mark first."""
    from gocdnext_sdk.contract.dialects.bitbucket import Bitbucket
    from gocdnext_sdk.contract.dialects.concourse import Concourse
    from gocdnext_sdk.contract.dialects.drone import Drone
    from gocdnext_sdk.contract.dialects.github import GitHub
    from gocdnext_sdk.contract.dialects.gitlab import GitLab
    from gocdnext_sdk.contract.dialects.plain import Plain
    from gocdnext_sdk.contract.dialects.tekton import Tekton
    from gocdnext_sdk.contract.dialects.woodpecker import Woodpecker

    kinds = (GitHub, Woodpecker, Drone, GitLab, Bitbucket, Tekton, Concourse, Plain)
    return tuple(kind() for kind in kinds)


def dialect(name: str) -> Dialect:
    """Return a dialect by its name.

    Raises:
        KeyError: there is none.
    """
    return {each.name: each for each in dialects()}[name]


def is_gocdnext(environ: Mapping[str, str]) -> bool:
    """Tell whether gocdnext started the container."""
    return environ.get(MARK) == "true"


def detect(environ: Mapping[str, str]) -> Dialect | None:
    """Return the dialect of the system that set `environ`; None on gocdnext."""
    if is_gocdnext(environ):
        return None
    return next(each for each in dialects() if each.is_here(environ))


def hands_out_tokens(environ: Mapping[str, str]) -> bool:
    """Tell whether the system that set `environ` gives this job an identity token on request."""
    found = detect(environ)
    return found is not None and found.token_request(environ, "") is not None
