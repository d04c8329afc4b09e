"""Woodpecker: `settings:` become `PLUGIN_*`, a list one text with commas, a map JSON.

Source: woodpecker `pipeline/frontend/yaml/compiler/settings/params.go`, `pipeline/frontend/metadata/
environment.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gocdnext_sdk.contract.dialects.base import Dialect, renamed

_EVENTS = {
    "push": "webhook",
    "pull_request": "pull_request",
    "tag": "tag",
    "manual": "manual",
    "cron": "schedule",
}


class Woodpecker(Dialect):
    """A step with `settings:`."""

    name: ClassVar = "woodpecker"
    title: ClassVar = "Woodpecker"
    marks: ClassVar = {"CI": "woodpecker", "CI_SYSTEM_NAME": "woodpecker"}
    written: ClassVar = "settings.{key}"
    advice: ClassVar = {
        "daemon": "mount /var/run/docker.sock as a volume, in a trusted repository",
        "identity": "give `identity_token`; Woodpecker issues none",
        "credential": "write `from_secret: NAME`",
        "checkout": "does the workflow clone the repository (skip_clone)?",
    }
    joins_lists: ClassVar = True

    @classmethod
    def is_here(cls, environ: Mapping[str, str]) -> bool:
        """Whether a Woodpecker agent started the container."""
        return "woodpecker" in (environ.get("CI_SYSTEM_NAME"), environ.get("CI"))

    def workspace(self, environ: Mapping[str, str]) -> str | None:
        """Return the checkout's directory."""
        return environ.get("CI_WORKSPACE") or None

    def translated(self, environ: Mapping[str, str], event: Mapping[str, Any]) -> dict[str, str]:
        """Return what the run is."""
        found = renamed(
            environ,
            {
                "CI_BRANCH": "CI_COMMIT_BRANCH",
                "CI_TAG_NAME": "CI_COMMIT_TAG",
                "CI_DEFAULT_BRANCH": "CI_REPO_DEFAULT_BRANCH",
                "CI_REPOSITORY_URL": "CI_REPO_URL",
                "CI_RUN_ID": "CI_PIPELINE_NUMBER",
                "CI_RUN_URL": "CI_PIPELINE_URL",
                "CI_RUN_COUNTER": "CI_PIPELINE_NUMBER",
                "CI_JOB_NAME": "CI_STEP_NAME",
                "CI_PULL_REQUEST_KEY": "CI_COMMIT_PULL_REQUEST",
                "CI_PULL_REQUEST_BRANCH": "CI_COMMIT_SOURCE_BRANCH",
                "CI_PULL_REQUEST_BASE": "CI_COMMIT_TARGET_BRANCH",
                "CI_PULL_REQUEST_LABELS": "CI_COMMIT_PULL_REQUEST_LABELS",
            },
        )
        if "CI_PULL_REQUEST_BRANCH" in found:  # CI_COMMIT_BRANCH is the one it would merge into
            found["CI_BRANCH"] = found["CI_PULL_REQUEST_BRANCH"]
        cause = _EVENTS.get(environ.get("CI_PIPELINE_EVENT", ""))
        return found | ({"CI_CAUSE": cause} if cause else {})
