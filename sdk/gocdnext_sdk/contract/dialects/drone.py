"""Drone, and Harness CI, whose plugin steps follow it.

Source: drone-runners/drone-runner-docker `engine/compiler`, drone-go `environ`; Harness' "Plugin step" page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gocdnext_sdk.contract.dialects.base import Dialect, OutputTarget, renamed
from gocdnext_sdk.contract.keys import PREFIX

_EVENTS = {
    "push": "webhook",
    "pull_request": "pull_request",
    "tag": "tag",
    "promote": "manual",
    "custom": "manual",
    "cron": "schedule",
}


class Drone(Dialect):
    """A step with `settings:`, whose keys keep their hyphens: `PLUGIN_DB-PASSWORD`."""

    name: ClassVar = "drone"
    title: ClassVar = "Drone and Harness CI"
    marks: ClassVar = {"DRONE": "true", "CI": "true"}
    written: ClassVar = "settings.{key}"
    advice: ClassVar = {
        "daemon": "mount /var/run/docker.sock as a host volume, in a trusted repository",
        "identity": "give `identity_token`; Drone issues none",
        "credential": "write `from_secret: NAME`",
        "checkout": "does the pipeline clone the repository (clone: disable)?",
    }
    joins_lists: ClassVar = True

    @classmethod
    def is_here(cls, environ: Mapping[str, str]) -> bool:
        """Whether a Drone or Harness runner started the container."""
        return environ.get("DRONE") == "true"

    def workspace(self, environ: Mapping[str, str]) -> str | None:
        """Return the checkout's directory."""
        return environ.get("DRONE_WORKSPACE") or None

    def outputs(self, environ: Mapping[str, str]) -> tuple[OutputTarget, ...]:
        """Return the step's output file, which Harness names."""
        path = environ.get("DRONE_OUTPUT")
        return (OutputTarget(path, "dotenv"),) if path else ()

    def translated(self, environ: Mapping[str, str], event: Mapping[str, Any]) -> dict[str, str]:
        """Return what the run is."""
        found = renamed(
            environ,
            {
                "CI_COMMIT_SHA": "DRONE_COMMIT_SHA",
                "CI_BRANCH": "DRONE_COMMIT_BRANCH",
                "CI_TAG_NAME": "DRONE_TAG",
                "CI_DEFAULT_BRANCH": "DRONE_REPO_BRANCH",
                "CI_REPOSITORY_URL": "DRONE_REPO_LINK",
                "CI_RUN_ID": "DRONE_BUILD_NUMBER",
                "CI_RUN_URL": "DRONE_BUILD_LINK",
                "CI_RUN_COUNTER": "DRONE_BUILD_NUMBER",
                "CI_JOB_NAME": "DRONE_STEP_NAME",
                "CI_PULL_REQUEST_KEY": "DRONE_PULL_REQUEST",
                "CI_PULL_REQUEST_BRANCH": "DRONE_SOURCE_BRANCH",
                "CI_PULL_REQUEST_BASE": "DRONE_TARGET_BRANCH",
            },
        )
        if "CI_PULL_REQUEST_KEY" not in found:
            found.pop("CI_PULL_REQUEST_BRANCH", None)
            found.pop("CI_PULL_REQUEST_BASE", None)
        elif "CI_PULL_REQUEST_BRANCH" in found:  # DRONE_COMMIT_BRANCH is the one it would merge into
            found["CI_BRANCH"] = found["CI_PULL_REQUEST_BRANCH"]
        cause = _EVENTS.get(environ.get("DRONE_BUILD_EVENT", ""))
        return found | ({"CI_CAUSE": cause} if cause else {})

    def hand_over(self, inputs: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of `settings:`: the key in upper case, nothing replaced."""
        return {PREFIX + key.upper(): text for key, text in inputs.items()}
