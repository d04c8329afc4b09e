"""Jobs as the platform starts them on Kubernetes in isolated mode: one pod a job.

Source: klinux/gocdnext, `agent/internal/engine/kubernetes_isolated.go` and `agent/internal/runner/prep.go`.
What its own images do, which cannot be had here, a Debian with a shell does.
"""

from __future__ import annotations

import base64
import secrets
import time
import urllib.error
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from testbed.kubernetes import Cluster

from gocdnext_sdk.contract import outputs
from gocdnext_sdk.contract.keys import PREFIX, isolated_key

WORKSPACE = "/workspace"
CHECKOUT = f"{WORKSPACE}/src/12345678"
OUTPUTS = ".gocdnext/outputs/job.env"
NOBODY = 65532
"""The user of a pod that may not be root."""

RESTRICTED: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": NOBODY,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What the policy `restricted` demands of each container; the platform's own pods do not have it."""

_PREP = f"""
set -e
mkdir -p {CHECKOUT}/.gocdnext/outputs
shopt -s nullglob
for file in /etc/gocdnext/checkout/*; do cp -L "$file" {CHECKOUT}/; done
: > {CHECKOUT}/{OUTPUTS}
chmod 0777 {CHECKOUT}/.gocdnext {CHECKOUT}/.gocdnext/outputs
chmod 0666 {CHECKOUT}/{OUTPUTS}
"""
_RUN_DIND = {"name": "run-dind", "mountPath": "/run/dind"}
_SOCKET = f"{_RUN_DIND['mountPath']}/docker.sock"
_HOUSEKEEPER = "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"


def daemon(image: str, registry: str) -> Mapping[str, Any]:
    """Give the container with a daemon that a job with `docker: true` has beside it.

    It is privileged, and keeps images as `docker:24` does.

    Args:
        image: has dockerd.
        registry: an address at which it speaks plain http.
    """
    dockerd = f"dockerd --host=unix://{_SOCKET} --storage-driver=overlay2 --insecure-registry={registry}"
    ready = f"until [ -S {_SOCKET} ]; do sleep 0.1; done; chmod 666 {_SOCKET}"
    return {
        "name": "dind",
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["bash", "-c", f"{dockerd} & {ready}; wait"],
        "securityContext": {"privileged": True},
        "volumeMounts": [_RUN_DIND, {"name": "docker", "mountPath": "/var/lib/docker"}],
    }


class Refused(Exception):
    """The cluster does not take a pod."""


@dataclass(frozen=True)
class Ended:
    """How a job ended."""

    code: int
    log: str
    outputs: Mapping[str, str]

    def exited(self, code: int) -> Ended:
        assert self.code == code, f"exit code {self.code} instead of {code}\n{self.log}"
        return self


@dataclass(frozen=True)
class Namespace:
    """A namespace with one of Kubernetes' policies for pods, and the jobs in it.

    Args:
        cluster: the cluster.
        name: of the namespace.
        shell: the image of what the platform runs beside the plugin.
    """

    cluster: Cluster
    name: str
    shell: str = field(repr=False)

    def run(
        self,
        image: str,
        with_: Mapping[str, str],
        *,
        files: Mapping[str, str] | None = None,
        context: Mapping[str, Any] | None = None,
        daemon: Mapping[str, Any] | None = None,
        writable: Iterable[str] = (),
    ) -> Ended:
        """Run a job to its end.

        Args:
            image: the plugin's.
            with_: its inputs.
            files: the checkout: names and contents.
            context: the security context of each container; the volume is the pod's own then, which its group
                may write to.
            daemon: the container with a daemon beside it, where the job has `docker: true`.
            writable: directories of the plugin's container that are volumes of their own.

        Raises:
            Refused: the cluster does not take the pod, with its reason.
        """
        name = f"job-{secrets.token_hex(4)}"
        content = {key: base64.b64encode(text.encode()).decode() for key, text in (files or {}).items()}
        base = f"/api/v1/namespaces/{self.name}"
        self.cluster.request("POST", f"{base}/secrets", {"metadata": {"name": name}, "data": content})
        job = self._pod(name, image, with_, context, daemon, writable)
        try:
            created = self.cluster.request("POST", f"{base}/pods", job)
        except urllib.error.HTTPError as error:
            raise Refused(error.read().decode()) from None
        pod = f"{base}/pods/{name}"
        try:
            code = self._wait(pod)
            log = self.cluster.request("GET", f"{pod}/log?container=task")
            return Ended(code, log, self._outputs(name, created["metadata"]["uid"]))
        finally:
            with suppress(urllib.error.HTTPError):
                self.cluster.request("DELETE", f"{pod}?gracePeriodSeconds=0")

    def _pod(
        self,
        name: str,
        image: str,
        with_: Mapping[str, str],
        context: Mapping[str, Any] | None,
        daemon: Mapping[str, Any] | None,
        writable: Iterable[str],
    ) -> dict[str, Any]:
        environ = {
            **{f"{PREFIX}{isolated_key(key)}": value for key, value in with_.items()},
            "CI": "true",
            "GOCDNEXT": "true",
            "GOCDNEXT_OUTPUT_FILE": f"{CHECKOUT}/{OUTPUTS}",
            **({"DOCKER_HOST": f"unix://{_SOCKET}"} if daemon else {}),
        }
        mount = {"name": "workspace", "mountPath": WORKSPACE}
        own = {"securityContext": dict(context)} if context else {}
        helper = {"image": self.shell, "imagePullPolicy": "Never", "workingDir": WORKSPACE, **own}
        claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        volume = {"emptyDir": {}} if context else {"ephemeral": {"volumeClaimTemplate": {"spec": claim}}}
        own_places = [
            {"name": f"writable-{number}", "mountPath": path} for number, path in enumerate(writable)
        ]
        empty = [*own_places, *(daemon["volumeMounts"] if daemon else ())]
        task = {
            "name": "task",
            "image": image,
            "imagePullPolicy": "Never",
            "workingDir": CHECKOUT,
            "env": [{"name": key, "value": value} for key, value in environ.items()],
            "volumeMounts": [mount, *own_places, *([_RUN_DIND] if daemon else ())],
            **own,
        }
        assignment = {"name": "assignment", "mountPath": "/etc/gocdnext/checkout"}
        prep = {
            **helper,
            "name": "prep",
            "command": ["bash", "-c", _PREP],
            "volumeMounts": [mount, assignment],
        }
        housekeeper = {
            **helper,
            "name": "housekeeper",
            "command": ["bash", "-c", _HOUSEKEEPER],
            "volumeMounts": [mount],
        }
        return {
            "metadata": {"name": name},
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": False,
                **({"securityContext": {"fsGroup": NOBODY}} if context else {}),
                "volumes": [
                    {"name": "workspace", **volume},
                    {"name": "assignment", "secret": {"secretName": name, "defaultMode": 0o444}},
                    *({"name": each["name"], "emptyDir": {}} for each in empty),
                ],
                "initContainers": [prep],
                "containers": [task, housekeeper, *([daemon] if daemon else ())],
            },
        }

    def _wait(self, pod: str) -> int:
        """Return the exit code of the plugin's container."""
        deadline = time.monotonic() + 240
        status: Any = None
        while time.monotonic() < deadline:
            status = self.cluster.request("GET", pod)["status"]
            for each in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
                ended = each["state"].get("terminated")
                if ended and (each["name"] == "task" or ended["exitCode"]):
                    assert each["name"] == "task", f"{each['name']}: {ended}"
                    return int(ended["exitCode"])
            time.sleep(0.2)
        raise AssertionError(f"the pod does not end: {status}\n{self.cluster.logs()}")

    def _outputs(self, name: str, uid: str) -> Mapping[str, str]:
        """Return what the job has written to its output file, which the node sees."""
        found = self.cluster.container.exec_run(["cat", f"{self._volume(name, uid)}/src/12345678/{OUTPUTS}"])
        return outputs.parse(found.output) if found.exit_code == 0 else {}

    def _volume(self, name: str, uid: str) -> str:
        """Return the directory of the node that a pod has at `WORKSPACE`."""
        claims = f"/api/v1/namespaces/{self.name}/persistentvolumeclaims/{name}-workspace"
        try:
            volume = self.cluster.request("GET", claims)["spec"]["volumeName"]
        except urllib.error.HTTPError:
            return f"/var/lib/kubelet/pods/{uid}/volumes/kubernetes.io~empty-dir/workspace"
        found = self.cluster.request("GET", f"/api/v1/persistentvolumes/{volume}")
        return str(found["spec"]["hostPath"]["path"])
