"""buildx with `driver: kubernetes`: BuildKit in a pod for the job, by a kubeconfig that stays in memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from testbed import images
from testbed.kubernetes import Cluster
from tests.kubernetes.pods import RESTRICTED, Namespace

from gocdnext_sdk import Reference, RegistryClient
from gocdnext_sdk.host.testing import PluginRunner
from gocdnext_sdk.runtime.polling import poll
from gocdnext_sdk.tools.buildkit.builders import BUILDKIT

FOLDER = Path(__file__).parents[2] / "plugins" / "buildx"
# The least that buildx needs, measured.
RIGHTS = [
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "create", "delete"]},
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "delete"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]},
]
GROUP = "/apis/rbac.authorization.k8s.io/v1/namespaces"


@pytest.fixture(scope="module")
def loaded(cluster: Cluster) -> str:
    """BuildKit's image, which the node has."""
    name = os.environ.get("BUILDKIT_IMAGE", BUILDKIT)
    cluster.load(name)
    return name


@pytest.fixture(scope="module")
def builders(cluster: Cluster, namespace: Callable[[str], Namespace]) -> str:
    """A kubeconfig of an account that may build in a namespace, and nothing else."""
    namespace("privileged")
    return account(cluster, "privileged")


def account(cluster: Cluster, namespace: str) -> str:
    base = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    subject = {"kind": "ServiceAccount", "name": "builder", "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "builder"}
    named = {"metadata": {"name": "builder"}}
    for path, body in (
        (base, named),
        (f"{GROUP}/{namespace}/roles", {**named, "rules": RIGHTS}),
        (f"{GROUP}/{namespace}/rolebindings", {**named, "subjects": [subject], "roleRef": role}),
    ):
        cluster.request("POST", path, body)
    asked = {"spec": {"expirationSeconds": 3600}}
    token = cluster.request("POST", f"{base}/builder/token", asked)["status"]["token"]
    return cluster.kubeconfig(token, namespace)


def left(cluster: Cluster, namespace: str) -> list[str]:
    """Return what is left of builders."""
    found = []
    for path in (
        f"/apis/apps/v1/namespaces/{namespace}/deployments",
        f"/api/v1/namespaces/{namespace}/configmaps",
    ):
        found += [each["metadata"]["name"] for each in cluster.request("GET", path)["items"]]
    return [each for each in found if "gocdnext" in each]


@pytest.fixture
def with_(address: str, loaded: str, builders: str) -> dict[str, str]:
    return {
        "image": f"{address}/built",
        "driver": "kubernetes",
        "kubeconfig": builders,
        "buildkit-image": loaded,
        "insecure-registries": address,
    }


@pytest.fixture
def checkout(workspace: Path) -> Path:
    (workspace / "Dockerfile").write_text(
        "FROM scratch\nCOPY Dockerfile /\nARG TARGETARCH\nLABEL on=$TARGETARCH\n"
    )
    return workspace


def test_a_pod_builds_and_pushes_and_nothing_is_left(
    run_plugin: PluginRunner,
    checkout: Path,
    cluster: Cluster,
    with_: dict[str, str],
    registry: RegistryClient,
) -> None:
    result = run_plugin(FOLDER, {**with_, "platforms": "linux/amd64", "tags": "one\ntwo"}).passed()
    image = Reference.parse(with_["image"])
    assert {registry.resolve(image.with_tag(each)).digest for each in ("one", "two")} == {
        result.outputs["DIGEST"]
    }
    assert left(cluster, "privileged") == []
    assert not result.leaks
    assert result.changed == frozenset()


def test_one_pod_builds_all_platforms_where_the_options_place_it(
    run_plugin: PluginRunner, checkout: Path, with_: dict[str, str], registry: RegistryClient
) -> None:
    options = "nodeselector=kubernetes.io/hostname=node1"
    result = run_plugin(FOLDER, {**with_, "tags": "both", "driver-opts": options}).passed()
    image = Reference.parse(with_["image"]).with_digest(result.outputs["DIGEST"])
    assert {each.platform for each in registry.platforms(image)} == {"linux/amd64", "linux/arm64"}


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        ("no node", "did not start BuildKit's pod in time"),
        ("no rights", "forbidden"),
        ("a token that is none", "Unauthorized"),
    ],
)
def test_what_the_cluster_refuses_is_named_and_nothing_is_left(
    run_plugin: PluginRunner,
    checkout: Path,
    cluster: Cluster,
    with_: dict[str, str],
    builders: str,
    fault: str,
    what: str,
) -> None:
    more: dict[str, Any] = {"platforms": "linux/amd64", "driver-opts": "timeout=5s"}
    match fault:
        case "no node":
            more = {"platforms": "linux/s390x", "driver-opts": "timeout=5s"}
        case "no rights":
            more["driver-opts"] += "\nnamespace=default"
        case "a token that is none":
            more["kubeconfig"] = cluster.kubeconfig("canary-of-nobody", "privileged")
    result = run_plugin(FOLDER, {**with_, **more, "tags": "never"}).exited(3)
    assert what in result.log
    assert left(cluster, "privileged") == []
    assert not result.leaks


def test_a_pod_that_is_lost_in_mid_build_is_named_and_leaves_no_tag(
    run_plugin: PluginRunner,
    checkout: Path,
    cluster: Cluster,
    with_: dict[str, str],
    shell: str,
    registry: RegistryClient,
) -> None:
    step = "sleep 119"
    (checkout / "Dockerfile").write_text(f"FROM {shell}\nRUN {step}\n")

    def lose() -> None:
        runs = ["pgrep", "--full", "--exact", step]
        assert poll(lambda: cluster.container.exec_run(runs).exit_code == 0 or None, within=90, every=0.3)
        pods = "/api/v1/namespaces/privileged/pods"
        for each in cluster.request("GET", pods)["items"]:
            if each["metadata"]["name"].startswith("gocdnext-"):
                cluster.request("DELETE", f"{pods}/{each['metadata']['name']}?gracePeriodSeconds=0")

    with ThreadPoolExecutor(1) as threads:
        lost = threads.submit(lose)
        given = {**with_, "platforms": "linux/amd64", "tags": "never"}
        result = run_plugin(FOLDER, given).exited(3)
        lost.result()
    assert f"a pod of {cluster.server} was lost in mid-build" in result.errors[-1], result.log
    assert registry.find(Reference.parse(with_["image"]).with_tag("never")) is None
    assert left(cluster, "privileged") == []
    assert not result.leaks


def test_a_pod_that_may_do_nothing_builds_in_another_namespace(
    namespace: Callable[[str], Namespace], with_: dict[str, str], registry: RegistryClient
) -> None:
    """The plugin in a pod without privileges, BuildKit where it may have them."""
    files = {"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"}
    given = {**with_, "platforms": "linux/amd64", "tags": "from-a-pod"}
    image = images.plugin_tag("buildx")
    ended = namespace("restricted").run(image, given, files=files, context=RESTRICTED).exited(0)
    tagged = Reference.parse(with_["image"]).with_tag("from-a-pod")
    assert registry.resolve(tagged).digest == ended.outputs["DIGEST"]


def test_where_pods_may_not_be_privileged_the_plugin_says_so(
    run_plugin: PluginRunner,
    checkout: Path,
    cluster: Cluster,
    namespace: Callable[[str], Namespace],
    with_: dict[str, str],
) -> None:
    namespace("baseline")
    given = {**with_, "kubeconfig": account(cluster, "baseline"), "platforms": "linux/amd64"}
    result = run_plugin(FOLDER, {**given, "driver-opts": "timeout=5s"}).exited(3)
    assert "may the namespace have privileged pods" in result.errors[-1]
    assert left(cluster, "baseline") == []
