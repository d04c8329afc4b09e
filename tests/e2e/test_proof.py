"""A release that proves itself, as docs/proof.md shows it: the real tools and a private Sigstore."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from testbed.images import plugin_tag

from gocdnext_sdk import Credential, Credentials, Reference, Registry, RegistryClient, Secret
from gocdnext_sdk.host.harness import RunOptions, RunReport, Session, run_pipeline
from gocdnext_sdk.host.harness.engine.docker import DockerEngine
from gocdnext_sdk.host.harness.local_registry import LocalRegistry
from gocdnext_sdk.host.harness.local_sigstore import LocalSigstore
from gocdnext_sdk.host.pipeline import Revision, Run

ROOT = Path(__file__).resolve().parents[2]
PIPELINE = ROOT / "examples" / "proof" / ".gocdnext" / "release.yaml"
MAIN = Run(revision=Revision(sha="a" * 40, branch="main"), cause="webhook")


def client(registry: LocalRegistry) -> RegistryClient:
    host = Registry.parse(registry.address)
    return RegistryClient(Credentials([Credential(host, registry.username, Secret(registry.password))]))


def options(registry: LocalRegistry, sigstore: LocalSigstore, folder: Path) -> RunOptions:
    database = f"{registry.address}/trivy/db:2"
    account = {"REGISTRY_USERNAME": registry.username, "REGISTRY_PASSWORD": registry.password}
    argv = [sys.executable, "-m", "testbed", "trivy-db", "push", database]
    subprocess.run(argv, cwd=ROOT, env={**os.environ, **account}, check=True, capture_output=True)
    names = ("buildx", "trivy", "cosign", "docker-push")
    signer = f"{sigstore.issuer}/proof/release@branch/main"
    return RunOptions(
        registry=registry,
        sigstore=sigstore,
        use_images={f"gocdnext-plugin-{name}": plugin_tag(name) for name in names},
        variables={"BASE": os.environ["BASE"], "TRIVY_DB": database, "SIGNER": signer},
        run=MAIN,
        workspace=folder,
    )


def cosign(registry: LocalRegistry, sigstore: LocalSigstore, folder: Path, *argv: str) -> bytes:
    """Let cosign verify on this machine, where no service of the Sigstore is in reach."""
    pair = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {registry.address: {"auth": pair}}}))
    (folder / "root.json").write_text(json.dumps(sigstore.trusted_root))
    signer = ("--certificate-identity", f"{sigstore.issuer}/proof/release@branch/main")
    trust = ("--certificate-oidc-issuer", sigstore.issuer, "--trusted-root", str(folder / "root.json"))
    action, *rest = argv
    done = subprocess.run(
        ["cosign", action, *signer, *trust, "--insecure-ignore-sct", *rest],
        env={**os.environ, "DOCKER_CONFIG": str(folder)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def texts(report: RunReport) -> str:
    return "\n".join(f"{job.name} {job.status} {job.reason}\n{job.text}" for job in report.jobs)


def without(job: str, text: str) -> str:
    """Return a pipeline without one job; who needs it needs what it needs."""
    head, _, rest = text.partition(f"\n  {job}:\n")
    own, _, tail = rest.partition("\n\n  ")
    needed = own.partition("needs: [")[2].partition("]")[0]
    return f"{head}\n  {tail}".replace(f", {job}]", f", {needed}]")


def test_the_pipeline_of_the_page_proves_all_that_it_promotes(tmp_path: Path) -> None:
    with Session(DockerEngine()) as session:
        registry = session.start_registry()
        sigstore = session.start_sigstore(registry.network)
        checkout = tmp_path / "proof"  # what the jobs leave comes back into it
        shutil.copytree(PIPELINE.parents[1], checkout)
        given = options(registry, sigstore, checkout)
        report = run_pipeline(PIPELINE, given, session=session)
        assert report.passed, texts(report)
        built = Reference.parse(report["build"].outputs["reference"])
        released = Reference.parse(report["promote"].outputs["reference"])
        assert (released.digest, released.repository) == (built.digest, "production/hello")

        there = client(registry)
        assert there.resolve(released.with_tag("stable")).digest == built.digest
        images = [released.with_digest(each.digest) for each in there.platforms(released)]
        assert len(images) == 2
        for image in images:
            for kind in ("cyclonedx", "vuln"):
                cosign(registry, sigstore, tmp_path, "verify-attestation", "--type", kind, str(image))
        assert stated(
            cosign(
                *(registry, sigstore, tmp_path, "verify-attestation"),
                *("--type", "slsaprovenance1", str(released)),
            )
        )["buildDefinition"]["resolvedDependencies"][0]["digest"] == {"gitCommit": "a" * 40}
        for kind in ("validated", "promotion"):
            uri = f"https://github.com/klinux/gocdnext/{kind}/v1"
            cosign(registry, sigstore, tmp_path, "verify-attestation", "--type", uri, str(released))
        assert f"{registry.address}/production/hello:*" in report["admit"].text  # the policy for Kyverno

        # Without one of the proofs nothing is promoted.
        unproven = tmp_path / "unproven.yaml"
        unproven.write_text(without("attest-scans", PIPELINE.read_text()))
        names = {"SOURCE": "staging/unproven", "TARGET": "production/unproven"}
        other = replace(given, variables={**given.variables, **names})
        refused = run_pipeline(unproven, other, session=session)
        assert refused["promote"].exit_code == 1, texts(refused)
        why = "not met: there is no attestation vuln by the signer"
        assert why in refused["promote"].text
        assert there.find(Reference.parse(f"{registry.address}/production/unproven:stable")) is None


def stated(envelope: bytes) -> Mapping[str, object]:
    statement = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
    predicate = statement["predicate"]
    assert isinstance(predicate, dict)
    return predicate
