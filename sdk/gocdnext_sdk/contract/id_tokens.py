"""What the platform says in a job's identity token.

Source: upstream `server/internal/oidcissuer/claims.go` and `server/internal/scheduler/oidctokens.go`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

LIFETIME: Final = 3600
"""Seconds a token is valid; the platform's default."""

BACKDATED: Final = 60
"""Seconds by which `nbf` lies before `iat`, for clocks that differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What the platform knows of a job when it issues a token. Everything is text; empty is unknown."""

    project_slug: str
    project_id: str
    pipeline: str
    pipeline_id: str
    job: str
    run_id: str
    run_counter: str
    cause: str
    matrix_key: str = ""
    ref_type: str = ""
    """`branch` or `tag`."""
    ref: str = ""
    """For a pull request the name of its own branch, which its author chose."""
    sha: str = ""
    pr_number: str = ""

    @property
    def subject(self) -> str:
        """The `sub` claim. A pull request's names no ref, or a fork's `main` would pass for the project's."""
        start = f"project:{_segment(self.project_slug)}:pipeline:{_segment(self.pipeline)}"
        if self.cause == "pull_request":
            return f"{start}:pull_request"
        if not (self.ref_type and self.ref):
            return f"{start}:ref_type:none:ref:none"
        return f"{start}:ref_type:{self.ref_type}:ref:{_segment(self.ref)}"


def claims(
    identity: Identity, *, issuer: str, audiences: Sequence[str], now: int, token_id: str
) -> dict[str, Any]:
    """Return the payload of a token.

    Args:
        identity: whose.
        issuer: base URL of the platform, without a final slash.
        audiences: as the job declares them; a single one becomes plain text.
        now: seconds since the epoch.
        token_id: unique.
    """
    known = identity.ref_type and identity.ref
    optional = {
        "ref": identity.ref if known else "",
        "matrix_key": identity.matrix_key,
        "sha": identity.sha,
        "pr_number": identity.pr_number,
    }
    return {
        "iss": issuer,
        "sub": identity.subject,
        "aud": audiences[0] if len(audiences) == 1 else list(audiences),
        "iat": now,
        "nbf": now - BACKDATED,
        "exp": now + LIFETIME,
        "jti": token_id,
        "project_slug": identity.project_slug,
        "project_id": identity.project_id,
        "pipeline": identity.pipeline,
        "pipeline_id": identity.pipeline_id,
        "job": identity.job,
        "run_id": identity.run_id,
        "run_counter": identity.run_counter,
        "cause": identity.cause,
        "ref_type": identity.ref_type if known else "none",
        **{name: value for name, value in optional.items() if value},
    }


def _segment(text: str) -> str:
    """Escape what separates the segments of a subject."""
    return text.replace("%", "%25").replace(":", "%3A")
