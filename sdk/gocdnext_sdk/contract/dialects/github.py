"""GitHub Actions, and Gitea and Forgejo, whose runners speak it.

Source: actions/toolkit `core`, actions/runner `ActionCommand.cs` and `ActionCommandManager.cs`;
"Workflow commands" and "OpenID Connect" in GitHub's documentation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, Literal

from gocdnext_sdk.contract.dialects.base import Dialect, OutputTarget, TokenRequest, renamed
from gocdnext_sdk.contract.keys import PREFIX

_EVENTS = {
    "push": "webhook",
    "pull_request": "pull_request",
    "workflow_dispatch": "manual",
    "schedule": "schedule",
}


class GitHub(Dialect):
    """A Docker container action."""

    name: ClassVar = "github"
    title: ClassVar = "GitHub Actions"
    marks: ClassVar = {"GITHUB_ACTIONS": "true", "CI": "true"}
    written: ClassVar = "with.{key}"
    advice: ClassVar = {
        "daemon": "run it on a Linux runner with Docker, which mounts /var/run/docker.sock",
        "identity": "add `permissions: {id-token: write}` to the job",
        "credential": "write `${{ secrets.NAME }}`",
        "checkout": "run actions/checkout before this step",
    }
    prefixes: ClassVar = (PREFIX, "INPUT_")
    taken: ClassVar = frozenset({"entrypoint"})  # of a step with `docker://`, it replaces the image's
    ignored: ClassVar = frozenset({"INPUT_ARGS", "INPUT_ENTRYPOINT"})

    @classmethod
    def is_here(cls, environ: Mapping[str, str]) -> bool:
        """Whether a runner of this family started the container."""
        return environ.get("GITHUB_ACTIONS") == "true"

    def workspace(self, environ: Mapping[str, str]) -> str | None:
        """Return the checkout's directory."""
        return environ.get("GITHUB_WORKSPACE") or None

    def outputs(self, environ: Mapping[str, str]) -> tuple[OutputTarget, ...]:
        """Return the step's output file."""
        path = environ.get("GITHUB_OUTPUT")
        return (OutputTarget(path),) if path else ()

    def summary(self, environ: Mapping[str, str]) -> str | None:
        """Return the step's summary file."""
        return environ.get("GITHUB_STEP_SUMMARY") or None

    def translated(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return what the run is."""
        found = renamed(
            environ,
            {
                "CI_COMMIT_SHA": "GITHUB_SHA",
                "CI_RUN_ID": "GITHUB_RUN_ID",
                "CI_RUN_COUNTER": "GITHUB_RUN_NUMBER",
                "CI_JOB_NAME": "GITHUB_JOB",
                "CI_PULL_REQUEST_BRANCH": "GITHUB_HEAD_REF",
                "CI_PULL_REQUEST_BASE": "GITHUB_BASE_REF",
            },
        )
        kind, ref = environ.get("GITHUB_REF_TYPE"), environ.get("GITHUB_REF_NAME", "")
        pull = re.fullmatch(r"refs/pull/(\d+)/merge", environ.get("GITHUB_REF", ""))
        if pull:
            found["CI_PULL_REQUEST_KEY"] = pull[1]
            found["CI_BRANCH"] = environ.get("GITHUB_HEAD_REF", "")
        elif kind == "tag":
            found["CI_TAG_NAME"] = found["CI_BRANCH"] = ref
        elif kind == "branch":
            found["CI_BRANCH"] = ref
        event = "tag" if kind == "tag" else _EVENTS.get(environ.get("GITHUB_EVENT_NAME", ""), "")
        return found | ({"CI_CAUSE": event} if event else {})

    def token_request(self, environ: Mapping[str, str], audience: str) -> TokenRequest | None:
        """Return the runner's token endpoint, which is there with `permissions: {id-token: write}`."""
        url = environ.get("ACTIONS_ID_TOKEN_REQUEST_URL")
        if not url or not environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN"):
            return None
        separator = "&" if "?" in url else "?"
        return TokenRequest(f"{url}{separator}audience={_query(audience)}", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")

    def annotation(self, level: Literal["error", "warning"], text: str) -> str:
        """Return the command that annotates the run."""
        return f"::{level}::{_data(text)}"

    def group(self, title: str, number: int, now: int) -> tuple[str, str] | None:
        """Return the commands that fold."""
        return f"::group::{_data(title)}", "::endgroup::"

    def hand_over(self, inputs: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of a step's `with:`: blanks become `_`, the rest is raised to upper case."""
        return {f"INPUT_{key.replace(' ', '_').upper()}": text for key, text in inputs.items()}


def _data(text: str) -> str:
    """Escape a command's message, as `core`'s `escapeData` does."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _query(text: str) -> str:
    """Escape a value for a query, as `encodeURIComponent` does."""
    kept = frozenset(b"-_.!~*'()")
    return "".join(
        chr(byte) if byte < 128 and (chr(byte).isalnum() or byte in kept) else f"%{byte:02X}"
        for byte in text.encode()
    )
