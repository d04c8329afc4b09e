"""Look into candidates of our own images before they are signed: every platform of each."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from gocdnext_sdk import (
    DaemonUse,
    Findings,
    Input,
    InputError,
    Invalid,
    Job,
    Lines,
    Plugin,
    Problem,
    Reads,
    Reference,
    References,
    RegistryClient,
    RegistryLoginInputs,
    WorkspacePath,
)
from gocdnext_sdk.contract.keys import variable
from gocdnext_sdk.inputs.parsers import parse_lines
from gocdnext_sdk.runtime.docker_client import connect, translated

from .architecture import foreign, programs
from .streams import Chunks

if TYPE_CHECKING:
    from docker import DockerClient

NOTHING_GIVEN = 2
"""How a plugin of ours ends without any input: it says what it requires."""

SOCKET = "/var/run/docker.sock"
"""Where a job has the daemon's socket, and most hosts too."""

WORKSPACE = "/workspace"
"""The working directory of our images."""

NO_PLUGIN = 70
"""How the base image ends, which has no plugin."""


@dataclass(frozen=True)
class Trial:
    """A job that an image must pass.

    Args:
        image: last part of the image's name.
        inputs: its `with:` map.
    """

    image: str
    inputs: Mapping[str, str]

    @classmethod
    def parse(cls, line: str) -> Trial:
        """Read `IMAGE KEY=VALUE …`; no value has a space.

        Raises:
            Invalid: it is not written so.
        """
        image, *words = line.split()
        pairs = [word.partition("=") for word in words]
        if not pairs or not all(key and given for key, given, _ in pairs):
            raise Invalid(f"`{line}` is not IMAGE KEY=VALUE …")
        return cls(image, {key: value for key, _, value in pairs})

    @property
    def environ(self) -> dict[str, str]:
        """The inputs as a container gets them."""
        return {variable(key): value for key, value in self.inputs.items()}


Trials = Annotated[
    tuple[Trial, ...],
    BeforeValidator(lambda text: tuple(map(Trial.parse, parse_lines(text)))),
    WithJsonSchema({"type": "string", "format": "lines"}),
]


class ImageCheckInputs(RegistryLoginInputs):
    """The `with:` map."""

    images: References = Input(description="The candidates, by digest.")
    programs: Lines = Input(
        "", description="Programs to run once in each image that has them, with arguments."
    )
    trials: Trials = Input(
        "",
        description="Jobs that images must pass, one `IMAGE KEY=VALUE …` a line, by the last part of the "
        "name. They have this job's network and daemon, and its login if they name its registry.",
    )
    socket: str = Input(SOCKET, description="Path of the daemon's socket on its own host, for the trials.")
    trial_workspace: WorkspacePath = Input(".", description="The directory that is the trials' workspace.")

    @property
    def references(self) -> Iterable[Reference]:
        """The images."""
        return self.images


class ImageCheck(Plugin[ImageCheckInputs]):
    """Check that every program of every platform is for that platform, and that it does a job there.

    What a scan, a signature and a tag do not notice: the wrong file in an image, such as an amd64 program in
    the image for arm64. Platforms that the daemon's machine cannot run need QEMU there.
    """

    name = "gocdnext-plugin-image-check"
    inputs = ImageCheckInputs
    reads = (Reads("images"),)
    daemon = DaemonUse("always")

    def run(self, inputs: ImageCheckInputs, job: Job) -> Mapping[str, str]:
        """Check each platform of each image."""
        if unknown := {each.image for each in inputs.trials} - {called(each) for each in inputs.images}:
            raise InputError([Problem("trials", f"no image is called {', '.join(sorted(unknown))}")])
        registry = job.registry(inputs.credentials(inputs.images[0].registry), inputs.insecure_registries)
        job.daemon()
        files = packed(job.workspace / inputs.trial_workspace) if inputs.trials else b""
        with translated("be reached"), closing(connect(job.environ, timeout=600)) as client:
            for image in inputs.images:
                for platform in platforms(registry, image):
                    check(client, inputs, image, platform, job, files)
        return {}


def called(image: Reference) -> str:
    """Return the last part of an image's name."""
    return image.repository.rpartition("/")[2]


def platforms(registry: RegistryClient, image: Reference) -> list[str]:
    """Return the platforms of an image, also of one that is no index.

    Raises:
        Findings: it has none, so that nothing would be checked.
    """
    children = registry.platforms(image)
    if not children and (own := registry.with_platform(image, registry.resolve(image))):
        children = (own,)
    found = [str(child.platform) for child in children if child.platform]
    if not found:
        raise Findings(f"{image} is for no platform")
    return found


def check(
    client: DockerClient, inputs: ImageCheckInputs, image: Reference, platform: str, job: Job, files: bytes
) -> None:
    """Check one platform of an image.

    Args:
        client: gets it, and runs it.
        inputs: what to try.
        image: by digest.
        platform: which one.
        job: has the log.
        files: a tar of the workspace of each trial.

    Raises:
        Findings: a program is for another platform, or does not work.
        DaemonError: the daemon cannot get or run it.
    """
    with pulled(client, inputs, image, platform) as name:
        with translated(f"read {image}"), created(client, name, platform) as container:
            count, wrong = foreign(programs(Chunks(container.export())), platform.split("/")[1])
        if wrong:
            raise Findings(f"{image} for {platform}: {'; '.join(wrong)}")
        expected = NO_PLUGIN if image.short_name.endswith("-base") else NOTHING_GIVEN
        ended, said = run(client, name, platform)
        if ended != expected:
            raise Findings(f"{image} for {platform} ends with {ended} without inputs: {said}")
        ran = ["the plugin"]
        for trial in inputs.trials:
            if trial.image != called(image):
                continue
            ended, said = run(client, name, platform, files, **surroundings(inputs, trial, job))
            if ended:
                raise Findings(f"{image} for {platform}: its job ends with {ended}: {said}")
            ran.append("a job")
        for line in inputs.programs:
            program, *arguments = line.split()
            ended, said = run(client, name, platform, entrypoint=[program, *arguments])
            if ended == MISSING:
                continue
            if ended:
                raise Findings(f"{image} for {platform}: `{line}` ends with {ended}: {said}")
            ran.append(program.rpartition("/")[2])
        job.say(f"{image} for {platform}: {count} programs and libraries are for it; ran {', '.join(ran)}")


MISSING = -1
"""In place of an exit code: the image has no such program."""


def packed(folder: Path) -> bytes:
    """Return the files of a folder as a tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(folder, ".")
    return buffer.getvalue()


def surroundings(inputs: ImageCheckInputs, trial: Trial, job: Job) -> dict[str, Any]:
    """Return what a trial's container has of this job's: its network, and its daemon."""
    environ = {
        "GOCDNEXT": job.environ.get("GOCDNEXT", ""),
        "DOCKER_HOST": f"unix://{SOCKET}",
        **trial.environ,
    }
    registry = str(inputs.images[0].registry)
    if inputs.username and inputs.password and any(registry in each for each in trial.inputs.values()):
        environ |= {"PLUGIN_USERNAME": inputs.username, "PLUGIN_PASSWORD": inputs.password.reveal()}
    return {
        "environment": environ,
        "volumes": [f"{inputs.socket}:{SOCKET}"],
        # The name is that of the container whose network it is, also where that is another one.
        "network_mode": f"container:{gethostname()}",
    }


def run(
    client: DockerClient, name: str, platform: str, files: bytes | None = None, **given: Any
) -> tuple[int, str]:
    """Run a container of an image; return the exit code and the end of its output.

    Args:
        client: has the image.
        name: of the image.
        platform: which of its platforms.
        files: a tar for its working directory.
        given: what the container has beside it; nothing, not even a network, if it is not given.
    """
    from docker.errors import APIError

    with translated(f"run {name}"), created(client, name, platform, **given) as container:
        if files is not None:
            container.put_archive(WORKSPACE, files)
        try:
            container.start()
        except APIError as error:
            if "entrypoint" in given and "no such file" in str(error):
                return MISSING, ""
            raise
        ended = int(container.wait()["StatusCode"])
        return ended, container.logs().decode(errors="replace")[-2000:].strip()


@contextmanager
def pulled(client: DockerClient, inputs: ImageCheckInputs, image: Reference, platform: str) -> Iterator[str]:
    """Have one platform of an image on the daemon while the block runs; gives its name there."""
    login = None
    if inputs.username and inputs.password:
        login = {"username": inputs.username, "password": inputs.password.reveal()}
    with translated(f"pull {image} for {platform}"):
        client.api.pull(image.name, tag=str(image.digest), platform=platform, auth_config=login)
    try:
        yield str(image)
    finally:
        with translated(f"remove {image}"):
            client.images.remove(str(image), force=True)


@contextmanager
def created(client: DockerClient, name: str, platform: str, **given: Any) -> Iterator[Any]:
    """Have a container of an image while the block runs; it is not started."""
    container = client.containers.create(name, platform=platform, **{"network_mode": "none"} | given)
    try:
        yield container
    finally:
        container.remove(force=True, v=True)


if __name__ == "__main__":
    ImageCheck.main()
