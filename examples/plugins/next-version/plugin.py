"""The next-version plugin: the next semantic version, from tags and conventional commits."""

from __future__ import annotations

import re

from gocdnext_sdk import DaemonUse, Input, InputMismatch, Job, Plugin, PluginInputs

KIND = re.compile(r"(?P<kind>[a-z]+)(\([^)]*\))?(?P<breaking>!)?: ")
"""The beginning of a subject (conventionalcommits.org 1.0.0)."""


class NextVersionInputs(PluginInputs):
    """The `with:` map."""

    prefix: str = Input("v", description="What stands before the version in a tag.")
    first: str = Input("0.1.0", description="The version where there is no tag yet.")


class NextVersion(Plugin[NextVersionInputs]):
    """Give the next semantic version, from the tags and the commits since the last one."""

    name = "gocdnext-plugin-next-version"
    category = "release"
    inputs = NextVersionInputs
    outputs = {
        "VERSION": "The next version; the last one if nothing that counts has changed.",
        "TAG": "The same as a tag.",
        "CHANGED": "true if it is a new one.",
    }
    daemon = DaemonUse("never")

    def run(self, inputs: NextVersionInputs, job: Job) -> dict[str, str]:
        """Find the last version in the history, and look at what came after."""
        if not re.fullmatch(r"\d+\.\d+\.\d+", inputs.first):
            raise InputMismatch("first", f'"{inputs.first}" is not a version', "write three numbers: 0.1.0")
        tagged = re.compile(re.escape(inputs.prefix) + r"(\d+)\.(\d+)\.(\d+)")
        versions = {
            commit: tuple(map(int, found.groups()))
            for tag, commit in job.git.tags.items()
            if (found := tagged.fullmatch(tag))
        }
        messages, last = [], None
        for commit in job.git.history():
            if last := versions.get(commit.id):
                break
            messages.append(commit.message)
        version = inputs.first if last is None else raised(last, messages)
        job.summary(
            ["last", "commits since", "next"], [[dotted(last) if last else "none", len(messages), version]]
        )
        changed = str(last is None or version != dotted(last)).lower()
        return {"VERSION": version, "TAG": f"{inputs.prefix}{version}", "CHANGED": changed}


def dotted(version: tuple[int, ...]) -> str:
    """Write a version."""
    return ".".join(map(str, version))


def raised(version: tuple[int, ...], messages: list[str]) -> str:
    """Return the version after these commits; before 1.0.0 what breaks raises the second number."""
    major, minor, patch = version
    found = [match for text in messages if (match := KIND.match(text))]
    if any(match["breaking"] for match in found) or any("BREAKING CHANGE: " in text for text in messages):
        return dotted((major + 1, 0, 0) if major else (0, minor + 1, 0))
    kinds = {match["kind"] for match in found}
    if "feat" in kinds:
        return dotted((major, minor + 1, 0))
    return dotted((major, minor, patch + 1) if kinds & {"fix", "perf", "revert"} else version)


if __name__ == "__main__":
    NextVersion.main()
