"""The policy that cosign's log has for Kyverno, asked of Kyverno's command: what it admits, and what not."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from testbed import tools
from tests.identities import JOB

from gocdnext_sdk.host.harness import LocalRegistry
from gocdnext_sdk.host.harness.local_sigstore import LocalSigstore
from gocdnext_sdk.host.testing import PluginRunner, Result

pytestmark = pytest.mark.soak

COSIGN = Path(__file__).parents[2] / "plugins" / "cosign"
PASSWORD = "open sesame 1"
FORMS = ("legacy", "bundle", "both")


@dataclass(frozen=True)
class Door:
    """A cluster's door, and a registry with images to let through it.

    Args:
        registry: has the images.
        repository: theirs.
        run_plugin: signs.
        folder: is the tools'.
    """

    registry: LocalRegistry
    repository: str
    run_plugin: PluginRunner = field(repr=False)
    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        """By which tools of the test's own log in, and open its key."""
        pair = base64.b64encode(f"{self.registry.username}:{self.registry.password}".encode()).decode()
        (self.folder / "config.json").write_text(
            json.dumps({"auths": {self.registry.address: {"auth": pair}}})
        )
        return {**os.environ, "DOCKER_CONFIG": str(self.folder), "COSIGN_PASSWORD": PASSWORD}

    def push(self, name: str) -> str:
        """Push an image and return its reference by digest."""
        (self.folder / name).write_text(name)
        with tarfile.open(self.folder / "layer.tar", "w") as archive:
            archive.add(self.folder / name, name)
        argv = ("crane", "append", "-f", self.folder / "layer.tar", "-t", f"{self.repository}:{name}")
        return self._run(*argv).strip()

    def key(self, name: str) -> dict[str, str]:
        """Return the inputs to sign with a new key."""
        self._run("cosign", "generate-key-pair", "--output-key-prefix", name)
        private = (self.folder / f"{name}.key").read_text()
        return {"key-content": private, "key-password": PASSWORD, "tlog": "false"}

    def sign(self, image: str, inputs: Mapping[str, str], **options: object) -> str:
        """Sign, or attest, and return the policy in the log."""
        login = {"username": self.registry.username, "password": self.registry.password}
        given = {"image": image, **login, **inputs}
        result: Result = self.run_plugin(COSIGN, given, **options).passed()  # type: ignore[arg-type]
        return "apiVersion:" + result.log.partition("apiVersion:")[2]

    def admits(self, policy: str, image: str) -> bool:
        """Ask Kyverno whether a pod with the image may run."""
        container = {"name": "app", "image": image}
        metadata = {"name": "app", "namespace": "default"}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
        (self.folder / "policy.yaml").write_text(policy)
        (self.folder / "pod.yaml").write_text(json.dumps(pod))
        kyverno = tools.get("kyverno")[0] / "kyverno"
        argv = (kyverno, "apply", "policy.yaml", "--resource", "pod.yaml", "--registry")
        done = subprocess.run(
            argv, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False
        )
        counted = re.search(
            r"^pass: (\d+), fail: (\d+), warn: 0, error: 0, skip: 0", done.stdout, re.MULTILINE
        )
        assert counted, done.stdout + done.stderr
        passed, failed = map(int, counted.groups())
        assert bool(passed) != bool(failed), done.stdout
        return not failed

    def _run(self, *argv: str | Path) -> str:
        done = subprocess.run(
            argv, cwd=self.folder, env=self.environ, check=True, capture_output=True, text=True
        )
        return done.stdout


@pytest.fixture
def door(registry: LocalRegistry, repository: str, run_plugin: PluginRunner, tmp_path: Path) -> Door:
    folder = tmp_path / "door"
    folder.mkdir()
    return Door(registry, repository, run_plugin, folder)


@pytest.mark.parametrize("form", FORMS)
def test_what_a_key_has_signed_is_admitted_and_nothing_else(door: Door, form: str) -> None:
    ours, theirs, unsigned = map(door.push, ("ours", "theirs", "unsigned"))
    policy = door.sign(ours, {"format": form, **door.key("ours-key")})
    door.sign(theirs, {"format": form, **door.key("theirs-key")})
    assert [door.admits(policy, each) for each in (ours, theirs, unsigned)] == [True, False, False]


@pytest.mark.parametrize("form", FORMS)
def test_what_is_attested_is_not_admitted_as_signed_nor_by_another_type(
    door: Door, workspace: Path, form: str
) -> None:
    signed, attested, other = map(door.push, ("signed", "attested", "other"))
    key = {"format": form, **door.key("key")}
    (workspace / "statement.json").write_text(json.dumps({"tests": "passed"}))
    statement = {"action": "attest", "predicate": "statement.json", **key}
    demands_signature = door.sign(signed, key)
    demands_tests = door.sign(attested, {"predicate-type": "https://example.com/tests/v1", **statement})
    door.sign(other, {"predicate-type": "https://example.com/other/v1", **statement})
    images = (signed, attested, other)
    assert [door.admits(demands_signature, each) for each in images] == [True, False, False]
    assert [door.admits(demands_tests, each) for each in images] == [False, True, False]


def test_signatures_in_a_repository_of_their_own_are_found_there(door: Door) -> None:
    ours, unsigned = map(door.push, ("ours", "unsigned"))
    policy = door.sign(
        ours,
        {"format": "legacy", **door.key("key")},
        env={"COSIGN_REPOSITORY": f"{door.repository}-signatures"},
    )
    assert [door.admits(policy, each) for each in (ours, unsigned)] == [True, False]


def test_a_certificate_of_a_private_sigstore_is_admitted_for_its_identity_only(
    door: Door, sigstore: LocalSigstore
) -> None:
    """In the older form; for bundles Kyverno takes the roots from a TUF repository that its flags name."""
    ours, theirs, unsigned = map(door.push, ("ours", "theirs", "unsigned"))
    identities = {ours: JOB, theirs: replace(JOB, ref="dev")}
    policies = {
        image: door.sign(
            image,
            {
                "format": "legacy",
                "tlog": "false",
                "signing-config": json.dumps(sigstore.signing_config),
                "trusted-root": json.dumps(sigstore.trusted_root),
                "cert-identity": f"{sigstore.issuer}/shop/release@branch/{identity.ref}",
                "cert-oidc-issuer": sigstore.issuer,
            },
            secrets={"SIGSTORE_ID_TOKEN": sigstore.token(identity)},
            mode="image",
            network=door.registry.network,
        )
        for image, identity in identities.items()
    }
    assert [door.admits(policies[ours], each) for each in (ours, theirs, unsigned)] == [True, False, False]
