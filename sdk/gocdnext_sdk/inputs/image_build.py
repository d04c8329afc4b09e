"""What it takes to build an image from a Dockerfile, whichever builder does it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from gocdnext_sdk.errors import Problem
from gocdnext_sdk.inputs.constraints import Constraint, RequiredTogether
from gocdnext_sdk.inputs.model import Input
from gocdnext_sdk.inputs.registry_login import RegistryLoginInputs
from gocdnext_sdk.inputs.types import Boolean, BranchTags, Lines, Pairs, WorkspacePath
from gocdnext_sdk.oci.credentials import Credential, Credentials
from gocdnext_sdk.oci.reference import Reference, Registry, without_scheme
from gocdnext_sdk.secret import Secret
from gocdnext_sdk.workspace import is_in_workspace

BUILD_OUTPUTS = {
    "IMAGE": "The image's name, without a tag.",
    "DIGEST": "Digest of the index (of the manifest, for one platform); when something was pushed.",
    "IMAGE_DIGEST": "As DIGEST, under the name that upstream's documentation uses.",
    "REFERENCE": "IMAGE@DIGEST: what to scan and to sign; when something was pushed.",
    "TAGS": "The tags that were pushed, with commas between.",
}
"""What every image builder tells."""


class ImageBuildInputs(RegistryLoginInputs):
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
    target: str | None = Input(None, description="The stage to build. The last one if not given.")
    labels: Lines = Input("", description="Image labels, one KEY=VALUE a line.")
    secret_envs: Pairs = Input(
        "", description="Build secrets, one ID=VARIABLE a line: the job's variable is mounted under that id."
    )
    secret_files: Pairs = Input(
        "", description="Build secrets, one ID=PATH a line: the file is mounted under that id."
    )
    push: Boolean = Input(
        "true", description='"false" builds only: nothing is written to a registry, caches included.'
    )
    mirror: str | None = Input(
        None,
        description='Pull-through mirror of docker.io for base images, e.g. "mirror.gcr.io" or '
        '"registry.example.com/dockerhub". Docker Hub is the fallback.',
    )
    mirror_username: str | None = Input(None, description="User name at the mirror.")
    mirror_password: Secret | None = Input(None, description="Password or token at the mirror.")

    constraints: ClassVar[tuple[Constraint, ...]] = (RequiredTogether("mirror-username", "mirror-password"),)

    @property
    def targets(self) -> tuple[Reference, ...]:
        """Every reference that is published, in the order given."""
        tags = dict.fromkeys((self.image.tag, *self.tags) if self.image.tag else self.tags or ("latest",))
        return tuple(self.image.with_tag(tag) for tag in tags)

    def published(self, digest: str, tags: Iterable[str]) -> dict[str, str]:
        """Return the `BUILD_OUTPUTS` of what was pushed."""
        return {
            "IMAGE": self.image.name,
            "DIGEST": digest,
            "IMAGE_DIGEST": digest,
            "REFERENCE": str(self.image.with_digest(digest)),
            "TAGS": ",".join(tags),
        }

    def find_dockerfile(self, workspace: Path) -> Path:
        """Return the Dockerfile's path: in the context if it is there, else in the workspace.

        Both upstream manifests say "relative to the context", one upstream script took the workspace.
        """
        in_context = workspace / self.context / self.dockerfile
        return in_context if in_context.is_file() else workspace / self.dockerfile

    def secret_environ(self, environ: Mapping[str, str]) -> dict[str, Secret]:
        """Return the variables that `secret-envs` names, for the builder's environment."""
        names = (variable or id_ for id_, variable in self.secret_envs)
        return {name: Secret(environ[name]) for name in names}

    @property
    def logins(self) -> Credentials:
        """The logins: the image's registry and the mirror, each for its own host only."""
        logins = list(self.credentials(self.image.registry))
        if self.mirror and self.mirror_username and self.mirror_password:
            host = Registry.parse(without_scheme(self.mirror).split("/")[0])
            logins.append(Credential(host, self.mirror_username, self.mirror_password))
        return Credentials(logins)

    def check(self, environ: Mapping[str, str]) -> Iterable[Problem]:
        """Check the context, the Dockerfile, the mirror, the secrets and the bare build arguments."""
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
        elif not is_in_workspace(self.find_dockerfile(workspace)):
            yield Problem("dockerfile", f'"{self.dockerfile}" in "{self.context}" links out of the workspace')
        if self.mirror is not None and not re.fullmatch(r"[A-Za-z0-9._:/-]+", without_scheme(self.mirror)):
            yield Problem(
                "mirror", f'"{self.mirror}" is not a host with a path', 'write it as "mirror.gcr.io"'
            )
        for id_, variable in self.secret_envs:
            if (variable or id_) not in environ:
                yield Problem("secret-envs", f'"{variable or id_}" is not in the job\'s environment')
        for id_, path in self.secret_files:
            if path is None or not Path(path).is_file():
                yield Problem("secret-files", f'"{id_}": there is no file "{path or ""}"')
            elif not is_in_workspace(path):
                # What is checked out may link to /proc/1/environ, which has all of the job's secrets.
                yield Problem(
                    "secret-files",
                    f'"{id_}": "{path}" is outside the workspace',
                    "give a path inside the checkout",
                )
        for key, value in self.build_args:
            if value is None and key not in environ:
                yield Problem(
                    "build-args",
                    f'"{key}" has no value and is not in the job\'s environment',
                    f"write {key}=VALUE",
                )
