"""Bitbucket Pipelines: a pipe's variables arrive under their bare names, a list as `NAME_0` to `NAME_COUNT`.

Source: "Variables and secrets" and "Write a pipe" in Bitbucket's documentation; bitbucket-pipes-toolkit
`core.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from gocdnext_sdk.contract.dialects.base import Dialect, add, canonical, renamed
from gocdnext_sdk.contract.errors import ContractError
from gocdnext_sdk.contract.keys import PREFIX

_SYSTEM = frozenset({"PATH", "HOME", "HOSTNAME", "PWD", "CI", "TERM", "LANG", "USER", "SHELL", "TMPDIR"})
"""Names that every container has, so that an input of such a name needs its prefix."""


class Bitbucket(Dialect):
    """A pipe. Only the names of the plugin's own inputs count: all else there is the system's."""

    name: ClassVar = "bitbucket"
    title: ClassVar = "Bitbucket Pipelines"
    marks: ClassVar = {"BITBUCKET_BUILD_NUMBER": "1", "CI": "true"}
    written: ClassVar = "{name}"
    advice: ClassVar = {
        "daemon": "add `services: [docker]` to the step",
        "identity": "add `oidc: true` to the step, and give IDENTITY_TOKEN: $BITBUCKET_STEP_OIDC_TOKEN",
        "credential": "refer to a secured variable as `$NAME`",
        "checkout": "does the step clone the repository (clone: enabled)?",
    }

    @classmethod
    def is_here(cls, environ: Mapping[str, str]) -> bool:
        """Whether Bitbucket started the container."""
        return "BITBUCKET_BUILD_NUMBER" in environ

    def inputs(self, environ: Mapping[str, str], keys: Collection[str]) -> dict[str, str]:
        """As the base, with the bare names of `keys`, and lists as JSON."""
        bare = {canonical(key) for key in keys}
        given = {PREFIX + name: environ[name] for name in bare - _SYSTEM if environ.get(name, "").strip()}
        for name in bare:
            for stem in (name, PREFIX + name):
                if f"{stem}_COUNT" in environ and f"{name}_COUNT" not in bare:
                    add(given, PREFIX + name, _listed(environ, stem), stem)
        parts = re.compile(rf"{PREFIX}({'|'.join(sorted(bare)) or '$'})_(\d+|COUNT)")
        rest = {
            name: text
            for name, text in environ.items()
            if name.removeprefix(PREFIX) in bare or not parts.fullmatch(name)
        }
        found = super().inputs(rest, keys)
        for variable, text in given.items():
            add(found, variable, text, variable.removeprefix(PREFIX))
        return found

    def translated(self, environ: Mapping[str, str], event: Mapping[str, Any]) -> dict[str, str]:
        """Return what the run is."""
        found = renamed(
            environ,
            {
                "CI_COMMIT_SHA": "BITBUCKET_COMMIT",
                "CI_BRANCH": "BITBUCKET_BRANCH",
                "CI_TAG_NAME": "BITBUCKET_TAG",
                "CI_RUN_ID": "BITBUCKET_PIPELINE_UUID",
                "CI_RUN_COUNTER": "BITBUCKET_BUILD_NUMBER",
                "CI_PULL_REQUEST_KEY": "BITBUCKET_PR_ID",
                "CI_PULL_REQUEST_BASE": "BITBUCKET_PR_DESTINATION_BRANCH",
            },
        )
        if name := environ.get("BITBUCKET_REPO_FULL_NAME"):
            found["CI_REPOSITORY_URL"] = page = f"https://bitbucket.org/{name}"
            found["CI_RUN_URL"] = f"{page}/pipelines/results/{environ['BITBUCKET_BUILD_NUMBER']}"
        if "CI_PULL_REQUEST_KEY" in found and "CI_BRANCH" in found:
            found["CI_PULL_REQUEST_BRANCH"] = found["CI_BRANCH"]
        if "CI_TAG_NAME" in found:
            found["CI_CAUSE"] = "tag"
            found.setdefault("CI_BRANCH", found["CI_TAG_NAME"])
        elif "CI_PULL_REQUEST_KEY" in found:
            found["CI_CAUSE"] = "pull_request"
        return found

    def workspace(self, environ: Mapping[str, str]) -> str | None:
        """Return the checkout's directory."""
        return environ.get("BITBUCKET_CLONE_DIR") or None

    def naming(self, key: str) -> str:
        """Return the variable of the input `key`: with its prefix if every container has one so called."""
        name = canonical(key)
        return PREFIX + name if name in _SYSTEM else name

    def hand_over(self, inputs: Mapping[str, str]) -> dict[str, str]:
        """Return a pipe's `variables:`, by the names that a step writes."""
        return {self.naming(key): text for key, text in inputs.items()}


def _listed(environ: Mapping[str, str], stem: str) -> str:
    """Return the items of a list as JSON, so that what an item holds ends none.

    Raises:
        ContractError: its length is no number.
    """
    count = environ[f"{stem}_COUNT"]
    if not re.fullmatch(r"\d{1,4}", count):
        raise ContractError(f"{stem}_COUNT: is no number of items")
    return json.dumps([environ.get(f"{stem}_{number}", "") for number in range(int(count))])
