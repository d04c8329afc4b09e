"""buildx with BuildKits that run already: two real ones, each for a platform, under mutual TLS."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.soak.proxy import Proxy, dying_login

from gocdnext_sdk import Credential, Credentials, Reference, Registry, RegistryClient, RegistryError, Secret
from gocdnext_sdk.host.harness import LocalRegistry
from gocdnext_sdk.host.testing import PluginRunner
from gocdnext_sdk.runtime.docker_client import connect
from gocdnext_sdk.runtime.polling import poll
from gocdnext_sdk.tools.buildkit.builders import BUILDKIT

FOLDER = Path(__file__).parents[2] / "plugins" / "buildx"
PLATFORMS = ("linux/amd64", "linux/arm64")


class Authority:
    """A CA, and certificates that it signs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._openssl("req", "-x509", *_KEY, "-days", "2", "-subj", "/CN=ca", *_out("ca"))

    def _openssl(self, *argv: str) -> None:
        subprocess.run(["openssl", *argv], cwd=self.folder, check=True, capture_output=True)

    def issue(self, name: str) -> None:
        (self.folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        self._openssl("req", *_KEY, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        self._openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")

    def text(self, file: str) -> str:
        return (self.folder / file).read_text()

    def inputs(self, client: Authority | None = None) -> dict[str, str]:
        """The inputs of a client of this CA; `client` has signed its certificate, if not this one has."""
        signer = client or self
        return {
            "builder-ca": self.text("ca.pem"),
            "builder-cert": signer.text("client.pem"),
            "builder-key": signer.text("client.key"),
        }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def archive(folder: Path, *names: str) -> bytes:
    """Give files of a folder as a tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in names:
            tar.add(folder / name, name)
    return buffer.getvalue()


_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def _out(name: str) -> tuple[str, ...]:
    return "-keyout", f"{name}.key", "-out", f"{name}.pem"


@dataclass(frozen=True)
class Nodes:
    """Two BuildKits on the network of the registry, at ports of this machine."""

    authority: Authority
    stranger: Authority
    containers: tuple[Any, ...]
    ports: tuple[int, ...]

    def builder(self, *ports: int) -> str:
        """The input that names them, or BuildKits at other ports."""
        pairs = zip(ports or self.ports, PLATFORMS, strict=True)
        return "\n".join(f"tcp://127.0.0.1:{port} {platform}" for port, platform in pairs)


@pytest.fixture(scope="module")
def nodes(registry: LocalRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    authority, stranger = (Authority(tmp_path_factory.mktemp("ca")) for _ in range(2))
    for name in ("server", "client"):
        authority.issue(name)
    stranger.issue("client")
    daemon, ports, containers = connect(os.environ), [free_port(), free_port()], []
    try:
        for port, platform in zip(ports, PLATFORMS, strict=True):
            container = daemon.containers.create(
                os.environ.get("BUILDKIT_IMAGE", BUILDKIT),
                [
                    *("--addr", f"tcp://127.0.0.1:{port}", "--oci-worker-platform", platform),
                    *("--tlscacert", "/ca.pem", "--tlscert", "/server.pem", "--tlskey", "/server.key"),
                ],
                privileged=True,
                network_mode="host",
            )
            containers.append(container)
            container.put_archive("/", archive(authority.folder, "ca.pem", "server.pem", "server.key"))
            container.start()
        for container in containers:
            wait_for(container)
        yield Nodes(authority, stranger, tuple(containers), tuple(ports))
    finally:
        for container in containers:
            container.remove(force=True, v=True)


def wait_for(container: Any) -> None:
    assert poll(lambda: b"running server" in container.logs() or None, within=60, every=0.1), container.logs()


class Repository:
    """A new repository, and what is in it."""

    def __init__(self, registry: LocalRegistry, name: str) -> None:
        self.name = name
        self.login = {"username": registry.username, "password": registry.password}
        host = Registry.parse(registry.address)
        login = Credential(host, registry.username, Secret(registry.password))
        self.client = RegistryClient(Credentials([login]))

    def reference(self, version: str) -> Reference:
        return Reference.parse(f"{self.name}{version}")

    @property
    def is_empty(self) -> bool:
        return self.client.find(self.reference(":latest")) is None


@pytest.fixture
def target(registry: LocalRegistry, repository: str) -> Repository:
    return Repository(registry, repository)


@pytest.fixture
def checkout(workspace: Path) -> Path:
    (workspace / "Dockerfile").write_text(
        "FROM scratch\nCOPY Dockerfile /\nARG TARGETARCH\nLABEL on=$TARGETARCH\n"
    )
    return workspace


def test_both_nodes_build_one_image_without_a_daemon(
    run_plugin: PluginRunner, checkout: Path, target: Repository, nodes: Nodes
) -> None:
    with_ = {
        "image": target.name,
        "tags": "latest",
        "builder": nodes.builder(),
        "annotations": "index:org.opencontainers.image.description=From two nodes",
        **nodes.authority.inputs(),
        **target.login,
    }
    result = run_plugin(FOLDER, with_).passed()
    image = target.reference(f"@{result.outputs['DIGEST']}")
    assert target.client.resolve(target.reference(":latest")).digest == image.digest
    assert {each.platform for each in target.client.platforms(image)} == set(PLATFORMS)
    assert sum(each.is_attestation for each in target.client.children(image)) == 2


def test_why_a_candidate_of_two_nodes_is_refused(
    checkout: Path, target: Repository, nodes: Nodes, tmp_path: Path
) -> None:
    """When buildx gives it no tag any more, the plugin can take it."""
    pair = base64.b64encode(":".join(target.login.values()).encode()).decode()
    auths = {"auths": {target.name.partition("/")[0]: {"auth": pair}}}
    (tmp_path / "config.json").write_text(json.dumps(auths))
    environ = {**os.environ, "BUILDX_CONFIG": str(tmp_path / "buildx"), "DOCKER_CONFIG": str(tmp_path)}

    def buildx(*argv: str) -> None:
        done = subprocess.run(["buildx", *argv], env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    keys = nodes.authority.folder
    tls = f"cacert={keys}/ca.pem,cert={keys}/client.pem,key={keys}/client.key"
    for number, (port, platform) in enumerate(zip(nodes.ports, PLATFORMS, strict=True)):
        more = ["--append"] if number else []
        address = f"tcp://127.0.0.1:{port}"
        node = ["--driver", "remote", "--node", f"node{number}", "--platform", platform, "--driver-opt", tls]
        buildx("create", "--name", "two", *more, *node, address)
    output = f"type=image,name={target.name},push-by-digest=true,name-canonical=true,push=true"
    buildx("build", "--builder", "two", "--platform", ",".join(PLATFORMS), "--output", output, str(checkout))
    assert target.client.find(target.reference(":latest")) is not None


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        ("down", "nothing listens at tcp://127.0.0.1:{1}"),
        ("both down", "nothing listens at tcp://127.0.0.1:{0}; nothing listens at tcp://127.0.0.1:{1}"),
        ("a client of another CA", "tcp://127.0.0.1:{0} does not know the CA of builder-cert"),
        ("the CA of another", "tcp://127.0.0.1:{0} has a certificate that is not trusted"),
        ("no certificate", "tcp://127.0.0.1:{0} does not talk to a client without TLS"),
        (
            "another's key",
            "are no TLS material: key values mismatch",
        ),
        ("no BuildKit", "tcp://127.0.0.1:{1} does not speak TLS"),
    ],
)
def test_a_node_that_cannot_be_used_is_named_at_once(
    run_plugin: PluginRunner,
    checkout: Path,
    target: Repository,
    nodes: Nodes,
    registry: LocalRegistry,
    fault: str,
    what: str,
) -> None:
    ports = list(nodes.ports)
    tls = nodes.authority.inputs()
    match fault:
        case "down":
            ports[1] = free_port()
        case "both down":
            ports = [free_port(), free_port()]
        case "a client of another CA":
            tls = nodes.authority.inputs(nodes.stranger)
        case "the CA of another":
            tls = nodes.stranger.inputs(nodes.authority)
        case "no certificate":
            tls = {}
        case "another's key":
            tls["builder-key"] = nodes.stranger.text("client.key")
        case "no BuildKit":
            ports[1] = int(registry.address.rpartition(":")[2])
    with_ = {"image": target.name, "builder": nodes.builder(*ports), **tls, **target.login}
    started = time.monotonic()
    result = run_plugin(FOLDER, with_).exited(3)
    assert time.monotonic() - started < 15  # buildx alone takes 20 s, and says nothing of it
    assert what.format(*ports) in result.errors[-1], result.errors
    assert "$ buildx" not in result.log
    assert target.is_empty


def test_a_node_that_is_not_needed_may_be_down(
    run_plugin: PluginRunner, checkout: Path, target: Repository, nodes: Nodes
) -> None:
    builder = nodes.builder(nodes.ports[0], free_port())
    with_ = {"image": target.name, "platforms": "linux/amd64", "builder": builder}
    run_plugin(FOLDER, with_ | nodes.authority.inputs() | target.login).passed()
    assert not target.is_empty


def test_a_cluster_that_is_not_there_is_named_and_its_token_stays_in_memory(
    run_plugin: PluginRunner, checkout: Path, target: Repository
) -> None:
    server = f"https://127.0.0.1:{free_port()}"
    cluster = {
        "current-context": "ci",
        "contexts": [{"name": "ci", "context": {"cluster": "c", "user": "robot", "namespace": "builds"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "robot", "user": {"token": "canary-of-the-cluster"}}],
    }
    with_ = {"image": target.name, "driver": "kubernetes", "kubeconfig": json.dumps(cluster), **target.login}
    result = run_plugin(FOLDER, with_).exited(3)
    assert f"starting BuildKit in pods of {server}" in result.errors[-1]
    assert "/namespaces/builds/deployments/" in result.log  # buildx has read the file
    assert not result.leaks
    assert result.changed == frozenset()
    assert target.is_empty


def test_a_password_that_dies_meanwhile_leaves_no_tag(
    run_plugin: PluginRunner, checkout: Path, target: Repository, nodes: Nodes, registry: LocalRegistry
) -> None:
    with Proxy(registry.address, dying_login(), at=None) as proxy:
        image = target.name.replace(registry.address, proxy.address)
        with_ = {"image": image, "builder": nodes.builder(), **nodes.authority.inputs(), **target.login}
        result = run_plugin(FOLDER, with_).exited(3)
    assert re.search("login was refused|refused the credentials", result.errors[-1]), result.log
    assert target.is_empty


def test_a_node_that_is_lost_in_mid_build_leaves_no_tag(
    run_plugin: PluginRunner, checkout: Path, target: Repository, nodes: Nodes
) -> None:
    released = threading.Event()

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            nodes.containers[1].kill()
            released.wait(60)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        slow = f"http://127.0.0.1:{server.server_port}/slow"
        (checkout / "Dockerfile").write_text(f"FROM scratch\nADD {slow} /\n")
        with_ = {"image": target.name, "builder": nodes.builder(), **nodes.authority.inputs(), **target.login}
        try:
            result = run_plugin(FOLDER, with_).exited(3)
        finally:
            released.set()
            server.shutdown()
            nodes.containers[1].start()
            wait_for(nodes.containers[1])
    lost = f"nothing listens at tcp://127.0.0.1:{nodes.ports[1]}) was lost in mid-build"
    assert lost in result.errors[-1]
    with pytest.raises(RegistryError):
        target.client.resolve(target.reference(":latest"))
