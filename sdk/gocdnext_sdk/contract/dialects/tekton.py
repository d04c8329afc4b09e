"""Tekton: parameters become variables that the Task names, results are one file each.

Tekton marks a step's environment with nothing, so the Task has to: `CI_SYSTEM_NAME=tekton`.

Source: "Tasks" and "Emitting results from a Task" in Tekton's documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from gocdnext_sdk.contract.dialects.base import Dialect, OutputTarget

RESULTS = "/tekton/results"
"""The directory that takes a file for each result; 4096 bytes all together."""


class Tekton(Dialect):
    """A step without `script:`, which starts the image's entrypoint."""

    name: ClassVar = "tekton"
    title: ClassVar = "Tekton"
    marks: ClassVar = {"CI_SYSTEM_NAME": "tekton"}
    written: ClassVar = "{variable}"
    advice: ClassVar = {
        "daemon": "add a sidecar docker:dind and DOCKER_HOST",
        "identity": "project a service account token, and give it as PLUGIN_IDENTITY_TOKEN",
        "credential": "use `valueFrom: {secretKeyRef: …}`",
        "checkout": "let the step's workingDir be the workspace with the checkout",
    }

    @classmethod
    def is_here(cls, environ: Mapping[str, str]) -> bool:
        """Whether a Task with the mark started the container."""
        return environ.get("CI_SYSTEM_NAME") == "tekton"

    def outputs(self, environ: Mapping[str, str]) -> tuple[OutputTarget, ...]:
        """Return the results' directory."""
        return (OutputTarget(environ.get("TEKTON_RESULTS") or RESULTS, "directory", 4096),)
