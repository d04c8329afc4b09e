"""GitLab CI. A job names its variables itself; a component's template gives `PLUGIN_*`.

Source: gitlab-runner's docker executor; "Predefined CI/CD variables" in GitLab's documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gocdnext_sdk.contract.dialects.base import Dialect, cause, renamed

_EVENTS = {
    "push": "webhook",
    "merge_request_event": "pull_request",
    "web": "manual",
    "schedule": "schedule",
    "pipeline": "upstream",
    "parent_pipeline": "upstream",
}


class GitLab(Dialect):
    """A job with the plugin's image and its entrypoint."""

    name: ClassVar = "gitlab"
    title: ClassVar = "GitLab CI"
    marks: ClassVar = {"GITLAB_CI": "true", "CI": "true"}
    written: ClassVar = "{variable}"
    advice: ClassVar = {
        "daemon": "add the service docker:dind and DOCKER_HOST, or a runner with the engine's socket",
        "identity": "add `id_tokens: {SIGSTORE_ID_TOKEN: {aud: sigstore}}` to the job",
        "credential": "refer to a masked CI/CD variable as `$NAME`",
        "checkout": "does the job fetch the repository (GIT_STRATEGY)?",
    }

    @classmethod
    def is_here(cls, environ: Mapping[str, str]) -> bool:
        """Whether a GitLab runner started the container; local runners set the mark to `false`."""
        return "GITLAB_CI" in environ

    def workspace(self, environ: Mapping[str, str]) -> str | None:
        """Return the checkout's directory: the job starts in the image's own."""
        return environ.get("CI_PROJECT_DIR") or None

    def translated(self, environ: Mapping[str, str], event: Mapping[str, Any]) -> dict[str, str]:
        """Return what the run is; `CI_COMMIT_SHA` and `CI_JOB_NAME` are called as on gocdnext."""
        found = renamed(
            environ,
            {
                "CI_BRANCH": "CI_COMMIT_BRANCH",
                "CI_TAG_NAME": "CI_COMMIT_TAG",
                "CI_TAG_MESSAGE": "CI_COMMIT_TAG_MESSAGE",
                "CI_RUN_ID": "CI_PIPELINE_ID",
                "CI_RUN_URL": "CI_PIPELINE_URL",
                "CI_RUN_COUNTER": "CI_PIPELINE_IID",
                "CI_PULL_REQUEST_KEY": "CI_MERGE_REQUEST_IID",
                "CI_PULL_REQUEST_BRANCH": "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
                "CI_PULL_REQUEST_BASE": "CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
                "CI_PULL_REQUEST_TITLE": "CI_MERGE_REQUEST_TITLE",
                "CI_PULL_REQUEST_LABELS": "CI_MERGE_REQUEST_LABELS",
            },
        )
        if "CI_TAG_NAME" in found:
            found.setdefault("CI_BRANCH", found["CI_TAG_NAME"])
        if "CI_PULL_REQUEST_BRANCH" in found:
            found.setdefault("CI_BRANCH", found["CI_PULL_REQUEST_BRANCH"])
        return found | cause(_EVENTS.get(environ.get("CI_PIPELINE_SOURCE", "")), found)

    def group(self, title: str, number: int, now: int) -> tuple[str, str] | None:
        """Return a section's marks ("Custom collapsible sections" in GitLab's documentation)."""
        name = f"gocdnext_{number}"
        end = f"section_end:{now}:{name}\r\x1b[0K"
        return f"section_start:{now}:{name}[collapsed=true]\r\x1b[0K{' '.join(title.split())}", end
