"""The example that builds without a daemon: what passes its scan is published, what fails is not."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gocdnext_sdk import Credential, Credentials, Daemon, Reference, RegistryClient, Secret
from gocdnext_sdk import Registry as Host
from gocdnext_sdk.harness import Registry, RunOptions, RunReport, Session, run_pipeline
from gocdnext_sdk.harness.docker_engine import DockerEngine
from gocdnext_sdk.testing.keys import KeyPair, generate_key_pair

ROOT = Path(__file__).resolve().parents[2]
PIPELINE = ROOT / "examples" / "kaniko" / ".gocdnext" / "release.yaml"
IMAGES = {
    f"gocdnext-plugin-{name}": f"localhost/gocdnext-plugin-{name}:dev"
    for name in ("kaniko", "trivy", "cosign", "docker-push")
}


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session(DockerEngine()) as session:
        yield session


@pytest.fixture(scope="module")
def registry(session: Session, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A registry with a base image and a vulnerability database."""
    registry = session.start_registry()
    folder = tmp_path_factory.mktemp("docker")
    login = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {registry.address: {"auth": login}}}))
    account = {"REGISTRY_USERNAME": registry.username, "REGISTRY_PASSWORD": registry.password}
    environ = os.environ | account | {"DOCKER_CONFIG": str(folder)}
    base, testbed = f"{registry.address}/base/python:3.13", (sys.executable, "-m", "testbed")
    commands = [(*testbed, "trivy-db", "push", f"{registry.address}/trivy/db:2")]
    if os.environ["BASE"].startswith("localhost/"):
        commands.append((*testbed, "bases", "python", base))
    else:
        commands.append(("crane", "copy", os.environ["BASE"], base))
    for command in commands:
        subprocess.run(command, cwd=ROOT, env=environ, check=True)
    return registry


@pytest.fixture(scope="module")
def keys() -> KeyPair:
    return generate_key_pair(Daemon(os.environ), IMAGES["gocdnext-plugin-cosign"])


def run(session: Session, registry: Registry, keys: KeyPair, requirements: str, image: str) -> RunReport:
    options = RunOptions(
        registry=registry,
        use_images=IMAGES,
        variables={
            "IMAGE": image,
            "BASE": f"{registry.address}/base/python:3.13",
            "REQUIREMENTS": requirements,
            "TRIVY_DB": f"{registry.address}/trivy/db:2",
        },
        secrets={
            "COSIGN_PRIVATE_KEY": keys.private,
            "COSIGN_PASSWORD": keys.password,
            "COSIGN_PUBLIC_KEY": keys.public,
        },
    )
    return run_pipeline(PIPELINE, options, session=session)


def find(registry: Registry, reference: str) -> str | None:
    login = Credential(Host.parse(registry.address), registry.username, Secret(registry.password))
    found = RegistryClient(Credentials([login])).find(Reference.parse(reference))
    return found.digest if found else None


def test_what_passes_is_published_under_its_own_name(
    session: Session, registry: Registry, keys: KeyPair
) -> None:
    report = run(session, registry, keys, "requirements.txt", "team/good")
    assert report.passed, "\n".join(job.text for job in report.jobs)
    digest = report["publish"].outputs["digest"]
    assert report["build"].outputs["reference"] == f"{registry.address}/team/good-candidate@{digest}"
    assert find(registry, f"{registry.address}/team/good:latest") == digest
    again = run(session, registry, keys, "requirements.txt", "team/good")
    assert "Using caching version of cmd: RUN python3 -m pip install" in again["build"].text


def test_what_fails_its_scan_is_not(session: Session, registry: Registry, keys: KeyPair) -> None:
    report = run(session, registry, keys, "requirements-vulnerable.txt", "team/bad")
    assert report["build"].status == "passed", report["build"].text
    assert (report["scan"].exit_code, report["publish"].status) == (1, "skipped"), report["scan"].text
    assert find(registry, f"{registry.address}/team/bad:latest") is None
