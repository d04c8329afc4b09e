"""Keyless signing with the real cosign, transparency log and timestamp authority, and what it must catch."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
import pytest
import urllib3
from testbed import checking
from testbed.images import plugin_tag
from testbed.pins import Pin
from tests.bodies import body_of
from tests.identities import JOB

from gocdnext_sdk import Reference, RegistryClient
from gocdnext_sdk.contract.id_tokens import LIFETIME, claims
from gocdnext_sdk.host.harness import LocalRegistry, RunOptions, RunReport, Session, run_pipeline
from gocdnext_sdk.host.harness.engine.docker import DockerEngine
from gocdnext_sdk.host.harness.engine.interface import OWNER_LABEL, RUN_LABEL
from gocdnext_sdk.host.harness.local_sigstore import LocalSigstore
from gocdnext_sdk.host.pipeline import Revision, Run
from gocdnext_sdk.host.testing import PluginRunner, Result
from gocdnext_sdk.oci.credentials import Credential, Credentials
from gocdnext_sdk.oci.descriptor import OCI_INDEX, OCI_MANIFEST, Descriptor, digest_of
from gocdnext_sdk.oci.reference import Registry
from gocdnext_sdk.secret import Secret
from local_sigstore.tokens import Issuer

ROOT = Path(__file__).resolve().parents[2]
COSIGN = ROOT / "plugins" / "cosign"
PIPELINES = ROOT / "examples" / "keyless" / ".gocdnext"
MAIN = Run(revision=Revision(sha="a" * 40, branch="main"), cause="webhook")
ISSUER = "http://gocdnext.test"
SIGNER = f"{ISSUER}/shop/release@branch/main"


def login(registry: LocalRegistry) -> dict[str, str]:
    return {"username": registry.username, "password": registry.password}


def docker_config(folder: Path, registry: LocalRegistry) -> dict[str, str]:
    """Return the variable by which tools of the test's own log in."""
    folder.mkdir(parents=True, exist_ok=True)
    pair = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {registry.address: {"auth": pair}}}))
    return {"DOCKER_CONFIG": str(folder)}


def push(folder: Path, registry: LocalRegistry, image: str) -> Reference:
    """Push an image whose only file holds its name."""
    environ = {**os.environ, **docker_config(folder, registry)}
    layer = folder / "layer.tar"
    with tarfile.open(layer, "w") as archive:
        entry = tarfile.TarInfo("name")
        entry.size = len(image.encode())
        archive.addfile(entry, io.BytesIO(image.encode()))
    argv = ["crane", "append", "--new_layer", str(layer), "--new_tag", image]
    subprocess.run(argv, env=environ, check=True, capture_output=True)
    done = subprocess.run(["crane", "digest", image], env=environ, check=True, capture_output=True, text=True)
    return Reference.parse(image).with_digest(done.stdout.strip())


def verified_by_cosign(
    folder: Path, registry: LocalRegistry, sigstore: LocalSigstore, image: str, signer: str
) -> bool:
    """Ask cosign, not the plugin, on this machine: no service of the Sigstore is in reach from here."""
    environ = {**os.environ, **docker_config(folder, registry)}
    root = folder / "trusted-root.json"
    root.write_text(json.dumps(sigstore.trusted_root))
    expected = ("--certificate-identity", signer, "--certificate-oidc-issuer", sigstore.issuer)
    argv = ("cosign", "verify", "--trusted-root", root, "--insecure-ignore-sct", *expected, image)
    return subprocess.run(argv, env=environ, capture_output=True, check=False).returncode == 0


# The example, from the build to the promotion.


def start_olareg(session: Session) -> LocalRegistry:
    """Start olareg, which has the referrers API, as the harness starts its registry; it takes any login."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    registry = LocalRegistry(session.name("olareg"), port, "anybody", "any-password-1")
    session.engine.create_network(registry.container, session.labels)
    binary = shutil.which("olareg")
    assert binary, "olareg is not on PATH"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(binary, "olareg")
    engine = docker.from_env()
    try:
        container = engine.containers.create(
            os.environ["GOCDNEXT_REGISTRY_IMAGE"],
            ["serve", "--port", str(port), "--store-type", "mem"],
            entrypoint=["/olareg"],
            name=registry.container,
            labels=dict(session.labels),
            network=registry.container,
            extra_hosts={"host.docker.internal": "host-gateway"},
            ports={f"{port}/tcp": ("127.0.0.1", port)},
        )
        container.put_archive("/", packed.getvalue())
        container.start()
    finally:
        engine.close()
    connection = urllib3.HTTPConnectionPool("127.0.0.1", port, retries=urllib3.Retry(8, backoff_factor=0.05))
    assert connection.request("GET", "/v2/").status == 200
    connection.close()
    return registry


STARTS: Mapping[str, Callable[[Session], LocalRegistry]] = {
    "distribution": Session.start_registry,
    "olareg": start_olareg,
}


@pytest.mark.parametrize("kind", ["olareg", pytest.param("distribution", marks=pytest.mark.soak)])
def test_the_example_signs_verifies_and_promotes_with_or_without_the_referrers_api(
    kind: str, tmp_path: Path
) -> None:
    with Session(DockerEngine()) as session:
        registry = STARTS[kind](session)
        sigstore = session.start_sigstore(registry.network)
        account = {"REGISTRY_USERNAME": registry.username, "REGISTRY_PASSWORD": registry.password}
        database = f"{registry.address}/trivy/db:2"
        argv = [sys.executable, "-m", "testbed", "trivy-db", "push", database]
        subprocess.run(argv, cwd=ROOT, env={**os.environ, **account}, check=True, capture_output=True)
        options = RunOptions(
            registry=registry,
            sigstore=sigstore,
            use_images=images("buildx", "trivy", "cosign"),
            variables={"BASE": os.environ["BASE"], "TRIVY_DB": database},
            run=MAIN,
            workspace=PIPELINES.parent,
        )
        release = PIPELINES / "release.yaml"
        if kind == "olareg":
            # It answers a push without a digest, which containerd before 2.0 (in Docker before 29) demands.
            # A BuildKit in a container has a newer one, and sees no image of the engine's.
            lines = ("driver-opts: network=host", f"buildkit-image: {os.environ['BUILDKIT_IMAGE']}")
            text = release.read_text()
            release = tmp_path / "release.yaml"
            release.write_text(text.replace("build-args:", "\n      ".join((*lines, "build-args:"))))
            options = replace(options, variables=options.variables | {"BASE": "scratch"})
        released = run_pipeline(release, options, session=session)
        assert [job.status for job in released.jobs] == ["passed"] * 4, texts(released)
        image = Reference.parse(released["build"].outputs["reference"])
        assert released["cosign-verify"].outputs["digest"] == image.digest
        # The index, two platforms, and the provenance of each.
        assert released["cosign-sign"].text.count("==> signed ") == 5

        options = replace(options, use_images=images("docker-push"))
        promoted = run_pipeline(PIPELINES / "promote.yaml", options, session=session)
        assert promoted.passed, texts(promoted)
        target = f"{registry.address}/production/hello@{image.digest}"
        signer = f"{ISSUER}/keyless/release@branch/main"
        assert verified_by_cosign(tmp_path, registry, sigstore, target, signer)
        assert not verified_by_cosign(tmp_path, registry, sigstore, target, f"{signer}-2")


def images(*names: str) -> dict[str, str]:
    return {f"gocdnext-plugin-{name}": plugin_tag(name) for name in names}


def texts(report: RunReport) -> str:
    return "\n".join(f"{job.name} {job.status} {job.reason}\n{job.text}" for job in report.jobs)


# Tampering.


@dataclass(frozen=True)
class Bench:
    """The cosign plugin in its container, on a registry, with a Sigstore."""

    registry: LocalRegistry
    sigstore: LocalSigstore
    run_plugin: PluginRunner
    folder: Path

    def push(self, name: str) -> Reference:
        return push(self.folder, self.registry, f"{self.repository(name)}:1")

    def repository(self, name: str) -> str:
        unique = hashlib.sha256(f"{self.folder}".encode()).hexdigest()[:8]
        return f"{self.registry.address}/keyless-{unique}/{name}"

    def sign(self, image: Reference, token: str | None = None, **inputs: str) -> Result:
        given = {
            "image": str(image),
            "signing-config": json.dumps(self.sigstore.signing_config),
            **self.trusting(self.sigstore.trusted_root),
            **{name.replace("_", "-"): value for name, value in inputs.items()},
        }
        secrets = {"SIGSTORE_ID_TOKEN": token or self.sigstore.token(JOB)}
        return self.run_plugin(COSIGN, given, secrets=secrets, mode="image", network=self.registry.network)

    def verify(
        self,
        image: Reference,
        *,
        signer: str = SIGNER,
        issuer: str = ISSUER,
        root: Mapping[str, Any] | None = None,
    ) -> Result:
        given = {
            "image": str(image),
            "action": "verify",
            "cert-identity": signer,
            "cert-oidc-issuer": issuer,
            **self.trusting(root or self.sigstore.trusted_root),
        }
        return self.run_plugin(COSIGN, given, mode="image", network=self.registry.network)

    def trusting(self, root: Mapping[str, Any]) -> dict[str, str]:
        return {"trusted-root": json.dumps(root), **login(self.registry)}

    def issued(self, **changes: Any) -> str:
        """Return a token of the issuer that states something else."""
        stated = claims(JOB, issuer=ISSUER, audiences=["sigstore"], now=int(time.time()), token_id="1")
        return self.sigstore.key.sign(stated | changes)


@pytest.fixture(scope="module")
def bench(
    registry: LocalRegistry,
    sigstore: LocalSigstore,
    gocdnext_session: Session,
    tmp_path_factory: pytest.TempPathFactory,
) -> Bench:
    folder = tmp_path_factory.mktemp("keyless")
    workspace = folder / "workspace"
    workspace.mkdir()
    runner = PluginRunner(workspace, folder / "private", lambda: gocdnext_session)
    return Bench(registry, sigstore, runner, folder)


@pytest.fixture(scope="module")
def signed(bench: Bench) -> Reference:
    """An image that the release pipeline signed on branch main."""
    image = bench.push("signed")
    bench.sign(image, cert_identity=SIGNER, cert_oidc_issuer=ISSUER).passed()
    return image


@pytest.fixture(scope="module")
def other(gocdnext_session: Session, registry: LocalRegistry) -> LocalSigstore:
    """Another Sigstore, with other keys and another issuer."""
    return gocdnext_session.start_sigstore(registry.network, "other.test")


def test_what_is_signed_is_accepted(bench: Bench, signed: Reference) -> None:
    bench.verify(signed).passed()


def test_what_this_identity_has_signed_is_not_signed_again(bench: Bench, signed: Reference) -> None:
    again = bench.sign(signed, cert_identity=SIGNER, cert_oidc_issuer=ISSUER).passed()
    assert f"{signed} is signed already by this signer; nothing was added" in again.log


def test_another_identity_is_not_accepted(bench: Bench, signed: Reference) -> None:
    refused = bench.verify(signed, signer=SIGNER.replace("main", "dev")).exited(1)
    assert f"not verified: {signed}" in refused.log


def test_the_signature_of_a_pinned_image_is_checked_with_the_identity_of_its_pin(
    bench: Bench, signed: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `make check-pins` asks the public Sigstore."""
    monkeypatch.setenv("DOCKER_CONFIG", docker_config(tmp_path, bench.registry)["DOCKER_CONFIG"])
    root = tmp_path / "root.json"
    root.write_text(json.dumps(bench.sigstore.trusted_root))
    pin = Pin("tool", image=str(signed), signer=f"^{re.escape(SIGNER)}$", issuer=ISSUER)

    def asked(pin: Pin) -> str:
        policy = replace(checking.signer(pin), trusted_root=str(root), sct=False)
        return checking.unverified("cosign", policy, pin.image)

    assert asked(pin) == ""
    for other in (replace(pin, signer="^somebody$"), replace(pin, issuer="http://other.test")):
        assert "no matching" in asked(other)
    assert "no " in asked(replace(pin, image=str(bench.push("unsigned-pin"))))


def indexed(bench: Bench, name: str, *attested: str) -> Reference:
    """Push an image of two platforms; those that are named have SBOM and provenance, as from BuildKit."""
    host = Registry.parse(bench.registry.address)
    login = Credential(host, bench.registry.username, Secret(bench.registry.password))
    client, repository, entries = RegistryClient(Credentials([login])), bench.repository(name), []
    for architecture in ("amd64", "arm64"):
        image = push(bench.folder, bench.registry, f"{repository}:{architecture}")
        platform = {"os": "linux", "architecture": architecture}
        entries.append({**described(client.resolve(image)), "platform": platform})
        if architecture in attested:
            about = {"vnd.docker.reference.type": "attestation-manifest"}
            about["vnd.docker.reference.digest"] = str(image.digest)
            statement = described(written(client, image, statement_of(client, image), OCI_MANIFEST))
            unknown = {"os": "unknown", "architecture": "unknown"}
            entries.append({**statement, "platform": unknown, "annotations": about})
    target = Reference.parse(f"{repository}:1")
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    descriptor = written(client, target, index, OCI_INDEX)
    client.tag(target.with_digest(descriptor.digest), "1")
    return target.with_digest(descriptor.digest)


def statement_of(client: RegistryClient, image: Reference) -> dict[str, Any]:
    """Return the manifest of an image's attestation, of which the registry has the blobs."""

    def blob(content: bytes, media_type: str) -> dict[str, Any]:
        client.upload(image, digest_of(content), content)
        return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}

    layers = []
    for predicate in ("https://spdx.dev/Document", "https://slsa.dev/provenance/v1"):
        subject = {"digest": {"sha256": str(image.digest).removeprefix("sha256:")}}
        content = json.dumps({"predicateType": predicate, "subject": [subject]}).encode()
        layer = blob(content, "application/vnd.in-toto+json")
        layers.append({**layer, "annotations": {"in-toto.io/predicate-type": predicate}})
    config = blob(b"{}", "application/vnd.oci.image.config.v1+json")
    return {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers}


def written(client: RegistryClient, image: Reference, content: object, media_type: str) -> Descriptor:
    """Write a manifest or an index beside an image."""
    body = json.dumps(content).encode()
    client.put(image.with_digest(digest_of(body)), body, media_type)
    return Descriptor(digest_of(body), media_type, len(body))


def described(descriptor: Descriptor) -> dict[str, Any]:
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}


def test_verify_images_wants_the_signature_and_the_sbom_and_provenance_of_each_platform(
    bench: Bench, tmp_path: Path
) -> None:
    whole, half = indexed(bench, "whole", "amd64", "arm64"), indexed(bench, "half", "amd64")
    for each in (whole, half):
        bench.sign(each).passed()
    attested = indexed(bench, "attested", "amd64", "arm64")
    predicate = bench.folder / "workspace" / "sbom.json"
    predicate.write_text('{"spdxVersion": "SPDX-2.3"}')
    bench.sign(attested, action="attest", predicate="sbom.json", predicate_type="spdxjson").passed()
    root, pipeline = tmp_path / "root.json", tmp_path / "release.yaml"
    root.write_text(json.dumps(bench.sigstore.trusted_root))
    jobs = {
        "own": {"stage": "a", "uses": f"{whole.name}@1"},
        "shell": {"stage": "a", "image": f"{half.name}:1", "script": ["true"]},
        "attested": {"stage": "a", "uses": f"{attested.name}@1"},
        "stranger": {"stage": "a", "uses": "ghcr.io/stranger/plugin@v1"},
    }

    def ask(signer: str, *names: str) -> tuple[int, str]:
        asked = {name: jobs[name] for name in names}
        pipeline.write_text(json.dumps({"name": "release", "stages": ["a"], "jobs": asked}))
        command = (sys.executable, "-m", "gocdnext_sdk.host.cli", "verify-images", pipeline)
        who = ("--identity", signer, "--issuer", ISSUER, "--trusted-root", root)
        environ = {**os.environ, **docker_config(tmp_path, bench.registry)}
        argv = (*command, *who, "--image", f"{bench.registry.address}/*")
        done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    code, said = ask(SIGNER, "own", "stranger")
    assert (code, said.split()[0]) == (0, "ok")
    assert "not asked  ghcr.io/stranger/plugin:v1" in said
    code, said = ask(f"{SIGNER}-2", "own")
    assert code == 1
    assert "not signed by the one you name" in said
    code, said = ask(SIGNER, "attested")
    assert (code, "attestations by this signer, but no signature" in said) == (1, True)
    code, said = ask(SIGNER, "own", "shell")
    assert code == 1
    assert f"not ok {half.name}:1 is {half.digest}" in said
    assert "no SBOM for linux/arm64" in said
    assert "no provenance for linux/arm64" in said
    assert "linux/amd64" not in said


def test_signing_fails_if_the_certificate_names_another_identity_than_stated(bench: Bench) -> None:
    image = bench.push("stated")
    refused = bench.sign(image, bench.sigstore.token(replace(JOB, ref="dev")), cert_identity=SIGNER).exited(1)
    assert f"not verified: {image}" in refused.log


def test_a_pull_request_from_a_branch_called_main_does_not_sign_as_main(bench: Bench) -> None:
    image = bench.push("fork")
    fork = bench.sigstore.token(replace(JOB, cause="pull_request", pr_number="7"))
    bench.sign(image, fork).passed()
    bench.verify(image).exited(1)
    bench.verify(image, signer=f"{ISSUER}/shop/release@pull_request/7").passed()


def test_another_issuer_is_not_accepted(bench: Bench, signed: Reference) -> None:
    refused = bench.verify(signed, issuer="http://other.test").exited(1)
    assert f"not verified: {signed}" in refused.log


def test_another_issuers_token_gets_no_certificate(bench: Bench, other: LocalSigstore) -> None:
    image = bench.push("other-issuer")
    refused = bench.sign(image, other.token(JOB)).exited(3)
    assert "a key that the issuer does not publish" in refused.log
    stated = bench.sign(image, other.token(JOB), cert_oidc_issuer=ISSUER).exited(2)
    assert f'iss: the token comes from "http://other.test", and the pipeline states "{ISSUER}"' in stated.log
    bench.verify(image).exited(1)


def test_an_expired_token_is_told_before_anything_is_contacted(bench: Bench) -> None:
    image = bench.push("expired")
    refused = bench.sign(image, bench.issued(exp=int(time.time()) - LIFETIME)).exited(2)
    assert "exp: the token expired 60 minutes ago" in refused.log
    assert refused.calls == ()


def test_a_token_that_has_just_expired_gets_no_certificate(bench: Bench) -> None:
    # The plugin allows for clocks that differ by a minute; the authority's clock is what counts.
    image = bench.push("just-expired")
    refused = bench.sign(image, bench.issued(exp=int(time.time()) - 20)).exited(3)
    assert "the token has expired" in refused.log
    bench.verify(image).exited(1)


def test_a_token_for_another_audience_is_told_before_anything_is_contacted(bench: Bench) -> None:
    refused = bench.sign(bench.push("audience"), bench.issued(aud="vault")).exited(2)
    assert 'aud: the token is for "vault", not for "sigstore"' in refused.log
    assert refused.calls == ()


def test_a_token_for_another_audience_gets_no_certificate(bench: Bench) -> None:
    image = bench.push("other-audience")
    refused = bench.sign(image, bench.issued(aud="vault"), oidc_client_id="vault").exited(3)
    assert "the token's aud is not sigstore" in refused.log
    bench.verify(image).exited(1)


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        ("tlogs", "not enough verified log entries"),
        ("certificateAuthorities", "leaf certificate verification failed"),
        ("timestampAuthorities", "failed to verify timestamps"),
    ],
)
def test_a_log_or_an_authority_that_is_not_trusted_proves_nothing(
    bench: Bench, signed: Reference, other: LocalSigstore, service: str, reason: str
) -> None:
    root = {**bench.sigstore.trusted_root, service: other.trusted_root[service]}
    assert reason in bench.verify(signed, root=root).exited(1).log


def test_a_signature_moved_to_another_digest_is_not_accepted(bench: Bench, signed: Reference) -> None:
    image = bench.push("moved")
    manifests = Manifests(bench.registry)
    size = len(manifests.get(image, str(image.digest)))
    index = json.loads(manifests.get(signed, fallback_tag(signed)))
    bundle = json.loads(manifests.get(signed, index["manifests"][0]["digest"]))
    bundle["subject"] |= {"digest": image.digest, "size": size}
    for blob in (bundle["config"], *bundle["layers"]):
        manifests.mount(blob["digest"], signed, image)
    moved = json.dumps(bundle).encode()
    digest = f"sha256:{hashlib.sha256(moved).hexdigest()}"
    manifests.put(image, digest, moved, bundle["mediaType"])
    index["manifests"] = [{**index["manifests"][0], "digest": digest, "size": len(moved)}]
    manifests.put(image, fallback_tag(image), json.dumps(index).encode(), index["mediaType"])
    refused = bench.verify(image).exited(1)
    assert "provided artifact digest does not match any digest in statement" in refused.log


def fallback_tag(image: Reference) -> str:
    """Where a registry without the referrers API lists what refers to `image`."""
    return str(image.digest).replace(":", "-")


class Manifests:
    """A registry's manifests, byte by byte."""

    def __init__(self, registry: LocalRegistry) -> None:
        self._headers = urllib3.make_headers(basic_auth=":".join(login(registry).values()))
        self._base = f"http://{registry.address}/v2"

    def get(self, image: Reference, name: str) -> bytes:
        accept = {
            "Accept": "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"
        }
        return self._ask("GET", f"{image.repository}/manifests/{name}", headers=accept)

    def put(self, image: Reference, name: str, content: bytes, media_type: str) -> None:
        kind = {"Content-Type": media_type}
        self._ask("PUT", f"{image.repository}/manifests/{name}", headers=kind, body=content)

    def mount(self, digest: str, source: Reference, target: Reference) -> None:
        self._ask("POST", f"{target.repository}/blobs/uploads/?mount={digest}&from={source.repository}")

    def _ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, **more: Any) -> bytes:
        with urllib3.PoolManager() as pool:
            answer = pool.request(
                method, f"{self._base}/{path}", headers={**self._headers, **(headers or {})}, **more
            )
            assert answer.status < 300, answer.data
            return answer.data


# The token.


def test_without_a_token_the_job_ends_before_anything_is_started(run_plugin: PluginRunner) -> None:
    ended = run_plugin(COSIGN, {"image": "ghcr.io/org/app:v1"}).exited(2)
    assert "add `id_tokens: {SIGSTORE_ID_TOKEN: {aud: sigstore}}` to the job" in ended.log
    assert ended.calls == ()


@dataclass(frozen=True)
class Request:
    """What a tool sent, and to whom."""

    host: str
    method: str
    path: str
    content: bytes = field(repr=False)


class Recorder(BaseHTTPRequestHandler):
    """A proxy that notes every request; what is addressed to itself is for the registry."""

    requests: list[Request]
    hosts: Mapping[str, str]
    """Registry as clients write it to address; the registry's under the empty name."""

    def forward(self) -> None:
        url = urlsplit(self.path)
        path = url._replace(scheme="", netloc="").geturl()
        body = body_of(self)
        said = f"{self.path}\n{self.headers}\n".encode() + body
        self.requests.append(Request(url.netloc, self.command, path, said))
        headers = {name: value for name, value in self.headers.items() if name not in HOP_BY_HOP}
        connection = HTTPConnection(self.hosts[url.netloc], timeout=30)
        connection.request(self.command, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name not in HOP_BY_HOP:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = forward  # noqa: N815

    def log_message(self, *args: object) -> None:
        pass


HOP_BY_HOP = {"Content-Length", "Transfer-Encoding", "Connection", "Proxy-Connection"}


@contextmanager
def recording(hosts: Mapping[str, str]) -> Iterator[tuple[int, list[Request]]]:
    """Run a recorder on a free port."""
    requests: list[Request] = []
    handler = type("Handler", (Recorder,), {"requests": requests, "hosts": hosts})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, requests
        finally:
            server.shutdown()
            thread.join()


def test_the_token_reaches_the_certificate_authority_and_nobody_else(
    bench: Bench, run_plugin: PluginRunner
) -> None:
    image = bench.push("canary")
    token = bench.issued(canary="canary-0123456789")
    engine = docker.from_env()
    try:
        networks = engine.containers.get(bench.sigstore.container).attrs["NetworkSettings"]["Networks"]
    finally:
        engine.close()
    (address,) = (network["IPAddress"] for network in networks.values())
    host = bench.sigstore.host
    hosts = {host: address, **{f"{host}:{port}": f"{address}:{port}" for port in (3000, 3001)}}
    with recording({**hosts, "": bench.registry.address}) as (port, requests):
        own = str(image).replace(bench.registry.address, f"127.0.0.1:{port}")
        inputs = {"image": own, "signing-config": json.dumps(bench.sigstore.signing_config)}
        result = run_plugin(
            COSIGN,
            inputs | bench.trusting(bench.sigstore.trusted_root),
            secrets={"SIGSTORE_ID_TOKEN": token},
            env={"HTTP_PROXY": f"http://127.0.0.1:{port}"},
        ).passed()  # the token is in no log line, argv, output or file
    assert result.call("cosign", "sign")
    assert {request.host for request in requests} == {*hosts, ""}
    secret = token.rpartition(".")[2].encode()
    carrying = {(each.host, each.path) for each in requests if secret in each.content}
    assert carrying == {(host, "/api/v2/signingCert")}
    assert all(b"canary" not in each.content for each in requests if each.host != host and each.host)


# Local runs.

WHO = """
name: who
stages: [ask]
jobs:
  ask:
    stage: ask
    image: {base}
    id_tokens:
      TOKEN: {{aud: [vault, other]}}
    script:
      - python3 ask.py
"""

ASK = """
import base64, json, os, urllib.request

token = os.environ["TOKEN"]
print("the token is", token)
payload = token.split(".")[1]
issuer = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["iss"]
get = lambda url: json.load(urllib.request.urlopen(url))
keys = get(get(issuer + "/.well-known/openid-configuration")["jwks_uri"])
with open("found.json", "w") as file:
    json.dump({"token": token, "keys": keys}, file)
"""


@dataclass(frozen=True)
class Who:
    """A checkout whose pipeline asks who it is."""

    folder: Path

    def run(self, *options: object) -> tuple[int, str]:
        """Run it by command; return the process's id and the log."""
        pipeline = self.folder / ".gocdnext" / "who.yaml"
        argv = [
            sys.executable,
            "-m",
            "gocdnext_sdk.host.cli",
            "run",
            pipeline,
            "--no-color",
            "--verbose",
            *options,
        ]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            log = process.communicate()[0]
        assert process.returncode == 0, log
        return process.pid, log

    def found(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "found.json").read_text())
        return found


@pytest.fixture
def who(tmp_path: Path) -> Who:
    folder = tmp_path / "checkout"
    (folder / ".gocdnext").mkdir(parents=True)
    (folder / ".gocdnext" / "who.yaml").write_text(WHO.format(base=os.environ["BASE"]))
    (folder / "ask.py").write_text(ASK)
    return Who(folder)


def test_a_local_run_issues_tokens_that_jobs_can_check_and_leaves_nothing_behind(who: Who) -> None:
    pid, log = who.run("--sigstore", "--project", "shop", "--event", "push", "--branch", "main")
    found = who.found()
    assert "the token is ***" in log
    assert found["token"] not in log
    stated = Issuer(ISSUER, found["keys"], audience="vault").verify(found["token"])
    assert stated["aud"] == ["vault", "other"]
    assert stated["sub"] == "project:shop:pipeline:who:ref_type:branch:ref:main"
    assert owned_by(pid) == []


def test_several_runs_share_a_sigstore_until_it_is_stopped(who: Who, tmp_path: Path) -> None:
    shared = tmp_path / "sigstore"
    argv = [sys.executable, "-m", "gocdnext_sdk.host.cli", "sigstore", shared]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if line.startswith("stop it:"):
                break
        try:
            assert "FOR LOCAL USE AND TESTS ONLY" in said
            assert (shared / "running.json").stat().st_mode & 0o077 == 0
            root = json.loads((shared / "trusted-root.json").read_text())
            assert root["tlogs"][0]["baseUrl"] == f"{ISSUER}:3000"
            found = []
            for _ in range(2):
                who.run("--sigstore-at", shared)
                found.append(who.found())
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()
    assert process.returncode == 0
    assert found[0]["keys"] == found[1]["keys"]
    assert found[0]["token"] != found[1]["token"]
    assert not shared.exists()
    assert owned_by(process.pid) == []


def owned_by(pid: int) -> list[str]:
    """Return what a process still has on the engine."""
    engine = docker.APIClient(base_url=os.environ.get("DOCKER_HOST"))
    try:
        filters = {"label": RUN_LABEL}
        found = [
            *engine.containers(all=True, filters=filters),
            *(engine.volumes(filters=filters)["Volumes"] or ()),
            *engine.networks(filters=filters),
        ]
    finally:
        engine.close()
    return [str(each) for each in found if f" {pid} " in f"{each['Labels'][OWNER_LABEL]} "]
