"""What it takes to build an image from a Dockerfile, whichever builder does it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from gocdnext_sdk.errors import Problem
from gocdnext_sdk.inputs.login import RegistryLogin
from gocdnext_sdk.inputs.model import Input
from gocdnext_sdk.inputs.parsers import parse_words
from gocdnext_sdk.inputs.types import Boolean, Pairs, WorkspacePath
from gocdnext_sdk.oci.reference import Reference, is_tag


def _branch_tags(text: object) -> object:
    """Read tags; a branch such as `feat/x` becomes `feat-x`, since a tag cannot hold a slash."""
    if not isinstance(text, str):
        return text
    tags = tuple(dict.fromkeys(tag.replace("/", "-") for tag in parse_words(text)))
    for tag in tags:
        if not is_tag(tag):
            advice = "letters, digits, `_`, `.` and `-`, at most 128"
            raise ValueError(f'"{tag}" is not a tag; {advice}')
    return tags


BranchTags = Annotated[tuple[str, ...], BeforeValidator(_branch_tags), WithJsonSchema({"type": "string"})]


class ImageBuild(RegistryLogin):
    """The inputs all image builders share."""

    image: Reference = Input(
        description='The image to publish, e.g. "ghcr.io/org/app". A tag in it is published beside `tags`.'
    )
    tags: BranchTags = Input(
        "",
        description="Tags to publish, one a line or with commas or blanks between; all get one digest. A "
        "slash (of a branch name) becomes a dash. `latest` if neither this nor `image` has one.",
    )
    dockerfile: WorkspacePath = Input(
        "Dockerfile",
        description="Path of the Dockerfile: looked up in `context` first, then in the workspace.",
    )
    context: WorkspacePath = Input(".", description="Folder of the build context, relative to the workspace.")
    build_args: Pairs = Input(
        "",
        description="Build arguments, one KEY=VALUE a line; commas, blanks and quotes belong to the value. "
        "A bare KEY takes its value from the job's environment.",
    )
    push: Boolean = Input(
        "true", description='"false" builds only: nothing is written to a registry, caches included.'
    )

    @property
    def targets(self) -> tuple[Reference, ...]:
        """Every reference that is published, in the order given."""
        tags = dict.fromkeys((self.image.tag, *self.tags) if self.image.tag else self.tags or ("latest",))
        return tuple(self.image.with_tag(tag) for tag in tags)

    def find_dockerfile(self, workspace: Path) -> Path:
        """Return the Dockerfile's path: in the context if it is there, else in the workspace.

        Both upstream manifests say "relative to the context", one upstream script took the workspace.
        """
        in_context = workspace / self.context / self.dockerfile
        return in_context if in_context.is_file() else workspace / self.dockerfile

    def build_environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the build arguments with their values; a bare KEY is looked up in `environ`."""
        return {key: environ[key] if value is None else value for key, value in self.build_args}

    def check(self, environ: Mapping[str, str]) -> Iterable[Problem]:
        """Check the context, the Dockerfile and the bare build arguments."""
        workspace = Path.cwd()
        if self.image.digest:
            yield Problem("image", "has a digest, which only the build can tell", "give the name, and tags")
        if not (workspace / self.context).is_dir():
            yield Problem("context", f'there is no folder "{self.context}" in the workspace')
        elif not self.find_dockerfile(workspace).is_file():
            yield Problem(
                "dockerfile",
                f'"{self.dockerfile}" is neither in the context "{self.context}" nor in the workspace',
            )
        for key, value in self.build_args:
            if value is None and key not in environ:
                yield Problem(
                    "build-args",
                    f'"{key}" has no value and is not in the job\'s environment',
                    f"write {key}=VALUE",
                )
