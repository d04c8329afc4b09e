"""The example pipelines, end to end: nothing unscanned gets a tag, and promotion keeps signatures."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import urllib3
from testbed.images import plugin_tag
from tests.sniffer import sniffing

from gocdnext_sdk import Credential, Credentials, Reference, Registry, RegistryClient, Secret
from gocdnext_sdk.host.harness import RunOptions, RunReport, Session, run_pipeline
from gocdnext_sdk.host.harness.engine.docker import DockerEngine
from gocdnext_sdk.host.harness.local_registry import LocalRegistry
from gocdnext_sdk.host.harness.local_sigstore import LocalSigstore
from gocdnext_sdk.host.pipeline.builtins import PullRequest, Revision, Run, Tag
from gocdnext_sdk.host.pipeline.revision import read as read_revision
from gocdnext_sdk.host.testing.keys import KeyPair, generate_key_pair
from gocdnext_sdk.oci.referrers import referrers

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
ROOT_USER = os.geteuid() == 0


def images(*names: str) -> dict[str, str]:
    return {f"gocdnext-plugin-{name}": plugin_tag(name) for name in names}


def provide(registry: LocalRegistry, folder: Path, *argv: str) -> None:
    """Put something of the testbed's into `registry`."""
    login = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {registry.address: {"auth": login}}}))
    account = {"REGISTRY_USERNAME": registry.username, "REGISTRY_PASSWORD": registry.password}
    environ = os.environ | account | {"DOCKER_CONFIG": str(folder)}
    command = [sys.executable, "-m", "testbed", *argv]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def client(registry: LocalRegistry) -> RegistryClient:
    host = Registry.parse(registry.address)
    return RegistryClient(Credentials([Credential(host, registry.username, Secret(registry.password))]))


def tags(registry: LocalRegistry, repository: str) -> set[str]:
    """All tags of a repository but those that stand in for the referrers API."""
    headers = urllib3.make_headers(basic_auth=f"{registry.username}:{registry.password}")
    url = f"http://{registry.address}/v2/{repository}/tags/list"
    with urllib3.PoolManager() as pool:
        answer = pool.request("GET", url, headers=headers)
    assert answer.status in (200, 404), answer.data
    found = answer.json().get("tags") or ()
    return {tag for tag in found if not tag.startswith("sha256-")}


@dataclass(frozen=True)
class Bench:
    """A registry with a base image, a vulnerability database and a key."""

    session: Session
    registry: LocalRegistry
    keys: KeyPair
    base: str

    def run(
        self,
        requirements: str,
        image: str,
        example: str = "scan-before-publish",
        source: Path | None = None,
    ) -> RunReport:
        plugins = {
            "kaniko": ("kaniko", "trivy", "cosign"),
            "native-nodes": ("buildx",),
            "file-scan-publish": ("buildx", "trivy"),
        }.get(example, ("buildx", "trivy", "cosign"))
        options = RunOptions(
            registry=self.registry,
            use_images=images(*plugins, "docker-push"),
            variables={
                "IMAGE": image,
                "BASE": self.base,
                "REQUIREMENTS": requirements,
                "TRIVY_DB": f"{self.registry.address}/trivy/db:2",
                "BUILDKIT_IMAGE": os.environ.get("BUILDKIT_IMAGE", ""),
            },
            secrets={
                "COSIGN_PRIVATE_KEY": self.keys.private,
                "COSIGN_PASSWORD": self.keys.password,
                "COSIGN_PUBLIC_KEY": self.keys.public,
            },
        )
        pipeline = EXAMPLES / example / ".gocdnext" / "release.yaml"
        return run_pipeline(pipeline if source is None else source, options, session=self.session)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("docker")
    with Session(DockerEngine()) as session:
        registry = session.start_registry()
        provide(registry, folder, "trivy-db", "push", f"{registry.address}/trivy/db:2")
        base = f"{registry.address}/base/python:3.13"  # BuildKit in a container knows no engine to ask
        provide(registry, folder, "bases", "python", base)
        keys = generate_key_pair(os.environ, images("cosign")["gocdnext-plugin-cosign"])
        yield Bench(session, registry, keys, base)


def test_a_vulnerable_candidate_never_gets_a_tag(bench: Bench) -> None:
    report = bench.run("requirements-vulnerable.txt", "team/bad")
    assert report["build"].status == "passed", report["build"].text
    assert (report["scan"].exit_code, report["publish"].status) == (1, "canceled"), report["scan"].text
    assert "linux/amd64: 1 HIGH; linux/arm64: 1 HIGH" in report["scan"].text
    candidate = Reference.parse(report["build"].outputs["reference"])
    assert client(bench.registry).resolve(candidate).digest == candidate.digest
    assert tags(bench.registry, "team/bad") == set()


def test_a_clean_candidate_is_signed_and_then_tagged(bench: Bench) -> None:
    report = bench.run("requirements.txt", "team/good")
    assert report.passed, "\n".join(job.text for job in report.jobs)
    candidate = Reference.parse(report["build"].outputs["reference"])
    assert report["publish"].outputs["digest"] == candidate.digest
    assert "latest" in tags(bench.registry, "team/good")
    assert client(bench.registry).resolve(candidate.with_tag("latest")).digest == candidate.digest


def test_without_a_daemon_what_fails_its_scan_is_not_published(bench: Bench) -> None:
    report = bench.run("requirements-vulnerable.txt", "kaniko/bad", "kaniko")
    assert report["build"].status == "passed", report["build"].text
    assert (report["scan"].exit_code, report["publish"].status) == (1, "canceled"), report["scan"].text
    assert tags(bench.registry, "kaniko/bad") == set()


@pytest.mark.soak
def test_without_a_daemon_what_passes_is_published_and_built_from_the_cache_next_time(bench: Bench) -> None:
    report = bench.run("requirements.txt", "kaniko/good", "kaniko")
    assert report.passed, "\n".join(job.text for job in report.jobs)
    published = Reference.parse(f"{bench.registry.address}/kaniko/good:latest")
    digest = client(bench.registry).resolve(published).digest
    assert report["publish"].outputs["digest"] == digest
    again = bench.run("requirements.txt", "kaniko/good", "kaniko")
    assert "Using caching version of cmd: RUN python3 -m pip install" in again["build"].text


@pytest.fixture
def files_example(tmp_path: Path) -> Path:
    """The example, with logins for the base and the database, which the registry of this run wants."""
    folder = tmp_path / "file-scan-publish"
    shutil.copytree(EXAMPLES / "file-scan-publish", folder)
    pipeline = folder / ".gocdnext" / "release.yaml"
    text, place = pipeline.read_text(), "      db-repository: ${TRIVY_DB}\n"
    assert text.count(place) == 1
    account = "      db-username: ${{ REGISTRY_USERNAME }}\n      db-password: ${{ REGISTRY_PASSWORD }}\n"
    text = text.replace(place, f"{place}{account}")
    for first in ("image: ${REGISTRY}/${IMAGE}\n      output", "scan-type"):
        assert text.count(f"    with:\n      {first}") == 1
        secrets = "    secrets: [REGISTRY_USERNAME, REGISTRY_PASSWORD]\n"
        text = text.replace(f"    with:\n      {first}", f"{secrets}    with:\n      {first}")
    text = text.replace("      output: dist/app", f"{account.replace('db-', '')}      output: dist/app", 1)
    pipeline.write_text(text)
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for argv in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "first"]):
        subprocess.run([*git, *argv], check=True)
    return pipeline


def test_a_file_that_fails_its_scan_never_reaches_the_registry(bench: Bench, files_example: Path) -> None:
    image = "files/bad"
    report = bench.run("requirements-vulnerable.txt", image, "file-scan-publish", files_example)
    assert report["build"].status == "passed", report["build"].text
    assert (report["scan"].exit_code, report["publish"].status) == (1, "canceled"), report["scan"].text
    assert "linux/amd64: 1 HIGH; linux/arm64: 1 HIGH" in report["scan"].text
    built = Reference.parse(f"{bench.registry.address}/{image}").with_digest(
        report["build"].outputs["digest"]
    )
    assert client(bench.registry).find(built) is None
    assert tags(bench.registry, image) == set()


@pytest.mark.soak
def test_a_file_that_passes_is_published_as_it_was_built(bench: Bench, files_example: Path) -> None:
    report = bench.run("requirements.txt", "files/good", "file-scan-publish", files_example)
    assert report.passed, "\n".join(job.text for job in report.jobs)
    digests = {report[job].outputs["digest"] for job in ("build", "scan", "publish")}
    published = Reference.parse(f"{bench.registry.address}/files/good:latest")
    there = client(bench.registry)
    assert {there.resolve(published).digest} == digests
    assert {each.platform for each in there.platforms(published)} == {"linux/amd64", "linux/arm64"}


@pytest.mark.soak
def test_two_native_builds_become_one_image(bench: Bench) -> None:
    report = bench.run("requirements.txt", "native/app", "native-nodes")
    assert report.passed, "\n".join(job.text for job in report.jobs)
    joined = Reference.parse(report["publish"].outputs["reference"])
    there = client(bench.registry)
    assert {each.platform for each in there.platforms(joined)} == {"linux/amd64", "linux/arm64"}
    assert sum(each.is_attestation for each in there.children(joined)) == 2
    candidates = [Reference.parse(report[job].outputs["reference"]) for job in ("build-amd64", "build-arm64")]
    assert set(there.children(joined)) == {child for each in candidates for child in there.children(each)}
    assert there.resolve(joined.with_tag("latest")).digest == joined.digest


@pytest.mark.parametrize(
    ("run", "wanted"),
    [
        (
            Run(cause="tag", tag=Tag("v1.2.3"), revision=Revision("0123456789" * 4)),
            "1.2.3 1.2 sha-0123456 latest",
        ),
        (
            Run(cause="pull_request", pull_request=PullRequest(17), revision=Revision("0123456789" * 4)),
            "pr-17 sha-0123456",
        ),
    ],
    ids=["tag", "pull request"],
)
def test_one_pipeline_gives_each_run_its_tags(bench: Bench, run: Run, wanted: str) -> None:
    image = f"tags/{run.cause}"
    options = RunOptions(
        registry=bench.registry,
        use_images=images("buildx"),
        variables={"IMAGE": image, "REGISTRY": bench.registry.address},
        jobs=("build",),
        run=run,
    )
    pipeline = EXAMPLES / "tags" / ".gocdnext" / "image.yaml"
    report = run_pipeline(pipeline, options, session=bench.session)
    assert report.passed, report["build"].text
    assert tags(bench.registry, image) == set(wanted.split())


@pytest.mark.soak
def test_promotion_between_two_registries_keeps_digest_and_signatures(bench: Bench) -> None:
    """Staging and production know different logins; what production gets verifies there."""
    released = bench.run("requirements.txt", "demo/app")
    assert released.passed, "\n".join(job.text for job in released.jobs)
    source = Reference.parse(released["build"].outputs["reference"])
    client(bench.registry).tag(source, "v1.0.0")
    production = bench.session.start_registry()
    options = RunOptions(
        use_images=images("docker-push"),
        run=Run(cause="tag", tag=Tag("v1.0.0")),
        network="host",  # both registries are on the engine's loopback
        variables={"STAGING": bench.registry.address, "PRODUCTION": production.address},
        secrets={
            "STAGING_USERNAME": bench.registry.username,
            "STAGING_PASSWORD": bench.registry.password,
            "PRODUCTION_USERNAME": production.username,
            "PRODUCTION_PASSWORD": production.password,
            "COSIGN_PUBLIC_KEY": bench.keys.public,
        },
    )
    pipeline = EXAMPLES / "promote" / ".gocdnext" / "promote.yaml"
    first, second = (run_pipeline(pipeline, options, session=bench.session) for _ in range(2))
    assert first.passed, first["promote"].text
    assert first["promote"].outputs["digest"] == source.digest
    assert second.passed, second["promote"].text

    target = Reference.parse(f"{production.address}/demo/app:v1.0.0")
    there = client(production)
    assert there.resolve(target).digest == there.resolve(target.with_tag("latest")).digest == source.digest
    assert there.platforms(target) == client(bench.registry).platforms(source)
    signature = str(source.digest).replace(":", "-")
    assert there.resolve(target.with_tag(signature)).is_index


@pytest.fixture(scope="module")
def sigstore(bench: Bench) -> LocalSigstore:
    return bench.session.start_sigstore(bench.registry.network)


@pytest.mark.parametrize("recipe", ["release", pytest.param("kaniko", marks=pytest.mark.soak)])
def test_the_published_recipe_runs_to_its_end_and_asks_nobody_outside(
    bench: Bench, sigstore: LocalSigstore, tmp_path: Path, recipe: str
) -> None:
    """As it is published, but for the name of its registry, so that a question for that one is seen."""
    host = f"registry-{uuid4().hex}.example"
    (tmp_path / ".gocdnext").mkdir()
    pipeline = tmp_path / ".gocdnext" / "release.yaml"
    pipeline.write_text((EXAMPLES / "recipe" / f"{recipe}.yaml").read_text().replace("ghcr.io", host))
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    who = ["-c", "user.name=ci", "-c", "user.email=ci@example.com"]
    for words in (["init", "-qb", "main"], ["add", "-A"], [*who, "commit", "-qm", "first"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    options = RunOptions(
        registry=bench.registry,
        registry_for=("all",),
        sigstore=sigstore,
        use_images=images("kaniko" if recipe == "kaniko" else "buildx", "trivy", "cosign"),
        variables={"TRIVY_DB_REPOSITORY": f"{bench.registry.address}/trivy/db:2"},
        secrets={"COSIGN_PRIVATE_KEY": bench.keys.private, "COSIGN_PASSWORD": bench.keys.password},
    )
    with sniffing(host) if ROOT_USER else nullcontext() as wire:  # others may not listen
        report = run_pipeline(pipeline, options, session=bench.session)
    assert report.passed, "\n".join(job.text for job in report.jobs)
    repository = f"{host}/klinux/myapp"
    revision = read_revision(tmp_path).sha
    assert revision[:8] in tags(bench.registry, repository)
    image = Reference.parse(f"{bench.registry.address}/{repository}:{revision[:8]}")
    found = client(bench.registry).resolve(image)
    assert referrers(client(bench.registry), image.with_digest(str(found.digest)))
    if wire:
        assert wire.packets > 100
        assert wire.found == []


MARKED = """
variables: {IMAGE: ""}
stages: [sign, promote]
jobs:
  sign:
    stage: sign
    uses: ghcr.io/klinux/gocdnext-plugin-cosign@v1
    secrets: [COSIGN_PRIVATE_KEY, COSIGN_PASSWORD, REGISTRY_USERNAME, REGISTRY_PASSWORD]
    with:
      image: ${IMAGE}
      key-content: ${{ COSIGN_PRIVATE_KEY }}
      key-password: ${{ COSIGN_PASSWORD }}
      username: ${{ REGISTRY_USERNAME }}
      password: ${{ REGISTRY_PASSWORD }}
  promote:
    stage: promote
    uses: ghcr.io/klinux/gocdnext-plugin-docker-push@v1
    id_tokens: {SIGSTORE_ID_TOKEN: {aud: sigstore}}
    secrets: [COSIGN_PUBLIC_KEY, REGISTRY_USERNAME, REGISTRY_PASSWORD]
    with:
      source: ${IMAGE}
      target: ${REGISTRY}/marked/python
      username: ${{ REGISTRY_USERNAME }}
      password: ${{ REGISTRY_PASSWORD }}
      verify-key: ${{ COSIGN_PUBLIC_KEY }}
      mark: attestation
      receipt: "true"
    outputs: {receipt: RECEIPT}
"""


def test_what_docker_push_signs_is_in_the_runs_own_log_too(
    bench: Bench, sigstore: LocalSigstore, tmp_path: Path
) -> None:
    """Nothing in the pipeline names a Sigstore: one job signs by key, and the other by its identity."""
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text(MARKED)
    options = RunOptions(
        registry=bench.registry,
        sigstore=sigstore,
        use_images=images("cosign", "docker-push"),
        run=Run(revision=Revision("0" * 40, "main")),
        variables={"IMAGE": bench.base},
        secrets={
            "COSIGN_PRIVATE_KEY": bench.keys.private,
            "COSIGN_PASSWORD": bench.keys.password,
            "COSIGN_PUBLIC_KEY": bench.keys.public,
        },
    )
    report = run_pipeline(pipeline, options, session=bench.session)
    assert report.passed, "\n".join(job.text for job in report.jobs)
    receipt = Reference.parse(report["promote"].outputs["receipt"])
    _, content = client(bench.registry).manifest(receipt)
    published = receipt.with_digest(content["subject"]["digest"])
    attached = referrers(client(bench.registry), published)
    assert len(attached) == 4  # the signature that came along, the mark, the receipt, and its signature


@pytest.mark.skipif(not ROOT_USER, reason="only root may listen to all packets")
def test_a_question_for_a_host_is_seen() -> None:
    """The proof above is one: whoever asks for the host is heard, even where nobody answers."""
    host = f"registry-{uuid4().hex}.example"
    asked = b"".join(bytes([len(label)]) + label.encode() for label in host.split("."))
    query = b"\x12\x34\x01\x00\x00\x01" + bytes(6) + asked + b"\x00\x00\x01\x00\x01"
    with sniffing(host) as wire, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(query, ("127.0.0.11", 53))
        time.sleep(0.5)
    assert wire.found
