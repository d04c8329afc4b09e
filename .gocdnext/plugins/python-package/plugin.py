"""Build the Python package of this project, or publish what was built."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Literal

from gocdnext_sdk import (
    Findings,
    Input,
    Job,
    Plugin,
    PluginInputs,
    Problem,
    ReadsWorkspace,
    Secret,
    ToolError,
)

DIST = "dist"
"""Where the distributions are, in the workspace."""


class PythonPackageInputs(PluginInputs):
    """The `with:` map."""

    action: Literal["build", "upload"] = Input(
        "build", description=f"`build` writes wheel and sdist to `{DIST}/`, `upload` publishes what is there."
    )
    index: str | None = Input(
        None,
        description="Where to upload: the URL of an index that takes what PyPI takes.",
        pattern="^https?://",
    )
    token: Secret | None = Input(None, description="The index's API token.")

    def check(self, environ: Mapping[str, str], workspace: Path) -> Iterable[Problem]:
        """Check what needs several inputs."""
        for key, given in (("index", self.index), ("token", self.token)):
            if (given is None) == (self.action == "upload"):
                yield Problem(key, "goes with `action: upload`, and only with it")


class PythonPackage(Plugin[PythonPackageInputs]):
    """Build wheel and sdist, the same bytes for the same commit, or upload them."""

    name = "gocdnext-plugin-python-package"
    inputs = PythonPackageInputs
    outputs = {"VERSION": "The version that was built."}
    workspace = ReadsWorkspace()

    def run(self, inputs: PythonPackageInputs, job: Job) -> Mapping[str, str]:
        """Build or upload."""
        if inputs.index and inputs.token:
            return upload(job, inputs.index, inputs.token)
        return build(job)


def build(job: Job) -> Mapping[str, str]:
    """Build both distributions and check them.

    Raises:
        Findings: the version is not that of the run's tag, the tag is no semantic version, or an index
            would refuse a distribution.
    """
    from hatchling.builders.sdist import SdistBuilder
    from hatchling.builders.wheel import WheelBuilder

    if job.ci.committed:  # else Hatchling's own constant date
        os.environ["SOURCE_DATE_EPOCH"] = f"{job.ci.committed.timestamp():.0f}"
    target = str(job.workspace / DIST)
    for builder in (WheelBuilder(str(job.workspace)), SdistBuilder(str(job.workspace))):
        for path in builder.build(directory=target, versions=["standard"]):
            job.say(f"built {Path(path).name}")
    version = builder.metadata.version
    if job.ci.tag:
        check_tag(job.ci.tag, version)
    check(job)
    return {"VERSION": version}


def check_tag(tag: str, version: str) -> None:
    """Check that a tag is that of a version: `v1.3.0-rc.1`, a semantic version, is that of `1.3.0rc1`.

    Args:
        tag: the run's.
        version: the package's, in the normal form of PEP 440.

    Raises:
        Findings: it is another version's, or the images, which docker-push tags by it, would get no tag, or
            not the one by which everything asks for them.
    """
    from gocdnext_sdk.inputs.tagging.versions import parse_pep440, parse_semver

    same = parse_pep440(tag.removeprefix("v"))
    if not tag.startswith("v") or same is None or same.parts["version"] != version:
        raise Findings(f"the tag is {tag}, and the package's version is {version}")
    release = parse_semver(tag)
    if release is None:
        raise Findings(f"the tag {tag} is no semantic version, such as v1.3.0 or v1.3.0-rc.1")
    channel = f"v{release.parts['major']}"
    if release.is_release and channel != Plugin.image_tag:
        raise Findings(f"everything asks for the images by `{Plugin.image_tag}`, and {tag} moves `{channel}`")


def check(job: Job) -> None:
    """Check the distributions as an index does.

    Raises:
        Findings: it would refuse one.
    """
    from twine.commands.check import check as twine_check

    said = StringIO()
    with redirect_stdout(said):
        refused = twine_check([str(each) for each in distributions(job)], strict=True)
    for line in said.getvalue().splitlines():
        job.say(line)
    if refused:
        raise Findings("an index would refuse a distribution")


def upload(job: Job, index: str, token: Secret) -> Mapping[str, str]:
    """Upload the distributions; PyPI passes over what it has already.

    Raises:
        ToolError: the index refuses one, or cannot be reached.
    """
    from requests.exceptions import RequestException
    from twine.commands.upload import upload as twine_upload
    from twine.exceptions import TwineException
    from twine.settings import Settings
    from twine.utils import DEFAULT_REPOSITORY, TEST_REPOSITORY

    settings = Settings(
        repository_url=index,
        username="__token__",
        password=token.reveal(),
        non_interactive=True,
        skip_existing=index.startswith((DEFAULT_REPOSITORY, TEST_REPOSITORY)),  # which alone can tell
        disable_progress_bar=True,
    )
    found = [str(each) for each in distributions(job)]
    try:
        twine_upload(settings, found)
    except (TwineException, RequestException) as error:
        raise ToolError(f"{index} did not take the package: {error}") from None
    for each in found:
        job.say(f"published {Path(each).name}")
    return {}


def distributions(job: Job) -> list[Path]:
    """Return the distributions that were built, without the signatures beside them.

    Raises:
        ToolError: there are not a wheel and an sdist.
    """
    found = sorted(job.workspace.glob(f"{DIST}/*.tar.gz")) + sorted(job.workspace.glob(f"{DIST}/*.whl"))
    if len(found) != 2:
        raise ToolError(f"{DIST}/ holds {len(found)} distributions instead of a wheel and an sdist")
    return found


if __name__ == "__main__":
    PythonPackage.main()
