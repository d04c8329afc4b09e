"""Publishing needs a word: what a run would publish is known before anything starts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.host.harness.plugin_pipelines import CHAIN, job, prepared, uses

from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.harness import RunOptions, Session, run_pipeline
from gocdnext_sdk.host.harness.engine.memory import MemoryEngine
from gocdnext_sdk.host.harness.options import NewRegistry
from gocdnext_sdk.host.harness.publishing import written
from gocdnext_sdk.host.manifest.model import Manifest
from gocdnext_sdk.host.pipeline import revision

LOG = "`it` writes to the log of rekor.sigstore.dev"
TOKEN = "id_tokens: {SIGSTORE_ID_TOKEN: {aud: sigstore}}"


def marking(*, more: str, **inputs: str) -> str:
    """A job of docker-push between throw-away registries, which marks what it copies."""
    inputs |= {"source": "localhost:1/a:1", "target": "localhost:1/b", "verify_key": "cosign.pub"}
    return uses("docker-push", **inputs) + (f"    {more}\n" if more else "")


@pytest.mark.parametrize(
    ("text", "published"),
    [
        (uses("buildx", image="ghcr.io/org/app"), ["`it` pushes ghcr.io/org/app"]),
        (uses("buildx", image="org/app"), ["`it` pushes docker.io/org/app"]),
        (uses("buildx", image="ghcr.io/org/app", push="no"), []),
        (uses("buildx", image="ghcr.io/org/app", call="check"), []),
        (uses("buildx", image="localhost:5000/org/app"), []),
        (uses("buildx", image="127.0.0.1/org/app, [::1]:5000/app"), []),
        (
            uses("buildx", image="localhost:1/app", cache="quay.io/me/cache"),
            ["`it` writes to quay.io/me/cache"],
        ),
        (uses("kaniko", image="ghcr.io/org/app"), ["`it` pushes ghcr.io/org/app"]),
        (
            uses("cosign", action="sign", image="ghcr.io/org/app:v1", key="a.key", tlog="no"),
            ["`it` signs ghcr.io/org/app"],
        ),
        (
            uses("cosign", action="sign", image="localhost:1/app:v1", key="cosign.key"),
            ["`it` writes to the log of rekor.sigstore.dev"],
        ),
        # Keyless, there is no signature without a log.
        (
            uses("cosign", action="sign", image="localhost:1/app:v1", tlog="no"),
            ["`it` writes to the log of rekor.sigstore.dev"],
        ),
        (uses("cosign", action="sign-blob", files="a", rekor_url="https://rekor.example"), []),
        (uses("cosign", action="sign", image="localhost:1/app:v1", signing_config="config.json"), []),
        (uses("cosign", action="verify", image="ghcr.io/org/app:v1"), []),
        (uses("trivy", target="ghcr.io/org/app:v1"), []),
        (
            uses(
                "docker-push",
                source="localhost:1/app",
                target="quay.io/org/app",
                also="localhost:1/b=ghcr.io/b/b",
            ),
            ["`it` pushes quay.io/org/app", "`it` writes to ghcr.io/b/b"],
        ),
        (
            uses("docker-push", action="delete-tag", target="quay.io/o/app:v1"),
            ["`it` writes to quay.io/o/app"],
        ),
        (
            uses("docker-push", action="rollback", target="quay.io/o/app", previous="quay.io/o/app:v1="),
            ["`it` writes to quay.io/o/app"],
        ),
        (
            uses(
                "cosign",
                action="attest",
                predicates=f"ghcr.io/o/a@sha256:{'0' * 64}=a.json,quay.io/b=b.json",
                fulcio_url="https://fulcio.example",
            ),
            ["`it` signs ghcr.io/o/a", "`it` signs quay.io/b"],
        ),
        # A mark is signed; a receipt is, if there is something to sign with.
        *(
            (marking(more=tokens, **given), [LOG] * logged)
            for tokens, given, logged in (
                (TOKEN, {"mark": "attestation"}, True),
                (TOKEN, {"mark": r"harbor:ok\nattestation"}, True),
                (TOKEN, {"mark": "harbor:ok"}, False),
                (TOKEN, {"mark": "attestation", "signing_config": "config.json"}, False),
                (TOKEN, {"mark": "attestation", "tlog": "false"}, True),
                ("", {"mark": "attestation", "key": "a.key"}, True),
                ("", {"mark": "attestation", "key": "a.key", "tlog": "false"}, False),
                ("", {"receipt": "true"}, False),
                ("", {"receipt": "yes", "key": "a.key"}, True),
                (TOKEN, {"receipt": "true"}, True),
                (TOKEN, {"receipt": "false"}, False),
                ("secrets: [SIGSTORE_ID_TOKEN]", {"receipt": "true"}, True),
                ("variables: {SIGSTORE_ID_TOKEN: a.b.c}", {"receipt": "true"}, True),
            )
        ),
        (uses("cosign", action="verify", image="ghcr.io/o/a", key="cosign.pub"), []),
        (
            uses("trivy", scan_type="image", target="ghcr.io/o/a:v1", attach="true"),
            ["`it` writes to ghcr.io/o/a"],
        ),
        (uses("trivy", scan_type="image", target="ghcr.io/o/a:v1"), []),
        (uses("trivy", scan_type="fs", attach="true"), []),
        (job("image: alpine\n    script: [docker push ghcr.io/org/app]"), []),
        (uses("unheard-of", image="ghcr.io/org/app"), []),
    ],
)
def test_what_leaves_this_machine_is_known_by_what_plugins_declare(
    project: Path, text: str, published: list[str]
) -> None:
    token = {"SIGSTORE_ID_TOKEN": "a.b.c"}
    found = prepared(project, text, id_tokens=token, secrets=token).publications
    assert [str(each) for each in found] == published


def test_no_action_of_docker_push_is_forgotten(project: Path) -> None:
    """All of them write."""
    action = Manifest.of(Path(__file__).parents[4] / "plugins" / "docker-push").input("action")
    assert action is not None
    assert "rollback" in action.choices
    for each in action.choices:
        assert prepared(project, uses("docker-push", action=each, target="quay.io/o/app:v1")).publications, (
            each
        )


def test_variables_of_the_job_and_of_the_command_line_count(project: Path) -> None:
    text = uses("buildx", image="${{ WHERE }}/app").replace("jobs:", "variables: {WHERE: localhost}\njobs:")
    assert not prepared(project, text.replace("localhost", "localhost:5000")).publications
    (found,) = prepared(project, text, variables={"WHERE": "quay.io/me"}).publications
    assert found.image == "quay.io/me/app"


def test_a_service_of_the_pipeline_and_a_registry_of_the_run_are_thrown_away(project: Path) -> None:
    services = "services: [{name: registry, image: registry:3}]\n"
    text = uses("buildx", image="registry:5000/app").replace("jobs:", f"{services}jobs:")
    assert not prepared(project, text).publications
    assert prepared(project, text.replace(services, "")).publications
    own = uses("buildx", image="${REGISTRY}/app")
    assert not prepared(project, own, registry=NewRegistry()).publications


def test_an_output_is_the_image_of_the_job_that_gives_it(project: Path) -> None:
    found = [(each.job, each.image) for each in prepared(project, CHAIN % "ghcr.io/org/app").publications]
    assert found == [
        ("build", "ghcr.io/org/app"),
        ("sign", "ghcr.io/org/app"),
        ("promote", "quay.io/org/app"),
    ]
    found = [(each.job, each.image) for each in prepared(project, CHAIN % "localhost:1/app").publications]
    assert found == [("promote", "quay.io/org/app")]


def test_what_only_the_run_knows_is_not_taken_for_harmless(project: Path) -> None:
    text = """
stages: [a]
jobs:
  name: {stage: a, image: alpine, script: [name], outputs: {image: IMAGE}}
  it:
    stage: a
    needs: [name]
    uses: gocdnext-plugin-buildx@v1
    with: {image: "${{ needs.name.outputs.image }}"}
"""
    assert [(each.job, each.image) for each in prepared(project, text).publications] == [("it", "")]


def test_nothing_starts_without_the_word(engine: MemoryEngine, project: Path) -> None:
    file = project / ".gocdnext" / "test.yaml"
    file.write_text(uses("buildx", image="ghcr.io/org/app"))
    with Session(engine) as session:
        with pytest.raises(UsageError, match="--publish"):
            run_pipeline(file, RunOptions(), session=session)
        assert not engine.order
        assert run_pipeline(file, RunOptions(publish=True), session=session).passed


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("registry", []),
        ("type=registry,ref=quay.io/me/cache:x,mode=max\ntype=local,dest=a/b", ["quay.io/me/cache"]),
        ("type=s3,bucket=a,endpoint_url=https://s3.example.com/x", []),
        ("a/b@sha256:1=quay.io/c/d", ["quay.io/c/d"]),
        ("me/cache", ["docker.io/me/cache"]),
    ],
)
def test_images_are_found_in_caches_and_pairs(text: str, images: list[str]) -> None:
    assert list(written(text)) == images


def command(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gocdnext_sdk.host.cli", *argv],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_ends_with_one_line_and_2(clone: Path) -> None:
    (clone / "p.yaml").write_text(uses("buildx", image="ghcr.io/org/app"))
    done = command(clone, "run", "p.yaml")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "`it` pushes ghcr.io/org/app" in line
    assert "--publish" in line
    assert "--registry-for ghcr.io" in line


def test_a_checkout_that_is_not_its_commit_is_said(clone: Path, git: Callable[..., None]) -> None:
    assert revision.changed(clone) == ()
    (clone / "tracked.txt").write_text("changed")
    (clone / "new file").write_text("new")
    (clone / "ignored").mkdir()
    (clone / "ignored" / "x").write_text("x")
    assert revision.changed(clone) == ("tracked.txt", "new file")
    git(clone, "add", "-A")
    assert sorted(revision.changed(clone)) == ["new file", "tracked.txt"]
