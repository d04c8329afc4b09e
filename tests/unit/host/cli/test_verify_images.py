"""Which images of a pipeline are asked, and what each platform must carry; cosign itself is in tests/e2e."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gocdnext_sdk.errors import ToolError, UsageError
from gocdnext_sdk.host.cli import verify_images
from gocdnext_sdk.host.testing.fake_registry import FakeRegistry
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.descriptor import Descriptor

TRIVY = "klinux/gocdnext-plugin-trivy:v1"
BOTH = ("https://spdx.dev/Document", "https://slsa.dev/provenance/v1")


SIGNATURE = "https://sigstore.dev/cosign/sign/v1"
OLDER = "cosign container image signature"


def verdict(exit_code: int, stderr: str, kind: str) -> str:
    """Return the shell's lines for what cosign 3.1 prints."""
    signature = json.dumps([{"critical": {"type": kind}, "optional": {}}])
    said = f"cat >&2 <<'.'\n{stderr}\n.\n"
    return f"{said}echo '{'' if exit_code else signature}'\nexit {exit_code}\n"


def entry(descriptor: Descriptor, **more: Any) -> dict[str, Any]:
    kind = {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}
    return kind | more


@dataclass
class Asking:
    """The command, on a pipeline in a folder, with a registry in memory."""

    registry: FakeRegistry
    folder: Path

    def push(self, name: str, **attested: tuple[str, ...]) -> str:
        """Push an index as BuildKit does; return its digest.

        Args:
            name: repository and tag.
            attested: what each architecture's attestation holds; none has no attestation.
        """
        repository, entries = name.partition(":")[0], []
        for architecture, types in attested.items():
            image = self.registry.push(repository, {"layers": [], "annotations": {"for": architecture}})
            entries.append(entry(image, platform={"os": "linux", "architecture": architecture}))
            if not types:
                continue
            layers = [{"annotations": {"in-toto.io/predicate-type": each}} for each in types]
            about = {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": image.digest,
            }
            statement = self.registry.push(
                repository, {"layers": layers, "annotations": {"of": architecture}}
            )
            unknown = {"os": "unknown", "architecture": "unknown"}
            entries.append(entry(statement, platform=unknown, annotations=about))
        return self.registry.push(name, {"manifests": entries}).digest

    def cosign(self, exit_code: int, stderr: str = "", found: str = SIGNATURE, older: str = "") -> None:
        """Let cosign say what it said of such an image.

        Args:
            exit_code: of the verification.
            stderr: what it told the user.
            found: the type of what it has verified.
            older: the same of the older format, which has nothing if it is not given.
        """
        program = self.folder / "bin" / "cosign"
        program.write_text(
            f'#!/bin/sh\necho "$*" >> {self.folder / "argv"}\n'
            f'case "$*" in *--new-bundle-format=false*) {verdict(10 * (not older), "", older)};; esac\n'
            f"{verdict(exit_code, stderr, found)}\n"
        )
        program.chmod(0o755)

    def argv(self) -> list[str]:
        """Return the command lines of cosign."""
        return (self.folder / "argv").read_text().splitlines()

    def ask(
        self, *options: str, who: Sequence[str] = ("--identity", "us"), jobs: str = "", rest: str = ""
    ) -> tuple[int, list[str]]:
        """Run it on jobs; return its exit code and its lines."""
        file = self.folder / "release.yaml"
        scan = "  scan: {stage: a, uses: ghcr.io/klinux/gocdnext-plugin-trivy@v1, with: {target: .}}\n"
        file.write_text(f"name: release\nstages: [a]\n{rest}jobs:\n{jobs or scan}")
        argv = (str(file), *who, "--issuer", "https://ci.example.com", *options)
        done = CliRunner().invoke(verify_images.command, argv)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.output.splitlines()


@pytest.fixture
def asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asking:
    registry = FakeRegistry("ghcr.io")
    monkeypatch.setattr(verify_images, "RegistryClient", partial(RegistryClient, transport=registry))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    found = Asking(registry, tmp_path)
    found.cosign(0)
    return found


def test_what_is_signed_and_attested_for_each_platform_is_ok(asking: Asking) -> None:
    digest = asking.push(TRIVY, amd64=BOTH, arm64=BOTH)
    assert asking.ask() == (0, [f"ok     ghcr.io/{TRIVY} is {digest}"])


def test_a_platform_without_sbom_and_provenance_is_told(asking: Asking) -> None:
    asking.push(TRIVY, amd64=BOTH, arm64=())
    code, (first, *rest) = asking.ask()
    assert (code, first.startswith("not ok")) == (1, True)
    assert [each.split() for each in rest] == [
        ["it", "has", "no", "SBOM", "for", "linux/arm64"],
        ["it", "has", "no", "provenance", "for", "linux/arm64"],
    ]


def test_each_platform_has_to_have_both(asking: Asking) -> None:
    asking.push(TRIVY, amd64=BOTH[:1], arm64=BOTH[1:])
    code, (_, *rest) = asking.ask()
    assert code == 1
    assert [each.strip() for each in rest] == [
        "it has no SBOM for linux/arm64",
        "it has no provenance for linux/amd64",
    ]


def test_a_single_image_and_an_empty_index_have_none(asking: Asking) -> None:
    for content in ({"layers": []}, {"manifests": []}):
        asking.registry.push(TRIVY, content)
        code, (_, *rest) = asking.ask()
        assert (code, len(rest)) == (1, 2)


def test_a_statement_about_no_image_of_the_index_counts_for_none(asking: Asking) -> None:
    asking.push(TRIVY, amd64=BOTH)
    repository, _, tag = TRIVY.partition(":")
    kind, index = asking.registry.manifests[repository, asking.registry.tags[repository, tag]]
    asking.registry.push(TRIVY, index.replace(b"reference.digest", b"reference.other"), kind)
    assert asking.ask()[0] == 1


@pytest.mark.parametrize(
    ("exit_code", "said"),
    [(10, "Error: no signatures found"), (12, "Error: no matching signatures: expected identity us")],
)
def test_what_another_one_signed_or_nobody_is_not_ok(asking: Asking, exit_code: int, said: str) -> None:
    asking.push(TRIVY, amd64=BOTH, arm64=BOTH)
    asking.cosign(exit_code, said)
    code, lines = asking.ask()
    assert code == 1
    assert lines[1].endswith(said.removeprefix("Error: "))


def test_an_attestation_by_the_same_signer_is_no_signature(asking: Asking) -> None:
    """`cosign verify` itself ends well: tests/e2e/test_cosign.py."""
    asking.push(TRIVY, amd64=BOTH, arm64=BOTH)
    asking.cosign(0, found="https://spdx.dev/Document")
    code, lines = asking.ask()
    assert code == 1
    assert lines[1].endswith("has attestations by this signer, but no signature")


def test_beside_an_attestation_a_signature_in_the_older_format_counts(asking: Asking) -> None:
    asking.push(TRIVY, amd64=BOTH, arm64=BOTH)
    asking.cosign(0, found="https://slsa.dev/provenance/v1", older=OLDER)
    assert asking.ask()[0] == 0


def test_an_expression_has_to_match_the_whole_identity(asking: Asking) -> None:
    asking.push(TRIVY, amd64=BOTH, arm64=BOTH)
    assert asking.ask(who=("--identity-regexp", "a|b"))[0] == 0
    assert "--certificate-identity-regexp ^(?:a|b)$ " in asking.argv()[0]


@pytest.mark.parametrize(
    ("logs", "ignored"), [('"ctlogs": []', True), ('"ctlogs": [{}]', False), ('"ctlogs": null', True)]
)
def test_a_root_without_a_log_of_certificates_demands_no_entry_in_one(
    asking: Asking, logs: str, ignored: bool
) -> None:
    asking.push(TRIVY, amd64=BOTH, arm64=BOTH)
    (asking.folder / "root.json").write_text(f"{{{logs}}}")
    assert asking.ask("--trusted-root", str(asking.folder / "root.json"))[0] == 0
    assert ("--insecure-ignore-sct" in asking.argv()[0]) == ignored


def test_what_is_no_trusted_root_is_named(asking: Asking) -> None:
    (asking.folder / "root.json").write_text("[]")
    with pytest.raises(UsageError, match=r"root\.json is no trusted root"):
        asking.ask("--trusted-root", str(asking.folder / "root.json"))


def test_what_could_not_be_found_out_is_an_error_with_cosigns_words(asking: Asking) -> None:
    asking.push(TRIVY, amd64=BOTH, arm64=BOTH)
    asking.cosign(1, "Error: getting trusted root from TUF: no such host")
    with pytest.raises(ToolError, match="no such host"):
        asking.ask()


SHELL = "klinux/gocdnext-plugin-kaniko:v1-shell"
JOBS = """\
  scan: {stage: a, uses: ghcr.io/klinux/gocdnext-plugin-trivy@v1, with: {target: .}}
  own: {stage: a, uses: ghcr.io/stranger/plugin@v1}
  build: {stage: a, image: "ghcr.io/klinux/gocdnext-plugin-kaniko:v1-shell", script: [gocdnext-plugin]}
  make: {stage: a, image: "docker.io/library/python:3.13", script: [make]}
  default: {stage: a, script: [make]}
"""
REST = """\
services: [{name: db, image: postgres:16}]
notifications: [{on: failure, uses: ghcr.io/stranger/notify@v1}]
"""


def test_a_script_in_one_of_the_images_is_asked_and_every_other_image_is_named(asking: Asking) -> None:
    for each in (TRIVY, SHELL):
        asking.push(each, amd64=BOTH, arm64=BOTH)
    code, lines = asking.ask(jobs=JOBS, rest=REST)
    assert code == 0
    asked = [line.split()[1] for line in lines if line.startswith("ok ")]
    assert asked == [f"ghcr.io/{TRIVY}", f"ghcr.io/{SHELL}"]
    named = [line.removeprefix("not asked  ") for line in lines if line.startswith("not asked")]
    assert named == [
        "ghcr.io/stranger/plugin:v1 (--image ghcr.io/stranger/plugin)",
        "docker.io/library/python:3.13 (--image docker.io/library/python)",
        "docker.io/library/postgres:16 (--image docker.io/library/postgres)",
        "ghcr.io/stranger/notify:v1 (--image ghcr.io/stranger/notify)",
    ]


def test_a_stranger_is_asked_if_a_pattern_says_so(asking: Asking) -> None:
    asking.push("stranger/plugin:v1", amd64=BOTH)
    code, lines = asking.ask("--image", "ghcr.io/stranger/plugin", jobs=JOBS)
    assert code == 0
    assert [line.split()[1] for line in lines if line.startswith("ok ")] == ["ghcr.io/stranger/plugin:v1"]
    assert len(lines) == 4


@pytest.mark.parametrize("job", ['image: "${BASE}", script: [make]', 'uses: "ghcr.io/stranger/Plugin@v1"'])
def test_what_is_no_name_of_an_image_ends_it_with_the_file(asking: Asking, job: str) -> None:
    with pytest.raises(UsageError, match=r"release\.yaml: .* is not an image reference"):
        asking.ask(jobs=f"  one: {{stage: a, {job}}}\n")
