"""GitHub Actions, and Gitea and Forgejo, whose runners speak it.

Source: actions/toolkit `core`, actions/runner `ActionCommand.cs` and `ActionCommandManager.cs`;
"Workflow commands" and "OpenID Connect" in GitHub's documentation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from gocdnext_sdk.contract.dialects.base import Dialect, OutputTarget, TokenRequest, cause, renamed
from gocdnext_sdk.contract.keys import PREFIX

_EVENTS = {
    "push": "webhook",
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

    def event_file(self, environ: Mapping[str, str]) -> str | None:
        """Return the file with the webhook's payload."""
        return environ.get("GITHUB_EVENT_PATH") or None

    def translated(self, environ: Mapping[str, str], event: Mapping[str, Any]) -> dict[str, str]:
        """Return what the run is."""
        found = renamed(
            environ,
            {
                "CI_COMMIT_SHA": "GITHUB_SHA",
                "CI_RUN_ID": "GITHUB_RUN_ID",
                "CI_RUN_COUNTER": "GITHUB_RUN_NUMBER",
                "CI_JOB_NAME": "GITHUB_JOB",
            },
        )
        server, repository = environ.get("GITHUB_SERVER_URL"), environ.get("GITHUB_REPOSITORY")
        if server and repository:
            found["CI_REPOSITORY_URL"] = page = f"{server.rstrip('/')}/{repository}"
            if "CI_RUN_ID" in found and "GITEA_ACTIONS" not in environ:  # there, pages go by another number
                found["CI_RUN_URL"] = f"{page}/actions/runs/{found['CI_RUN_ID']}"
        if default := _text(event, "repository", "default_branch"):
            found["CI_DEFAULT_BRANCH"] = default
        return found | _what(environ, event)

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


def _what(environ: Mapping[str, str], event: Mapping[str, Any]) -> dict[str, str]:
    """Return what a run is for: a pull request, a tag or a branch.

    A pull request that was merged is a run for the branch, by its reference.
    """
    name, reference = environ.get("GITHUB_EVENT_NAME"), environ.get("GITHUB_REF", "")
    pull = re.fullmatch(r"refs/pull/(\d+)/(?:merge|head)", reference)  # Gitea and Forgejo say head
    if pull or name == "pull_request_target":
        branch = environ.get("GITHUB_HEAD_REF") or _text(event, "pull_request", "head", "ref")
        labels = _at(event, "pull_request", "labels")
        names = [_text(each, "name") for each in labels] if isinstance(labels, list) else []
        found = {
            "CI_CAUSE": "pull_request",
            "CI_BRANCH": branch,
            "CI_PULL_REQUEST_KEY": pull[1] if pull else _text(event, "pull_request", "number"),
            "CI_PULL_REQUEST_BRANCH": branch,
            "CI_PULL_REQUEST_BASE": environ.get("GITHUB_BASE_REF")
            or _text(event, "pull_request", "base", "ref"),
            "CI_PULL_REQUEST_TITLE": _text(event, "pull_request", "title"),
            "CI_PULL_REQUEST_AUTHOR": _text(event, "pull_request", "user", "login"),
            "CI_PULL_REQUEST_URL": _text(event, "pull_request", "html_url"),
            "CI_PULL_REQUEST_LABELS": ",".join(filter(None, names)),
        }
        return {ours: text for ours, text in found.items() if text}
    kind, ref = environ.get("GITHUB_REF_TYPE"), environ.get("GITHUB_REF_NAME", "")
    found = {"CI_BRANCH": ref} if kind in ("branch", "tag") else {}
    if kind == "tag":
        found["CI_TAG_NAME"] = ref
    return found | cause(_EVENTS.get(name or ""), found)


def _at(value: object, *path: str) -> object:
    """Return what a payload holds at a path of keys; None if nothing."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _text(value: object, *path: str) -> str:
    """Return the text or number there, as a variable can hold it; empty if there is none."""
    found = _at(value, *path)
    text = str(found) if isinstance(found, str | int) else ""
    return text.replace("\0", "").encode(errors="replace").decode()


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
