"""Concourse: `params:` become variables verbatim, what is not a text as JSON; outputs are directories.

A task's environment has no mark of Concourse's own, so the task file sets one.

Source: "Tasks" in Concourse's documentation; atc `exec/task_step.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from gocdnext_sdk.contract.dialects.base import Dialect, OutputTarget


class Concourse(Dialect):
    """A task whose `run.path` is the image's start command."""

    name: ClassVar = "concourse"
    title: ClassVar = "Concourse"
    marks: ClassVar = {"CI_SYSTEM_NAME": "concourse"}
    written: ClassVar = "params.{variable}"
    advice: ClassVar = {
        "daemon": "Concourse gives tasks none; build with the kaniko plugin",
        "identity": "give PLUGIN_IDENTITY_TOKEN",
        "credential": "write `((name))`",
        "checkout": "let the task's dir be the input with the repository",
    }

    @classmethod
    def is_here(cls, environ: Mapping[str, str]) -> bool:
        """Whether a task file with the mark started the container."""
        return environ.get("CI_SYSTEM_NAME") == "concourse"

    def outputs(self, environ: Mapping[str, str]) -> tuple[OutputTarget, ...]:
        """Return the directory of an output of the task, a file for each value."""
        path = environ.get("CONCOURSE_OUTPUTS")
        return (OutputTarget(path, "directory"),) if path else ()
