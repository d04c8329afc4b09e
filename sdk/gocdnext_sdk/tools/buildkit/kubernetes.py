"""BuildKit in the pods of a Kubernetes cluster, for one job: on a native node for each architecture.

buildx makes a Deployment for each node of a builder, waits until its pod is ready, and speaks to it through
the API server. Source: docker/buildx 0.36, `driver/kubernetes`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from gocdnext_sdk.errors import Invalid, ToolError, doing
from gocdnext_sdk.oci.reference import Reference
from gocdnext_sdk.runtime.job import Job
from gocdnext_sdk.runtime.tool import Tool
from gocdnext_sdk.tools.buildkit.builders import Builder, naming_lost, platforms_of
from gocdnext_sdk.tools.csv import BOOLEANS, comma_separated

_FLATTEN = "`kubectl config view --flatten --minify` writes one that holds everything"

_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
"""Fields that name a file, which is not there in a job."""

_SECRETS = ("token", "password", "client-key-data")

_RUNS_ON = {"386": "amd64", "arm": "arm64"}
"""Architectures whose programs run on another one's nodes, which are those that clusters have."""

STAYS = "persistent-volume-claim.requests.storage"
"""The driver option whose volume would outlive the job."""

SWITCHES = ("rootless", "qemu.install")
"""Driver options that are true or false."""

OWN_LABEL = "app.kubernetes.io/managed-by=gocdnext-plugin-buildx"
"""What the Deployments of a job have, so that those of a killed one can be found."""


@dataclass(frozen=True)
class Kubeconfig:
    """How to reach a cluster: the current context of a kubeconfig.

    Args:
        server: the URL of the API server.
        secrets: what no log may show.
    """

    server: str
    secrets: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a kubeconfig. Errors show nothing of it but names of fields.

        Raises:
            Invalid: it is none, or names files or programs, which a job does not have.
        """
        import yaml

        try:
            content = yaml.safe_load(text)
            context = _named(content, "context", content["current-context"])
            cluster, user = (_named(content, kind, context[kind]) for kind in ("cluster", "user"))
            server = str(cluster["server"])
        except (yaml.YAMLError, KeyError, TypeError, StopIteration):
            raise Invalid("is no kubeconfig with a current context", _FLATTEN) from None
        for field in _PATHS:
            if cluster.get(field) or user.get(field):
                raise Invalid(f"names a file in `{field}`, which a job does not have", _FLATTEN)
        for field in ("exec", "auth-provider"):
            if user.get(field):
                what = f"logs in by a program (`{field}`), which is not in the image"
                raise Invalid(what, "use the token of a service account: `kubectl create token`")
        if cluster.get("insecure-skip-tls-verify"):
            what = "turns the check of the server's certificate off"
            raise Invalid(what, "give `certificate-authority-data`")
        return cls(server, tuple(str(user[field]) for field in _SECRETS if user.get(field)))


def _named(content: Mapping[str, Any], kind: str, name: object) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(each[kind] for each in content[f"{kind}s"] if each["name"] == name)
    return found


def has(options: Iterable[str], name: str) -> bool:
    """Tell whether driver options, `key=value` each, have one of a name."""
    return any(each.partition("=")[0] == name for each in options)


def is_on(name: str, options: Iterable[str]) -> bool | None:
    """Tell what a switch among driver options is set to: false without it, None for no boolean.

    Source: docker/buildx 0.36 `driver/kubernetes/factory.go`, which takes what Go takes for a boolean.
    """
    values = [value for key, _, value in (each.partition("=") for each in options) if key == name]
    return BOOLEANS.get(values[-1]) if values else False


def shares(platforms: Iterable[str], options: Iterable[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what each pod builds, and the option that places it: a pod on a node of each architecture.

    Where the options place pods themselves, or install QEMU, there is one pod, for everything.

    Args:
        platforms: what is built.
        options: the user's.
    """
    wanted, given = tuple(platforms), tuple(options)
    if has(given, "nodeselector") or is_on("qemu.install", given):
        yield wanted, ""
        return
    nodes: dict[str, list[str]] = {}
    for each in wanted:
        architecture = each.split("/")[1]
        nodes.setdefault(_RUNS_ON.get(architecture, architecture), []).append(each)
    for architecture, own in nodes.items():
        yield tuple(own), f"nodeselector=kubernetes.io/arch={architecture}"


@contextmanager
def kubernetes_builder(
    job: Job,
    buildx: Tool,
    cluster: Kubeconfig,
    image: Reference,
    platforms: Iterable[str],
    options: Iterable[str] = (),
    config: Path | None = None,
) -> Iterator[Builder]:
    """Start BuildKits in pods, and delete them at the end.

    A killed job cannot: `OWN_LABEL` finds what it left.

    Args:
        job: deletes the pods even after a signal.
        buildx: the tool, with `KUBECONFIG`.
        cluster: what that says.
        image: the BuildKit image.
        platforms: what is built.
        options: `--driver-opt` values, one `key=value` each.
        config: a `buildkitd.toml`.

    Raises:
        ToolError: they do not start.
    """
    name = f"gocdnext-{secrets.token_hex(4)}"
    given = tuple(options)
    exact = image.with_digest(image.digest) if image.digest else image
    own = [] if has(given, "image") else [f"image={exact}"]
    if not has(given, "labels"):
        own.append(f"labels={OWN_LABEL}")
    placed = tuple(shares(platforms, given))
    try:
        for number, (share, place) in enumerate(placed):
            create = ["create", "--name", name, "--driver", "kubernetes", "--node", f"{name}-{number}"]
            create += ["--append"] if number else []
            create += ["--platform", ",".join(share)]
            for option in filter(None, (*own, place, *given)):
                create += ["--driver-opt", comma_separated([option])]
            if config is not None:
                create += ["--buildkitd-config", str(config)]
            buildx.capture(*create)
        try:
            with doing(f"starting BuildKit in pods of {cluster.server}"):
                buildx.capture("inspect", "--bootstrap", name)
        except ToolError as error:
            if b"replicas to be ready" not in error.said:
                raise
            what = f"{cluster.server} did not start BuildKit's pod in time"
            advice = (
                "are there nodes for the platforms, may the namespace have privileged pods, and can it pull "
                f"{exact}? `kubectl describe` of its Deployment says why"
            )
            raise ToolError(what, advice, said=error.said) from None
        evicted = "was it evicted, killed for its memory, or its node drained? `kubectl get events` says"
        with naming_lost(lambda: f"a pod of {cluster.server}", evicted):
            yield Builder(name, platforms_of(buildx, name), len(placed))
    finally:
        with job.cleanup(), suppress(ToolError):
            buildx.capture("rm", "--force", name)
