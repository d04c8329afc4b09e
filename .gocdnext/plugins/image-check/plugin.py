"""Look into candidates of our own images before they are signed: every platform of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from gocdnext_sdk import (
    DaemonUse,
    Findings,
    Input,
    Job,
    Lines,
    Plugin,
    Reads,
    Reference,
    References,
    RegistryClient,
    RegistryLoginInputs,
)
from gocdnext_sdk.runtime.docker_client import connect, translated

from .architecture import foreign, programs
from .streams import Chunks

if TYPE_CHECKING:
    from docker import DockerClient

NOTHING_GIVEN = 2
"""How a plugin of ours ends without any input: it says what it requires."""

NO_PLUGIN = 70
"""How the base image ends, which has no plugin."""


class ImageCheckInputs(RegistryLoginInputs):
    """The `with:` map."""

    images: References = Input(description="The candidates, by digest.")
    programs: Lines = Input(
        "", description="Programs to run once in each image that has them, with arguments."
    )

    @property
    def references(self) -> Iterable[Reference]:
        """The images."""
        return self.images


class ImageCheck(Plugin[ImageCheckInputs]):
    """Check that every program of every platform is for that platform, and that each platform starts.

    What a scan, a signature and a tag do not notice: the wrong file in an image, such as an amd64 program in
    the image for arm64. Platforms that the daemon's machine cannot run need QEMU there.
    """

    name = "gocdnext-plugin-image-check"
    inputs = ImageCheckInputs
    reads = (Reads("images"),)
    daemon = DaemonUse("always")

    def run(self, inputs: ImageCheckInputs, job: Job) -> Mapping[str, str]:
        """Check each platform of each image."""
        registry = job.registry(inputs.credentials(inputs.images[0].registry), inputs.insecure_registries)
        job.daemon()
        with translated("be reached"), closing(connect(job.environ, timeout=600)) as client:
            for image in inputs.images:
                for platform in platforms(registry, image):
                    check(client, inputs, image, platform, job)
        return {}


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


def check(client: DockerClient, inputs: ImageCheckInputs, image: Reference, platform: str, job: Job) -> None:
    """Check one platform of an image.

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
        ran = []
        for line in inputs.programs:
            program, *arguments = line.split()
            ended, said = run(client, name, platform, program, arguments)
            if ended == MISSING:
                continue
            if ended:
                raise Findings(f"{image} for {platform}: `{line}` ends with {ended}: {said}")
            ran.append(program.rpartition("/")[2])
        started = ", ".join(["the plugin", *ran])
        job.say(f"{image} for {platform}: {count} programs and libraries are for it; started {started}")


MISSING = -1
"""In place of an exit code: the image has no such program."""


def run(
    client: DockerClient, name: str, platform: str, program: str | None = None, arguments: Iterable[str] = ()
) -> tuple[int, str]:
    """Run a program of an image, or its entrypoint; return the exit code and the end of its output."""
    from docker.errors import APIError

    given: dict[str, Any] = {"entrypoint": [program, *arguments]} if program else {}
    with translated(f"run {name}"), created(client, name, platform, **given) as container:
        try:
            container.start()
        except APIError as error:
            if program and "no such file" in str(error):
                return MISSING, ""
            raise
        ended = int(container.wait()["StatusCode"])
        return ended, container.logs().decode(errors="replace")[-300:].strip()


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
    container = client.containers.create(name, platform=platform, network_mode="none", **given)
    try:
        yield container
    finally:
        container.remove(force=True)


if __name__ == "__main__":
    ImageCheck.main()
