"""A registry whose certificate an authority of its own made: each plugin and tool trusts it by `ca-file`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gocdnext_sdk.host.harness.local_registry import DEFAULT_IMAGE, IMAGE_VARIABLE
from gocdnext_sdk.host.testing import Mode, PluginRunner, Result

PLUGINS = Path(__file__).parents[2] / "plugins"
REGISTRY = "registry.corp:5000"


def docker(*argv: str) -> str:
    done = subprocess.run(["docker", *argv], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def certificates(folder: Path) -> str:
    """Write a certificate of the registry and its key; return that of the authority which made it."""
    now = datetime.now(UTC)

    def certify(name: str, issuer: str, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, each)]) for each in (name, issuer)]
        return (
            x509.CertificateBuilder()
            .subject_name(names[0])
            .issuer_name(names[1])
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
        )

    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certify("corp", "corp", authority.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    )
    leaf = certify("registry.corp", "corp", key.public_key()).add_extension(
        x509.SubjectAlternativeName([x509.DNSName("registry.corp")]), critical=False
    )
    pem = serialization.Encoding.PEM
    (folder / "tls.pem").write_bytes(leaf.sign(authority, hashes.SHA256()).public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "tls.key").write_bytes(private)
    return root.sign(authority, hashes.SHA256()).public_bytes(pem).decode()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A network in which `registry.corp:5000` is such a registry, and the authority's certificate."""
    name, folder = f"gocdnext-test-{uuid4().hex[:8]}", tmp_path_factory.mktemp("tls")
    authority = certificates(folder)
    docker("network", "create", name)
    try:
        image = os.environ.get(IMAGE_VARIABLE) or DEFAULT_IMAGE
        variables = ["REGISTRY_HTTP_ADDR=:5000", "OTEL_TRACES_EXPORTER=none"]
        variables += [
            f"REGISTRY_HTTP_TLS_{what}" for what in ("CERTIFICATE=/tls/tls.pem", "KEY=/tls/tls.key")
        ]
        given = [word for each in variables for word in ("-e", each)]
        alias = ("--network", name, "--network-alias", "registry.corp")
        docker("create", "--name", name, *alias, *given, image)
        docker("cp", str(folder), f"{name}:/tls")
        docker("start", name)
        yield name, authority
    finally:
        subprocess.run(["docker", "rm", "-f", name], capture_output=True, check=False)
        docker("network", "rm", name)


class Job:
    """Runs plugins in their images, in that network, with the certificate in the checkout."""

    def __init__(self, run_plugin: PluginRunner, workspace: Path, network: tuple[str, str]) -> None:
        self.network, self.authority = network
        (workspace / "corp.pem").write_text(self.authority)
        self.run_plugin = run_plugin

    def __call__(self, plugin: str, with_: dict[str, str], ca_file: str | None = "corp.pem") -> Result:
        trusted = {"ca-file": ca_file} if ca_file else {}
        docker_too = plugin == "buildx"
        return self.run_plugin(
            PLUGINS / plugin, with_ | trusted, mode=Mode.IMAGE, network=self.network, docker=docker_too
        )


@pytest.fixture
def job(run_plugin: PluginRunner, workspace: Path, network: tuple[str, str]) -> Job:
    return Job(run_plugin, workspace, network)


@pytest.fixture
def image(job: Job, workspace: Path) -> str:
    """An image in that registry, put there by docker-push."""
    create = ["regctl", "image", "create", "ocidir://image:v1"]
    subprocess.run(create, cwd=workspace, capture_output=True, check=True)
    with_ = {"source": "oci:image:v1", "target": f"{REGISTRY}/team/app-{uuid4().hex[:8]}", "tags": "v1"}
    return job("docker-push", with_).passed().outputs["REFERENCE"]


def test_without_the_input_the_error_names_it(job: Job, image: str) -> None:
    with_ = {"source": f"docker://{image}", "target": f"{REGISTRY}/other/app"}
    (line,) = job("docker-push", with_, None).exited(3).errors
    assert REGISTRY in line
    assert "ca-file" in line


def test_cosign_and_a_promotion_that_demands_its_signature(
    job: Job, image: str, workspace: Path, tmp_path: Path
) -> None:
    environ = {**os.environ, "COSIGN_PASSWORD": "open sesame 1"}
    subprocess.run(
        ["cosign", "generate-key-pair"], cwd=tmp_path, env=environ, capture_output=True, check=True
    )
    signing = {"image": image, "key-password": "open sesame 1", "tlog": "false"}
    signing["key-content"] = (tmp_path / "cosign.key").read_text()
    job("cosign", signing, job.authority).passed()  # the text instead of a path
    (workspace / "cosign.pub").write_text((tmp_path / "cosign.pub").read_text())
    with_ = {"source": image, "target": f"{REGISTRY}/other/app", "verify-key": "cosign.pub", "tlog": "false"}
    job("docker-push", with_).passed()


def test_trivy(job: Job, image: str) -> None:
    job("trivy", {"scan-type": "image", "target": image, "scanners": "secret"}).passed()


@pytest.mark.parametrize("plugin", ["kaniko", "buildx"])
def test_builders_read_and_write_there(job: Job, image: str, workspace: Path, plugin: str) -> None:
    (workspace / "Dockerfile").write_text(f"FROM {image}\nCOPY Dockerfile /\n")
    with_ = {"image": f"{REGISTRY}/built/{plugin}", "tags": "v1", "platforms": "linux/amd64"}
    if plugin == "buildx":
        with_["driver-opts"] = f"network={job.network}"
        if buildkit := os.environ.get("BUILDKIT_IMAGE"):
            with_["buildkit-image"] = buildkit
    assert job(plugin, with_).passed().outputs["DIGEST"]
    # What nobody trusts is not passed over: there is no switch that turns the check off.
    job(plugin, with_, None).exited(3)
