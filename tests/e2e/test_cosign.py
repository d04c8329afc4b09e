"""The cosign plugin with the real cosign and a real registry with a login; no public Sigstore in reach."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.recording import Upstream, later
from tests.servers import Answer, answering, olareg
from tests.soak.proxy import Proxy, demanding_signatures

from gocdnext_sdk import Credential, Credentials, Reference, RegistryClient, Secret
from gocdnext_sdk.host.harness import LocalRegistry
from gocdnext_sdk.host.harness.signatures import unsigned
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.testing import PluginRunner, Result
from gocdnext_sdk.host.testing.fixtures import FakeTools
from gocdnext_sdk.host.testing.web import LocalWeb
from gocdnext_sdk.inputs.reader import read_inputs
from gocdnext_sdk.oci.referrers import File, attach
from gocdnext_sdk.tools.cosign import Policy
from gocdnext_sdk.tools.signing import SigningTool
from gocdnext_sdk.tools.sigstore import NOBODY, signing_config

FOLDER = Path(__file__).parents[2] / "plugins" / "cosign"
PLUGIN = load_plugin(FOLDER)
MODULE = sys.modules[PLUGIN.__module__]
PLATFORMS = ("linux/amd64", "linux/arm64")
PASSWORD = "open sesame 1"
BUNDLE = ".sigstore.json"
SCAN = "https://example.com/scan"


@dataclass(frozen=True)
class KeyPair:
    private: str = field(repr=False)
    public: str

    @property
    def signing(self) -> dict[str, str]:
        return {"key-content": self.private, "key-password": PASSWORD, "tlog": "false"}

    @property
    def verifying(self) -> dict[str, str]:
        return {"action": "verify", "key-content": self.public, "tlog": "false"}


@pytest.fixture(scope="session")
def new_key(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], KeyPair]:
    def make() -> KeyPair:
        folder = tmp_path_factory.mktemp("key")
        run("cosign", "generate-key-pair", cwd=folder, COSIGN_PASSWORD=PASSWORD)
        return KeyPair((folder / "cosign.key").read_text(), (folder / "cosign.pub").read_text())

    return make


@pytest.fixture(scope="session")
def key(new_key: Callable[[], KeyPair]) -> KeyPair:
    return new_key()


def run(*argv: str, cwd: Path | None = None, **environ: str) -> str:
    done = subprocess.run(
        argv,
        cwd=cwd,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@dataclass(frozen=True)
class Image:
    """A two-platform image in a registry, with tools of the test's own to look at it."""

    repository: str
    login: dict[str, str] = field(repr=False)
    config: Path
    scratch: Path

    @property
    def inputs(self) -> dict[str, str]:
        return {"image": f"{self.repository}:v1", **self.login}

    def crane(self, *argv: str) -> str:
        return run("crane", *argv, DOCKER_CONFIG=str(self.config))

    def push(self, content: str, tag: str = "v1") -> str:
        """Push an index whose layers hold `content` and return its digest."""
        members: list[str] = []
        for platform in PLATFORMS:
            layer = self.scratch / "layer.tar"
            with tarfile.open(layer, "w") as archive:
                entry = tarfile.TarInfo("content")
                entry.size = len(text := f"{self.repository} {platform} {content}".encode())
                archive.addfile(entry, io.BytesIO(text))
            one = f"{self.repository}:{platform.replace('/', '-')}"
            self.crane("append", "-f", str(layer), "-t", one)
            self.crane("mutate", one, "--set-platform", platform, "-t", one)
            members += ("-m", one)
        self.crane("index", "append", *members, "-t", f"{self.repository}:{tag}")
        return self.crane("digest", f"{self.repository}:{tag}")

    def children(self, digest: str) -> list[str]:
        index = json.loads(self.crane("manifest", f"{self.repository}@{digest}"))
        return [child["digest"] for child in index["manifests"]]

    def is_signed(self, digest: str, key: KeyPair) -> bool:
        """Ask cosign itself, not the plugin."""
        done = self._ask("cosign", "verify", digest, key)
        return done.returncode == 0 and b"https://sigstore.dev/cosign/sign/v1" in done.stdout

    def is_verified_by(self, cosign: str, digest: str, key: KeyPair) -> bool:
        return self._ask(cosign, "verify", digest, key).returncode == 0

    def attested(self, cosign: str, digest: str, key: KeyPair, kind: str) -> list[str]:
        """Return the `run` of each attestation, as that cosign verifies it."""
        done = self._ask(cosign, "verify-attestation", digest, key, "--type", kind)
        assert done.returncode == 0, done.stderr
        payloads = [json.loads(line)["payload"] for line in done.stdout.splitlines() if line.strip()]
        return sorted(json.loads(base64.b64decode(each))["predicate"]["run"] for each in payloads)

    def _ask(
        self, cosign: str, action: str, digest: str, key: KeyPair, *more: str
    ) -> subprocess.CompletedProcess[bytes]:
        public = self.scratch / "cosign.pub"
        public.write_text(key.public)
        argv = [cosign, action, "--key", public, "--insecure-ignore-tlog", *more]
        environ = {**os.environ, "DOCKER_CONFIG": str(self.config), "TUF_ROOT": str(self.scratch / "tuf")}
        return subprocess.run(
            [*argv, f"{self.repository}@{digest}"], env=environ, capture_output=True, check=False
        )

    def tags(self) -> set[str]:
        return set(self.crane("ls", self.repository).split())


@pytest.fixture
def image(registry: LocalRegistry, repository: str, tmp_path: Path) -> Image:
    login = {"username": registry.username, "password": registry.password}
    config = tmp_path / "docker"
    config.mkdir()
    pair = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
    (config / "config.json").write_text(json.dumps({"auths": {registry.address: {"auth": pair}}}))
    return Image(repository, login, config, tmp_path)


def told(result: Result) -> list[str]:
    """Return the line of each manifest."""
    done = ("==> signed ", "==> attested ", "==> verified ")
    return [line for line in result.log.splitlines() if line.startswith(done)]


@pytest.mark.parametrize("mode", ["process", "image"])
def test_a_tag_is_resolved_once_and_its_digest_is_signed(
    run_plugin: PluginRunner, registry: LocalRegistry, image: Image, key: KeyPair, mode: str
) -> None:
    digest = image.push("one")
    result = run_plugin(FOLDER, image.inputs | key.signing, mode=mode, network=registry.network).passed()
    reference = f"{image.repository}@{digest}"
    assert image.is_signed(digest, key)
    assert result.outputs == {
        "IMAGE": image.repository,
        "DIGEST": digest,
        "REFERENCE": reference,
        "REFERENCES": reference,
        "TAGS": "v1",
        "VERIFY_COMMAND": f"cosign verify --key cosign.pub --insecure-ignore-tlog {reference}",
    }
    # One line about it, and none of cosign's own.
    assert "The following checks" not in result.log
    assert f"==> signed {reference}; verified at the registry" in result.log
    assert result.call("cosign", "sign").argv[-1] == reference
    assert result.call("cosign", "verify").argv[-1] == reference


def test_a_project_whose_images_must_be_signed_gets_its_first_signature(
    run_plugin: PluginRunner, registry: LocalRegistry, image: Image, key: KeyPair
) -> None:
    digest = image.push("one")
    with Proxy(registry.address, demanding_signatures, at=None) as harbor:
        name = f"{image.repository}:v1".replace(registry.address, harbor.address)
        promote = {"source": name, "target": f"{harbor.address}/production/app", "tags": "v1"}
        (why,) = run_plugin(FOLDER.with_name("docker-push"), image.login | promote).exited(3).errors
        assert '412: "The image is not signed by cosign."' in why
        run_plugin(FOLDER, image.login | key.signing | {"image": name}).passed()
    assert image.is_signed(digest, key)


def test_what_is_signed_verifies_and_nothing_else_does(
    run_plugin: PluginRunner, image: Image, key: KeyPair, new_key: Callable[[], KeyPair]
) -> None:
    digest = image.push("one")
    unsigned = run_plugin(FOLDER, image.inputs | key.verifying).exited(1)
    assert unsigned.errors[-1].startswith(f"not verified: {image.repository}@{digest}")

    run_plugin(FOLDER, image.inputs | key.signing).passed()
    verified = run_plugin(FOLDER, image.inputs | key.verifying).passed()
    assert told(verified) == [f"==> verified {image.repository}@{digest}"]
    run_plugin(FOLDER, image.inputs | new_key().verifying).exited(1)

    moved = image.push("two")
    assert moved != digest
    run_plugin(FOLDER, image.inputs | key.verifying).exited(1)
    run_plugin(FOLDER, image.inputs | key.verifying | {"image": f"{image.repository}:v1@{digest}"}).passed()


def test_recursive_signs_and_verifies_every_manifest(
    run_plugin: PluginRunner, image: Image, key: KeyPair
) -> None:
    digest = image.push("one")
    run_plugin(FOLDER, image.inputs | key.signing).passed()
    assert [image.is_signed(child, key) for child in image.children(digest)] == [False, False]
    run_plugin(FOLDER, image.inputs | key.verifying | {"recursive": "true"}).exited(1)

    result = run_plugin(FOLDER, image.inputs | key.signing | {"recursive": "true"}).passed()
    assert [image.is_signed(child, key) for child in image.children(digest)] == [True, True]
    # The index was signed before: nothing is added to it.
    assert len(told(result)) == 2
    assert f"{image.repository}@{digest} is signed already" in result.log
    run_plugin(FOLDER, image.inputs | key.verifying | {"recursive": "true"}).passed()


def test_an_image_of_two_tags_is_signed_once(run_plugin: PluginRunner, image: Image, key: KeyPair) -> None:
    digest = image.push("one")
    image.crane("tag", f"{image.repository}:v1", "latest")
    both = {"image": f"{image.repository}:v1\n{image.repository}:latest"}
    result = run_plugin(FOLDER, image.inputs | key.signing | both).passed()
    assert len(told(result)) == 1
    assert result.outputs["REFERENCES"] == f"{image.repository}@{digest}"


def test_annotations_are_signed_and_demanded(run_plugin: PluginRunner, image: Image, key: KeyPair) -> None:
    image.push("one")
    stated = {"annotations": 'commit=abc\ntitle=Fix "a", b'}
    run_plugin(FOLDER, image.inputs | key.signing | stated).passed()
    run_plugin(FOLDER, image.inputs | key.verifying | stated).passed()
    run_plugin(FOLDER, image.inputs | key.verifying | {"annotations": "commit=abd"}).exited(1)


def test_an_attestation_is_found_by_its_type_and_is_no_signature(
    run_plugin: PluginRunner, image: Image, key: KeyPair, workspace: Path
) -> None:
    digest = image.push("one")
    (workspace / "sbom.json").write_text(json.dumps({"spdxVersion": "SPDX-2.3", "name": "app"}))
    sbom = {"predicate-type": "spdxjson"}
    attest = {"action": "attest", "predicate": "sbom.json"} | sbom
    result = run_plugin(FOLDER, image.inputs | key.signing | attest).passed()
    assert told(result) == [f"==> attested (spdxjson) {image.repository}@{digest}; verified at the registry"]

    demand = key.verifying | {"action": "verify-attestation"}
    run_plugin(FOLDER, image.inputs | demand | sbom).passed()
    run_plugin(FOLDER, image.inputs | demand | {"predicate-type": "vuln"}).exited(1)
    refused = run_plugin(FOLDER, image.inputs | key.verifying).exited(1)
    assert refused.errors[-1].endswith("has attestations by this signer, but no signature")


@pytest.mark.parametrize("format_", ["bundle", "legacy", "both"])
def test_each_cosign_verifies_the_form_that_it_knows(
    run_plugin: PluginRunner, image: Image, key: KeyPair, format_: str
) -> None:
    digest = image.push("one")
    result = run_plugin(FOLDER, image.inputs | key.signing | {"format": format_}).passed()
    assert (f"{digest.replace(':', '-')}.sig" in image.tags()) == (format_ != "bundle")
    assert image.is_verified_by("cosign-2", digest, key) == (format_ != "bundle")
    assert image.is_verified_by("cosign", digest, key)
    assert ("not seen by cosign" in result.log) == (format_ != "both")
    run_plugin(FOLDER, image.inputs | key.verifying).passed()

    again = run_plugin(FOLDER, image.inputs | key.signing | {"format": format_}).passed()
    assert told(again) == []
    assert not any(call.argv[0] == "sign" for call in again.calls)


def test_the_older_form_beside_an_sbom_that_is_a_bundle_verifies(
    run_plugin: PluginRunner, image: Image, key: KeyPair, workspace: Path
) -> None:
    """Cosign 3 looks for bundles only where there is any, be it of something else."""
    image.push("one")
    (workspace / "sbom.json").write_text("{}")
    attest = {"action": "attest", "predicate": "sbom.json", "predicate-type": "cyclonedx"}
    run_plugin(FOLDER, image.inputs | key.signing | {"format": "legacy"}).passed()
    run_plugin(FOLDER, image.inputs | key.signing | attest).passed()
    run_plugin(FOLDER, image.inputs | key.verifying).passed()


def test_an_attestation_is_added_once_and_replaced_by_type(
    run_plugin: PluginRunner, image: Image, key: KeyPair, workspace: Path
) -> None:
    digest = image.push("one")
    attest = key.signing | {"action": "attest", "predicate": "p.json", "format": "both"}
    kinds = (SCAN, "vuln")
    for content, kind, replace in (
        ("1", kinds[0], "false"),
        ("1", kinds[0], "false"),
        ("2", kinds[0], "false"),
        ("3", kinds[0], "true"),
    ):
        (workspace / "p.json").write_text(json.dumps({"run": content}))
        run_plugin(FOLDER, image.inputs | attest | {"predicate-type": kind, "replace": replace}).passed()
        expected = {("1", "false"): ["1"], ("2", "false"): ["1", "2"], ("3", "true"): ["3"]}
        for cosign in ("cosign", "cosign-2"):
            assert image.attested(cosign, digest, key, kind) == expected[content, replace], cosign


def test_what_is_no_attestation_is_not_looked_at_for_one_to_replace(
    run_plugin: PluginRunner, registry: LocalRegistry, image: Image, key: KeyPair, workspace: Path
) -> None:
    """Such as an SBOM that refers to the image, larger than any attestation, or an artifact of no files."""
    digest = image.push("one")
    subject = Reference.parse(f"{image.repository}@{digest}")
    login = Credential(subject.registry, registry.username, Secret(registry.password))
    client = RegistryClient(Credentials([login]))
    sbom = File("sbom.json", "application/json", b" " * (5 << 20))
    attach(client, subject, "application/vnd.cyclonedx+json", [sbom], {})
    attach(client, subject, "application/vnd.example.mark", [], {})
    attest = key.signing | {"action": "attest", "predicate": "p.json", "predicate-type": SCAN}
    for run_ in ("1", "2"):
        (workspace / "p.json").write_text(json.dumps({"run": run_}))
        run_plugin(FOLDER, image.inputs | attest | {"replace": "true"}).passed()
        assert image.attested("cosign", digest, key, SCAN) == [run_]


def test_rules_hold_for_attestations_of_both_forms(
    run_plugin: PluginRunner, image: Image, key: KeyPair, workspace: Path
) -> None:
    """Cosign 3 looks at none of the older form where there is a bundle."""
    image.push("one")
    kind = {"predicate-type": SCAN}
    attest = key.signing | kind | {"action": "attest", "predicate": "p.json"}
    (workspace / "good.cue").write_text('predicate: run: "good"\n')
    demand = key.verifying | kind | {"action": "verify-attestation", "policies": "good.cue"}
    for run_, form in (("bad", "legacy"), ("good", "bundle")):
        (workspace / "p.json").write_text(json.dumps({"run": run_}))
        run_plugin(FOLDER, image.inputs | attest | {"format": form}).passed()
        (line,) = run_plugin(FOLDER, image.inputs | demand).exited(1).errors
        assert line.startswith(f"not verified: {image.repository}@")
    run_plugin(FOLDER, image.inputs | demand | {"policies": ""}).passed()
    run_plugin(FOLDER, image.inputs | attest | {"format": "legacy", "replace": "true"}).passed()
    run_plugin(FOLDER, image.inputs | demand).passed()


@pytest.mark.parametrize("elsewhere", [True, False])
def test_the_command_that_is_told_verifies_it(
    run_plugin: PluginRunner,
    image: Image,
    key: KeyPair,
    new_key: Callable[[], KeyPair],
    workspace: Path,
    elsewhere: bool,
) -> None:
    """Of an image that has a bundle by someone else too, and where its signatures are in another place."""
    image.push("one")
    (workspace / "sbom.json").write_text("{}")
    attest = {"action": "attest", "predicate": "sbom.json", "predicate-type": "cyclonedx"}
    run_plugin(FOLDER, image.inputs | new_key().signing | attest).passed()
    environ = {"COSIGN_REPOSITORY": f"{image.repository}-signatures"} if elsewhere else {}
    form = {} if elsewhere else {"format": "legacy"}
    result = run_plugin(FOLDER, image.inputs | key.signing | form, env=environ).passed()
    (image.scratch / "cosign.pub").write_text(key.public)
    folders = {"DOCKER_CONFIG": str(image.config), "TUF_ROOT": str(image.scratch / "tuf")}
    run("sh", "-c", result.outputs["VERIFY_COMMAND"], cwd=image.scratch, **folders)


def test_two_jobs_that_replace_at_once_leave_one_attestation_at_least(
    run_plugin: PluginRunner, fake_tools: FakeTools, image: Image, key: KeyPair, workspace: Path
) -> None:
    """Each would remove the other's, which came while it was at work."""
    digest = image.push("one")
    attest = key.signing | {"action": "attest", "predicate": "p.json", "predicate-type": SCAN}
    for name, run_ in (("p.json", "0"), ("other.json", "of another job")):
        (workspace / name).write_text(json.dumps({"run": run_}))
    run_plugin(FOLDER, image.inputs | attest).passed()
    (workspace / "p.json").write_text(json.dumps({"run": "1"}))
    cosign = shutil.which("cosign")
    twice = 'case " $* " in *" p.json "*) mv other.json p.json; exec "$cosign" "$@";; esac'
    fake_tools.add("cosign", script=f'cosign={cosign}; "$cosign" "$@" || exit $?; {twice}; exit')
    run_plugin(FOLDER, image.inputs | attest | {"replace": "true", "verify-after-sign": "false"}).passed()
    assert image.attested("cosign", digest, key, SCAN) == ["1", "of another job"]


def test_several_images_get_a_provenance_that_names_its_materials(
    run_plugin: PluginRunner, key: KeyPair, tmp_path: Path
) -> None:
    def push(image: str) -> str:
        (tmp_path / "layer.tar").write_text(image)
        run("crane", "append", "-f", str(tmp_path / "layer.tar"), "-t", image)
        return run("crane", "digest", image)

    with olareg() as address:
        names = [f"{address}/org/app", f"{address}/org/worker"]
        references = [f"{name}@{push(f'{name}:v1')}" for name in names]
        base = f"{address}/base/python:3.13"
        digest = push(base)
        inputs = {"image": "\n".join(f"{name}:v1" for name in names)}
        attest = {"action": "attest", "predicate-type": "slsaprovenance1", "materials": base}
        result = run_plugin(FOLDER, inputs | key.signing | attest).passed()
        assert told(result) == [
            f"==> attested (slsaprovenance1) {each}; verified at the registry" for each in references
        ]
        assert result.outputs["REFERENCES"] == ",".join(references)
        (tmp_path / "cosign.pub").write_text(key.public)
        trust = ("--insecure-ignore-tlog", "--key", str(tmp_path / "cosign.pub"))
        for name, each in zip(names, references, strict=True):
            done = run(
                *("cosign", "verify-attestation", *trust, "--type", "slsaprovenance1", each),
                TUF_ROOT=str(tmp_path / "tuf"),
            )
            made = json.loads(base64.b64decode(json.loads(done)["payload"]))["predicate"]["buildDefinition"]
            assert made["externalParameters"]["image"] == name
            assert {
                "uri": f"oci://{base}",
                "digest": {"sha256": digest.removeprefix("sha256:")},
            } in made["resolvedDependencies"]
        demand = key.verifying | {"action": "verify-attestation", "predicate-type": "slsaprovenance1"}
        run_plugin(FOLDER, inputs | demand).passed()
        push(f"{names[1]}:v2")
        run_plugin(FOLDER, demand | {"image": f"{names[0]}:v1 {names[1]}:v2"}).exited(1)


def test_files_are_signed_and_attested_each_with_its_bundle_beside_it(
    run_plugin: PluginRunner, key: KeyPair, workspace: Path, tmp_path: Path
) -> None:
    (workspace / "dist").mkdir()
    for name in ("app.tar", "app.zip"):
        (workspace / "dist" / name).write_text(f"content of {name}")
    (workspace / "scan.json").write_text(json.dumps({"run": "7"}))
    files, of_scan = {"files": "dist/app.*"}, {"predicate-type": SCAN}
    verifying, attested = (
        files | key.verifying | {"action": action} for action in ("verify-blob", "verify-blob-attestation")
    )
    run_plugin(FOLDER, verifying).exited(2)  # there is no bundle yet

    signed = run_plugin(FOLDER, files | key.signing | {"action": "sign-blob"}).passed()
    assert signed.changed == {f"dist/app.{each}.sigstore.json" for each in ("tar", "zip")}
    assert told(run_plugin(FOLDER, verifying).passed()) == [
        f"==> verified dist/app.{each}: dist/app.{each}.sigstore.json" for each in ("tar", "zip")
    ]
    (tmp_path / "cosign.pub").write_text(key.public)
    trust = ("--key", str(tmp_path / "cosign.pub"), "--insecure-ignore-tlog")
    run(
        *("cosign", "verify-blob", *trust, "--bundle", "app.tar.sigstore.json", "app.tar"),
        cwd=workspace / "dist",
        TUF_ROOT=str(tmp_path / "tuf"),
    )
    again = run_plugin(FOLDER, files | key.signing | {"action": "sign-blob"}).passed()
    assert again.log.count("is signed already by this signer") == 2
    assert again.changed == frozenset()

    attest = files | key.signing | of_scan | {"action": "attest-blob", "predicate": "scan.json"}
    run_plugin(FOLDER, attest).passed()
    again = run_plugin(FOLDER, attest).passed()
    assert again.log.count("already by this signer") == 2
    assert len(told(run_plugin(FOLDER, attested | of_scan).passed())) == 2
    run_plugin(FOLDER, attested | {"predicate-type": "https://example.com/other"}).exited(1)

    # However it is spelt: cosign reads both names, and passes over what is null.
    bundle = json.loads((workspace / "dist" / f"app.zip.custom{BUNDLE}").read_text())
    envelope = bundle.pop("dsseEnvelope")
    (workspace / "one").write_bytes((workspace / "dist" / "app.zip").read_bytes())
    for disguised in ({"dsse_envelope": envelope}, {"dsseEnvelope": envelope, "messageSignature": None}):
        (workspace / f"one{BUNDLE}").write_text(json.dumps(bundle | disguised))
        (line,) = run_plugin(FOLDER, verifying | {"files": "one"}).exited(1).errors
        assert line.endswith("is an attestation, and no signature")

    (workspace / "dist" / "app.zip").write_text("Content of app.zip")  # one byte
    for demand in (verifying, attested | of_scan):
        refused = run_plugin(FOLDER, demand).exited(1)
        assert refused.errors[-1].startswith("not verified: dist/app.zip")


def test_a_key_may_be_a_file_of_the_workspace(
    run_plugin: PluginRunner, image: Image, key: KeyPair, workspace: Path
) -> None:
    image.push("one")
    (workspace / "cosign.key").write_text(key.private)
    (workspace / "cosign.pub").write_text(key.public)
    password = {"key-password": PASSWORD, "tlog": "false"}
    run_plugin(FOLDER, image.inputs | password | {"key": "cosign.key"}, secrets={"KEY": key.private}).passed()
    run_plugin(FOLDER, image.inputs | {"action": "verify", "key": "cosign.pub", "tlog": "false"}).passed()


def test_verifying_with_the_private_key_works_and_warns(
    run_plugin: PluginRunner, image: Image, key: KeyPair
) -> None:
    image.push("one")
    run_plugin(FOLDER, image.inputs | key.signing).passed()
    result = run_plugin(FOLDER, image.inputs | key.signing | {"action": "verify"}).passed()
    assert result.warnings == ("verifying needs only the public key; keep the private one out of this job",)


@pytest.mark.parametrize("password", ["none of hers", None])
def test_a_wrong_or_missing_password_does_not_prompt_and_publishes_nothing(
    run_plugin: PluginRunner, image: Image, key: KeyPair, password: str | None
) -> None:
    image.push("one")
    before = image.tags()
    inputs = image.inputs | key.signing
    del inputs["key-password"]
    result = run_plugin(FOLDER, inputs | ({"key-password": password} if password else {})).exited(2)
    assert result.errors[0] == "with.key-password: does not open the key; is it that key's password?"
    assert image.tags() == before


def test_verification_after_signing_can_be_turned_off(
    run_plugin: PluginRunner, image: Image, key: KeyPair
) -> None:
    digest = image.push("one")
    result = run_plugin(FOLDER, image.inputs | key.signing | {"verify-after-sign": "false"}).passed()
    assert told(result) == [f"==> signed {image.repository}@{digest}"]
    assert [call.argv[0] for call in result.calls] == ["public-key", "sign"]


def test_an_image_that_is_not_there_is_no_finding(
    run_plugin: PluginRunner, image: Image, key: KeyPair
) -> None:
    result = run_plugin(FOLDER, image.inputs | key.verifying).exited(3)
    assert "not found" in result.errors[-1]


def test_without_a_way_to_the_public_sigstore_the_ways_out_are_named(
    run_plugin: PluginRunner, image: Image, key: KeyPair
) -> None:
    image.push("one")
    before = image.tags()
    closed = {"TUF_MIRROR": "http://127.0.0.1:9"}
    result = run_plugin(FOLDER, image.inputs | key.signing | {"tlog": "true"}, env=closed).exited(3)
    assert 'tlog: "false" does without' in result.errors[-1]
    assert image.tags() == before


def token() -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = {"iss": "https://ci.example", "sub": "project:x", "aud": "sigstore", "exp": time.time() + 600}
    return f"{part({'alg': 'RS256'})}.{part(claims)}.{part('canary signature')}"


@pytest.mark.parametrize("given", ["input", "job"])
def test_a_token_is_seen_by_cosign_alone(
    run_plugin: PluginRunner, image: Image, workspace: Path, gocdnext_web: LocalWeb, given: str
) -> None:
    """The authority refuses: cosign fails while it holds the token, and says so at length."""
    gocdnext_web.answer(status=400, body=b"the authority refuses")
    image.push("one")
    (workspace / "root.json").write_text(json.dumps(NOBODY))
    inputs = image.inputs | {
        "trusted-root": "root.json",
        "fulcio-url": gocdnext_web.url,
        "rekor-url": gocdnext_web.url,
    }
    canary = {"SIGSTORE_ID_TOKEN": token()} if given == "job" else {}
    inputs |= {} if given == "job" else {"identity-token": token()}
    result = run_plugin(FOLDER, inputs, secrets=canary).exited(3)
    assert "the authority refuses" in result.log
    assert result.call("cosign", "sign").environ >= {"SIGSTORE_ID_TOKEN"}
    assert result.changed == frozenset()


@pytest.mark.parametrize(
    "service",
    [
        "fulcio-url",
        *(pytest.param(each, marks=pytest.mark.soak) for each in ("rekor-url", "timestamp-server-url")),
    ],
)
def test_a_service_that_names_a_time_is_not_asked_before(
    run_plugin: PluginRunner, key: KeyPair, workspace: Path, service: str
) -> None:
    """It answers 429, and says when to come again to who asks how it is; then it refuses."""
    posted: list[float] = []
    told: list[float] = []

    def answer(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if headers.get("user-agent", "").startswith("gocdnext"):
            told.append(time.monotonic())
            return (429, None, {"Retry-After": "3"}) if len(told) == 1 else (200, {})
        posted.append(time.monotonic())
        return (400, {"message": "no"}) if told else (429, None)

    (workspace / "root.json").write_text(json.dumps(NOBODY))
    (workspace / "app.tar").write_text("content")
    with answering(answer) as url:
        by = {"identity-token": token()} if service == "fulcio-url" else key.signing
        inputs = {"action": "sign-blob", "files": "app.tar", "trusted-root": "root.json", service: url}
        inputs |= {"rekor-url": url} if service == "fulcio-url" else {}
        log = "false" if service == "timestamp-server-url" else "true"
        run_plugin(FOLDER, by | inputs | {"tlog": log}).exited(3)
    asked = told[0]
    assert min(posted) < asked
    assert min(each for each in posted if each > asked) - asked >= 3


@pytest.mark.soak
def test_a_registry_that_names_a_time_is_not_written_to_before(
    run_plugin: PluginRunner, key: KeyPair, tmp_path: Path
) -> None:
    (tmp_path / "layer.tar").write_text("content")
    with olareg() as upstream, later(Upstream(upstream), seconds=3) as registry:
        run("crane", "append", "-f", str(tmp_path / "layer.tar"), "-t", f"{upstream}/org/app:v1")
        run_plugin(FOLDER, {"image": f"{registry.address}/org/app:v1"} | key.signing).passed()
    assert registry.written - registry.told >= 3


def test_a_signing_config_is_what_cosign_would_have_written(tmp_path: Path) -> None:
    begin = "start-time=1970-01-01T00:00:00Z"
    run(
        *("cosign", "signing-config", "create", "--out", str(tmp_path / "config.json")),
        *("--fulcio", f"url=https://fulcio.example,api-version=1,operator=fulcio.example,{begin}"),
        *("--oidc-provider", f"url=https://ci.example,api-version=1,operator=ci.example,{begin}"),
        *("--rekor", f"url=https://rekor.example,api-version=2,operator=rekor.example,{begin}"),
        *("--rekor-config", "ANY"),
        *("--tsa", f"url=https://tsa.example/api/v1/timestamp,api-version=1,operator=tsa.example,{begin}"),
        *("--tsa-config", "ANY"),
    )
    assert json.loads((tmp_path / "config.json").read_text()) == signing_config(
        fulcio="https://fulcio.example",
        oidc="https://ci.example",
        rekor="https://rekor.example",
        rekor_version=2,
        tsa="https://tsa.example/api/v1/timestamp",
    )


def planned() -> dict[str, set[str]]:
    """Return every flag the plugin can emit, by cosign's command."""
    flags: dict[str, set[str]] = {"public-key": {"--key"}}
    subject = MODULE.Reference.parse("ghcr.io/org/app@sha256:" + "a" * 64)
    for action, keyed in product(("sign", "attest"), (True, False)):
        environ = {
            "PLUGIN_IMAGE": str(subject),
            "PLUGIN_ACTION": action,
            "PLUGIN_PREDICATE": "README.md" if action == "attest" else "",
            "PLUGIN_ANNOTATIONS": "a=b" if action == "sign" else "",
            "PLUGIN_KEY" if keyed else "PLUGIN_IDENTITY_TOKEN": "awskms:///x" if keyed else token(),
        }
        inputs: Any = read_inputs(PLUGIN.inputs, environ)
        signer = MODULE.Signer(inputs, SigningTool(Any, Any, inputs.key), "config", "root")
        for form in ("bundle", "legacy"):
            argv = signer.command(form, [subject], "p.json" if action == "attest" else None)
            flags.setdefault(action, set()).update(word for word in argv if word.startswith("--"))
        blob = inputs.model_copy(update={"action": f"{action}-blob"})
        argv = MODULE.Signer(blob, signer.cosign, "config", "root").blob_command("file", "bundle.json")
        flags.setdefault(f"{action}-blob", set()).update(word for word in argv if word.startswith("--"))
    everything = [
        Policy(key="k", trusted_root="r", tlog=False),
        Policy(identity="i", issuer="s", trusted_root="r", tlog=False, sct=False),
        Policy(identity_regexp="i", issuer_regexp="s", form="legacy"),
    ]
    shared = {word for each in everything for word in each.argv() if word.startswith("--")}
    flags["verify"] = shared | {"--output", "--annotations"}
    flags["verify-attestation"] = shared | {"--type"}
    of_files = {each for each in shared if "=" not in each} | {"--bundle"}
    flags["verify-blob"] = of_files
    flags["verify-blob-attestation"] = of_files | {"--type", "--digest", "--digestAlg"}
    return flags


def test_on_the_users_machine_too_only_a_signature_counts(
    tmp_path: Path, key: KeyPair, new_key: Callable[[], KeyPair]
) -> None:
    """What `verify-images` and `make check-pins` ask, by key, since no Sigstore is in reach."""
    for name, content in (("key", key.private), ("pub", key.public), ("other", new_key().public)):
        (tmp_path / name).write_text(content)
    config, predicate, layer = (tmp_path / each for each in ("config.json", "sbom.json", "layer.tar"))
    config.write_text(json.dumps({"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json"}))
    predicate.write_text('{"spdxVersion": "SPDX-2.3"}')
    by_key = ("--yes", "--key", str(tmp_path / "key"), "--allow-http-registry")
    bundle = ("--signing-config", str(config))
    older = ("--new-bundle-format=false", "--use-signing-config=false", "--tlog-upload=false")
    attest = ("attest", *by_key, *bundle, "--predicate", str(predicate), "--type", "spdxjson")
    policy, stranger = (
        Policy(key=str(tmp_path / name), tlog=False, insecure=True) for name in ("pub", "other")
    )
    with olareg() as address:

        def image(*calls: Sequence[str]) -> Reference:
            with tarfile.open(layer, "w") as archive:
                entry = tarfile.TarInfo("calls")
                entry.size = len(text := repr(calls).encode())
                archive.addfile(entry, io.BytesIO(text))
            pushed = Reference.parse(run("crane", "append", "-f", str(layer), "-t", f"{address}/app:1"))
            for call in calls:
                run("cosign", *call, str(pushed), COSIGN_PASSWORD=PASSWORD)
            return pushed

        for signed in (
            image(("sign", *by_key, *bundle)),
            image(attest, ("sign", *by_key, *bundle)),
            image(attest, ("sign", *by_key, *older)),
        ):
            assert unsigned("cosign", policy, signed) == ""
            assert unsigned("cosign", stranger, signed).startswith("no matching ")
        attested = image(attest)
        run("cosign", "verify", *policy.argv(), str(attested))  # which is why its exit code is not enough
        assert unsigned("cosign", policy, attested).endswith("attestations by this signer, but no signature")
        assert unsigned("cosign", policy, image()) == "no signatures found"


def test_every_flag_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER.parents[1])
    for command, flags in planned().items():
        known = set(re.findall(r"--[a-z][a-zA-Z0-9-]+", run("cosign", command, "--help")))
        assert flags, command
        for flag in flags - known:  # deprecated ones are not in the help; unknown ones are errors
            name, equals, value = flag.partition("=")
            run("cosign", command, f"{name}={value if equals else 'x'}", "--help")
    with pytest.raises(AssertionError, match="unknown flag"):
        run("cosign", "sign", "--no-such-flag=x", "--help")
