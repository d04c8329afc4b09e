"""What a plugin's container takes to start, run a tool that does nothing, and end: ``make bench``.

Beside it, in the same rounds: the same container with nothing but the tool, and with a shell that starts it.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from gocdnext_sdk.host.harness.build import build_contexts, build_image

ROUNDS = 31

LIMITS = {0: 2.1, 4: 2.1, 20: 2.2}
"""Number of secrets to the most that the plugin may take, as a multiple of the empty container's time.

Measured on two cores: 1.81, 1.88 and 1.86, that is 0.17 s of 0.38.
"""

PEM = "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n"

PLUGIN = '''
from gocdnext_sdk import Input, Job, Plugin, PluginInputs, Secret


class NoopInputs(PluginInputs):
    secrets: list[Secret] = Input([], description="Values that are masked.")


class Noop(Plugin[NoopInputs]):
    """Run a tool that does nothing."""

    name = "gocdnext-plugin-noop"
    inputs = NoopInputs

    def run(self, inputs: NoopInputs, job: Job) -> dict[str, str]:
        job.tool("true").run()
        return {}


Noop.main()
'''

DOCKERFILE = """
FROM ghcr.io/klinux/gocdnext-plugin-base:v1 AS base
FROM ghcr.io/klinux/gocdnext-plugin-base:v1 AS plugin
COPY plugin.py /gocdnext/plugin/
RUN compile
FROM system
COPY --from=base /gocdnext /gocdnext
COPY --from=plugin /gocdnext/plugin /gocdnext/plugin
WORKDIR /workspace
ENTRYPOINT {entrypoint}
"""


@dataclass(frozen=True)
class Container:
    """How to run one container.

    Args:
        image: it has a system with a shell, and the SDK's runtime.
        entrypoint: of the container.
        environment: of the container.
    """

    docker: Any
    image: str
    entrypoint: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)

    def seconds(self) -> float:
        """Start it, wait for its end, and return how long that took."""
        container = self.docker.containers.create(
            self.image, entrypoint=self.entrypoint, environment=dict(self.environment), network_mode="none"
        )
        try:
            begin = time.perf_counter()
            container.start()
            status = container.wait()["StatusCode"]
            took = time.perf_counter() - begin
            assert status == 0, container.logs().decode()
        finally:
            container.remove(v=True)
        return took


@pytest.fixture(scope="module")
def noop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """The plugin's container, without secrets."""
    import docker

    client = docker.from_env(timeout=300)
    folder = tmp_path_factory.mktemp("noop")
    tag = f"localhost/gocdnext-bench-{uuid4().hex[:8]}:start"
    base = build_contexts()["base"].removeprefix("docker-image://")
    entrypoint = client.images.get(base).attrs["Config"]["Entrypoint"]
    (folder / "plugin.py").write_text(PLUGIN)
    (folder / "Dockerfile").write_text(DOCKERFILE.format(entrypoint=str(entrypoint).replace("'", '"')))
    build_image(folder, tag, build_contexts((f"system=docker-image://{os.environ['BASE']}",)))
    yield Container(client, tag, entrypoint)
    client.images.remove(tag, force=True)
    client.close()


def secrets(count: int) -> dict[str, str]:
    """Give the environment of a job of gocdnext with so many secrets, one in four of them a key."""

    def value(number: int) -> str:
        return (
            PEM.format("\n".join(os.urandom(24).hex() for _ in range(12)))
            if number % 4 == 3
            else os.urandom(20).hex()
        )

    return {"GOCDNEXT": "true"} | {f"SECRET_{number}_TOKEN": value(number) for number in range(count)}


@pytest.mark.parametrize("count", [0, 4, 20])
def test_a_container_that_does_nothing(
    noop: Container, capsys: pytest.CaptureFixture[str], count: int
) -> None:
    ours = Container(noop.docker, noop.image, noop.entrypoint, secrets(count))
    empty = Container(noop.docker, noop.image, ["/usr/bin/true"], secrets(count))
    script = "set -eu; echo '$ true'; /usr/bin/true; echo done"
    shell = Container(noop.docker, noop.image, ["/bin/sh", "-c", script], secrets(count))
    rounds = [(ours.seconds(), empty.seconds(), shell.seconds()) for _ in range(ROUNDS + 1)][1:]
    to_empty, to_shell = (statistics.median(each[0] / each[other] for each in rounds) for other in (1, 2))
    seconds = ", ".join(
        f"{name} {statistics.median(times):.3f} s"
        for name, times in zip(("ours", "empty", "shell"), zip(*rounds, strict=True), strict=True)
    )
    with capsys.disabled():
        print(
            f"\n{count} secrets: {seconds}: {to_empty:.2f} of the empty one (at most {LIMITS[count]}), "
            f"{to_shell:.2f} of the shell's"
        )
    assert to_empty <= LIMITS[count]
