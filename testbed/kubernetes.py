"""A real Kubernetes in a container of the engine, one node with its control plane: ``make test-kubernetes``.

It has a Docker network of its own, and what it changes in the kernel is in the namespaces of that container.
Its four parts are one program that Go builds; the rest is of Debian.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import ssl
import subprocess
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed import engine, images, tools
from testbed.cache import SetupError, arriving, cache_dir, lock, run, step
from testbed.debian import bootstrap
from testbed.pins import pins

if TYPE_CHECKING:
    from docker.models.containers import Container

HERE = Path(__file__).with_suffix("")
NAME = f"gocdnext-kubernetes-{images.TAG}"
PAUSE = "localhost/gocdnext-pause:1"
READY_SECONDS = 180
_USERS = {
    "admin": "/O=system:masters/CN=admin",
    "kubelet": "/O=system:nodes/CN=system:node:node1",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
}


def image() -> str:
    """Give the node's image; made if missing, and that of the pods' own namespaces with it."""
    (program,) = tools.get("kubernetes")
    recipe = [repr(pins()["node"]), program.name]
    recipe += [each.read_text() for each in sorted(HERE.iterdir())]
    key = hashlib.sha256("\0".join(recipe).encode()).hexdigest()[:8]
    tag = f"localhost/gocdnext-node:{key}"
    with lock("image-node"):
        if not (images.exists(tag) and images.exists(PAUSE)):
            context = _tree()
            with step("making the image of a Kubernetes node"), tempfile.TemporaryDirectory() as scratch:
                for each in HERE.iterdir():
                    shutil.copy(each, scratch)
                Path(scratch, "node.tar").hardlink_to(context / "node.tar")
                (buildx,) = tools.get("buildx")
                for target, name in (("pause", PAUSE), ("node", tag)):
                    run(
                        *(buildx / "buildx", "build", "--provenance=false", "--progress=plain", "--load"),
                        *("--build-context", f"tool={program}", "--target", target, "--tag", name, scratch),
                        env={**os.environ, "DOCKER_HOST": engine.up()},
                    )
    return tag


def _tree() -> Path:
    """Give the folder with Debian's packages in ``node.tar``."""
    packages = pins()["node"].debian
    target = cache_dir() / "bases" / f"node-{hashlib.sha256(repr(packages).encode()).hexdigest()[:8]}"
    if not target.exists():
        with step("unpacking Debian for a Kubernetes node"), arriving(target) as scratch:
            bootstrap(scratch / "node.tar", packages, "--variant=minbase")
    return target


@dataclass(frozen=True)
class Cluster:
    """A running Kubernetes.

    Args:
        container: the node.
        address: of the node, for this host and for pods.
        keys: a folder with ``ca.pem`` and the certificates and keys of all.
    """

    container: Container
    address: str
    keys: Path

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return f"https://{self.address}:6443"

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Ask the API as an administrator; give what its JSON says, or its text.

        Raises:
            urllib.error.HTTPError: it refuses; the body says why.
        """
        tls = ssl.create_default_context(cafile=str(self.keys / "ca.pem"))
        tls.load_cert_chain(self.keys / "admin.pem", self.keys / "admin.key")
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json, */*"}
        asked = urllib.request.Request(f"{self.server}{path}", data, headers, method=method)
        with urllib.request.urlopen(asked, context=tls, timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if content.startswith(b"{") else content.decode(errors="replace")

    def kubeconfig(self, token: str, namespace: str) -> str:
        """Give the text of a kubeconfig for the holder of a token."""
        authority = base64.b64encode((self.keys / "ca.pem").read_bytes()).decode()
        cluster = {"server": self.server, "certificate-authority-data": authority}
        context = {"cluster": "test", "user": "job", "namespace": namespace}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "job", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": context}],
            "current-context": "test",
        }
        return json.dumps(content)

    def load(self, *names: str) -> None:
        """Give the node images of the engine, each layer once.

        Raises:
            SetupError: there is no such image, or the node does not take it.
        """
        save = ["docker", "save", *names]
        into = ("ctr", "--namespace", "k8s.io", "images", "import", "-")
        take = ["docker", "exec", "--interactive", str(self.container.name), *into]
        with subprocess.Popen(save, env=_docker(), stdout=subprocess.PIPE) as saved:
            done = subprocess.run(
                take, env=_docker(), stdin=saved.stdout, capture_output=True, text=True, check=False
            )
        if saved.returncode or done.returncode:
            raise SetupError(f"the node does not take {', '.join(names)}: {done.stderr.strip()[-500:]}")

    def logs(self) -> str:
        """Give the end of what each part of the node has logged."""
        command = ["sh", "-c", "tail -n 8 /var/log/kubernetes/*"]
        return str(self.container.exec_run(command).output.decode(errors="replace"))


@contextmanager
def running() -> Iterator[Cluster]:
    """Run one as long as the block.

    Raises:
        SetupError: its node is not ready in time; with what its parts say.
    """
    from docker.types import Mount

    tag = image()
    with engine.client(engine.up(), timeout=600) as host, tempfile.TemporaryDirectory() as folder:
        _remove(host)
        host.networks.create(NAME)
        try:
            volumes = ("/var/lib/containerd", "/var/lib/kubelet", "/var/lib/etcd")
            container = host.containers.run(
                tag,
                name=NAME,
                hostname="node1",
                privileged=True,
                cgroupns="private",
                network=NAME,
                tmpfs={"/run": ""},
                mounts=[Mount(each, None, type="volume") for each in volumes],
                detach=True,
            )
            container.reload()
            address = container.attrs["NetworkSettings"]["Networks"][NAME]["IPAddress"]
            cluster = Cluster(container, address, Path(folder))
            _issue(cluster.keys, address)
            with step("starting Kubernetes"):
                _put(container, cluster.keys)
                _wait(cluster)
            cluster.load(PAUSE)
            yield cluster
        finally:
            _remove(host)


def _remove(host: Any) -> None:
    """Remove what a run has left, this one's or that of one that was killed."""
    for container in host.containers.list(all=True, filters={"name": rf"^/{NAME}(-registry)?$"}):
        container.remove(force=True, v=True)
    for network in host.networks.list(names=[NAME]):
        if network.name == NAME:  # the engine looks for names that have it in them
            network.remove()


def _wait(cluster: Cluster) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            node = cluster.request("GET", "/api/v1/nodes/node1")
            account = cluster.request("GET", "/api/v1/namespaces/default/serviceaccounts/default")
        except (OSError, ValueError):
            node, account = {}, {}
        conditions = node.get("status", {}).get("conditions", ())
        if account and any(each["type"] == "Ready" and each["status"] == "True" for each in conditions):
            return
        time.sleep(0.3)
    raise SetupError(f"Kubernetes is not ready after {READY_SECONDS} s:\n{cluster.logs()}")


def _issue(folder: Path, address: str) -> None:
    """Write a CA, and what everybody needs: NAME.pem and NAME.key."""

    def openssl(*argv: str) -> None:
        run("openssl", *argv, cwd=folder)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
    names = f"subjectAltName=IP:{address},IP:127.0.0.1,IP:10.96.0.1,DNS:node1,DNS:kubernetes.default.svc"
    (folder / "names").write_text(f"{names}\n")
    for name, subject in {**_USERS, "apiserver": "/CN=apiserver", "kubelet-server": "/CN=node1"}.items():
        openssl("req", *key, "-subj", subject, "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")
    openssl("genrsa", "-out", "accounts.key", "2048")
    openssl("rsa", "-in", "accounts.key", "-pubout", "-out", "accounts.pub")


def _put(container: Container, keys: Path) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for each in sorted(keys.iterdir()):
            tar.add(each, each.name)
        tar.addfile(tarfile.TarInfo("ready"))
    container.put_archive("/k8s", archive.getvalue())


def _docker() -> Mapping[str, str]:
    return {**os.environ, "DOCKER_HOST": engine.up()}
