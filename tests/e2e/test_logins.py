"""Several logins in one job: each is sent to its own registry's hosts only, by every plugin and its tool.

Two registries note what they are sent: `source` is read, `target` is written, each with a token server and a
storage of its own.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.e2e.recording import Recorded, Upstream, recorded
from tests.servers import olareg

from gocdnext_sdk.host.harness import LocalRegistry
from gocdnext_sdk.host.testing import Mode, PluginRunner, Result

PLUGINS = Path(__file__).parents[2] / "plugins"


@pytest.fixture
def upstream(request: pytest.FixtureRequest) -> Iterator[Upstream]:
    """Cosign finds no signature in a repository of its own unless there is a referrers API; the classic store
    of the daemon takes no blob from olareg."""
    if "cosign" in request.node.name:
        with olareg() as address:
            yield Upstream(address)
    else:
        registry: LocalRegistry = request.getfixturevalue("registry")
        login = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
        yield Upstream(registry.address, login)


@pytest.fixture
def storage(request: pytest.FixtureRequest) -> str:
    ours = any(name in request.node.name for name in ("docker_push", "buildx"))
    return "127.0.0.1" if ours else "localhost"


@pytest.fixture
def source(workspace: Path, upstream: Upstream, storage: str) -> Iterator[Recorded]:
    with recorded("reader", upstream, storage) as source:
        subprocess.run(["regctl", "image", "create", "ocidir://image:v1"], cwd=workspace, check=True)
        yield source


@pytest.fixture
def target(upstream: Upstream, storage: str) -> Iterator[Recorded]:
    with recorded("writer", upstream, storage) as target:
        yield target


@pytest.fixture
def image(run_plugin: PluginRunner, workspace: Path, source: Recorded) -> str:
    """An image at `source`, which has forgotten how it got there."""
    image = f"{source.address}/base/app:v1"
    with_ = {"source": "oci:image:v1", "target": image, "username": source.user, "password": source.password}
    run_plugin(PLUGINS / "docker-push", with_).passed()
    for host in (source.registry, source.tokens, source.storage):
        host.seen.clear()
    return image


def lines(*registries: Recorded) -> str:
    return "\n".join(f"{each.address} {each.user} {each.user.upper()}_WORD" for each in registries)


def config(registry: Recorded) -> str:
    return json.dumps({"auths": {registry.address: {"auth": registry.basic.removeprefix("Basic ")}}})


class Job:
    """Runs a plugin with both passwords among the job's secrets."""

    def __init__(self, run_plugin: PluginRunner, *registries: Recorded) -> None:
        self.secrets = {f"{each.user.upper()}_WORD": each.password for each in registries}
        self.run_plugin = run_plugin

    def __call__(self, plugin: str, with_: Mapping[str, str], mode: Mode = Mode.PROCESS) -> Result:
        daemon = plugin == "buildx"
        result = self.run_plugin(
            PLUGINS / plugin, with_, secrets=self.secrets, mode=mode, docker=daemon, network="host"
        )
        assert not result.leaks
        return result


@pytest.fixture
def job(run_plugin: PluginRunner, source: Recorded, target: Recorded) -> Job:
    return Job(run_plugin, source, target)


def test_docker_push_reads_with_one_and_writes_with_the_other(
    job: Job, image: str, source: Recorded, target: Recorded
) -> None:
    with_ = {"source": image, "target": f"{target.address}/copy/app", "logins": lines(source, target)}
    job("docker-push", with_).passed()
    source.assert_nothing_else_was_sent()
    target.assert_nothing_else_was_sent()


@pytest.mark.parametrize("plugin", ["buildx", "kaniko"])
def test_builders_take_the_base_from_one_and_push_to_the_other(
    job: Job, image: str, source: Recorded, target: Recorded, workspace: Path, plugin: str
) -> None:
    (workspace / "Dockerfile").write_text(f"FROM {image}\nCOPY Dockerfile /\n")
    with_ = {
        "image": f"{target.address}/built/app:v1",
        "platforms": "linux/amd64",
        "logins": lines(target),
        "docker-config": config(source),
    }
    job(plugin, with_, Mode.IMAGE if plugin == "kaniko" else Mode.PROCESS).passed()
    source.assert_nothing_else_was_sent()
    target.assert_nothing_else_was_sent()


def test_cosign_signs_here_and_keeps_the_signature_there(
    job: Job, image: str, source: Recorded, target: Recorded, tmp_path: Path
) -> None:
    environ = {**os.environ, "COSIGN_PASSWORD": "open sesame 1"}
    subprocess.run(["cosign", "generate-key-pair"], cwd=tmp_path, env=environ, check=True)
    with_ = {
        "image": image,
        "key-content": (tmp_path / "cosign.key").read_text(),
        "key-password": "open sesame 1",
        "tlog": "false",
        "logins": lines(source, target),
    }
    elsewhere = {"COSIGN_REPOSITORY": f"{target.address}/signatures/app"}
    job.run_plugin(PLUGINS / "cosign", with_, secrets=job.secrets, env=elsewhere).passed()
    source.assert_nothing_else_was_sent()
    target.assert_nothing_else_was_sent()


def test_trivy_scans_an_image_here_with_a_database_from_there(
    job: Job, image: str, source: Recorded, target: Recorded
) -> None:
    with_ = {"scan-type": "image", "target": image, "logins": lines(source, target)}
    database = {"db-repository": f"{target.address}/trivy/db:2"}
    job("trivy", with_ | database).exited(3)  # there is no such database
    target.assert_nothing_else_was_sent()
    job("trivy", with_ | {"scanners": "secret", "logins": lines(source)}).passed()
    source.assert_nothing_else_was_sent()
