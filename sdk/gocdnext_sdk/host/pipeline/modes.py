"""What the platform's agent gives a job: on Docker, and on Kubernetes with shared or isolated workspaces.

Each mode is a value that resolving, planning and running read. The rules, with their sources, are those of
docs/contract.md §4, §6 and §7; upstream `agent/internal/engine/kubernetes.go` and `kubernetes_isolated.go`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, NamedTuple, TypeAlias, get_args
from uuid import NAMESPACE_OID, uuid5

from gocdnext_sdk.contract import keys
from gocdnext_sdk.host.pipeline import kubernetes
from gocdnext_sdk.host.pipeline.model import Service
from gocdnext_sdk.runtime.docker_client import SOCKET

ModeName: TypeAlias = Literal["docker", "k8s-shared", "k8s-isolated"]
NAMES: Final[tuple[ModeName, ...]] = get_args(ModeName)

WORKSPACE: Final = "/workspace"
"""Where the agent mounts the volume with the checkout."""

_SHELL: Final = ("sh", "-c", "--")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """A Docker daemon beside a job, in its network, which begins and ends with it and has no images.

    Args:
        image: privileged; its entrypoint takes the daemon's options.
        listens: the URLs at which it can be reached.
        shared: a directory that the job sees too, with a socket in it; empty if there is none.
    """

    image: str = "docker:24-dind"
    listens: tuple[str, ...]
    shared: str = ""

    @property
    def socket(self) -> str:
        """The socket in the shared directory, which any user may use; empty if there is none."""
        return f"{self.shared}/docker.sock" if self.shared else ""


class Command(NamedTuple):
    """How a script is started."""

    entrypoint: tuple[str, ...]
    """Replaces the image's; empty leaves it."""
    arguments: tuple[str, ...]


class Rewritten(NamedTuple):
    """Variables as a container sees them."""

    environ: dict[str, str]
    changed: tuple[str, ...]
    """Names of those whose value is another one than the platform was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """One way in which the agent runs jobs.

    Args:
        name: as `--as` takes it.
        transform: names the variables of inputs.
        checkout: the working directory; `{run}` and `{job}` are ids, `{material}` begins the material's.
        output_directory: permissions of the directory of the output file.
        output_file: permissions of that file.
        daemon: the variables of a job with `docker: true`.
        sidecar: the daemon of such a job; without one, it gets the engine's own socket.
        services: whether each job has a set of its own, or all share one.
        service_name: the names of services that it takes.
        service_advice: what those look like.
        is_kubernetes: whether a pod runs the job: what goes into it is rewritten, a script replaces the
            image's entrypoint, and git finds a checkout of another user's.
    """

    name: ModeName
    transform: keys.Transform
    checkout: str = WORKSPACE
    output_directory: int = 0o700
    output_file: int = 0o600
    daemon: Mapping[str, str] = field(default_factory=dict)
    sidecar: Sidecar | None = None
    services: Literal["job", "run"] = "job"
    service_name: str
    service_advice: str
    is_kubernetes: bool = False

    def checkout_of(self, run: str, pipeline: str, job: str) -> str:
        """Return the working directory of a job.

        Args:
            run: the run's id.
            pipeline: the pipeline's id, for the material's, which a local run does not have.
            job: the job's name.
        """
        material = str(uuid5(NAMESPACE_OID, pipeline))[:8]
        return self.checkout.format(run=run, job=uuid5(NAMESPACE_OID, f"{run} {job}"), material=material)

    def rewritten(self, environ: Mapping[str, str]) -> Rewritten:
        """Return the variables that a container gets for those in its specification."""
        if not self.is_kubernetes:
            return Rewritten(dict(environ), ())
        found = kubernetes.environ(environ)
        return Rewritten(found, tuple(name for name, value in environ.items() if found[name] != value))

    def text(self, text: str, environ: Mapping[str, str]) -> str:
        """Return what arrives of a text in a job's command, with the variables of its container."""
        return kubernetes.expand(text, environ) if self.is_kubernetes else text

    def script(self, text: str, environ: Mapping[str, str]) -> Command:
        """Return how a script is started, with the variables of its container."""
        if self.is_kubernetes:
            return Command((*_SHELL, self.text(text, environ)), ())
        # The checkout's owner is not the job's user, which git refuses; only this mode of the agent helps.
        safe = "git config --global --add safe.directory '*' 2>/dev/null || true; "
        return Command((), (*_SHELL, safe + text))

    def service(self, service: Service) -> Service:
        """Return a service as its container gets it."""
        if not self.is_kubernetes:
            return service
        environ = kubernetes.environ(service.env)
        command = tuple(kubernetes.expand(each, environ) for each in service.command)
        return replace(service, env=environ, command=command)

    def refused_names(self, environ: Mapping[str, str]) -> Iterator[str]:
        """Yield the names of variables with which a job cannot start."""
        if self.is_kubernetes:
            yield from (name for name in environ if not kubernetes.is_variable(name))

    def takes_service(self, name: str) -> bool:
        """Tell whether a service may have this name."""
        return re.fullmatch(self.service_name, name) is not None


DOCKER: Final = Mode(
    name="docker",
    transform="shared",
    daemon={
        "DOCKER_HOST": f"unix://{SOCKET}",
        "TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE": SOCKET,
        "TESTCONTAINERS_HOST_OVERRIDE": "host.docker.internal",
    },
    # Upstream agent/internal/engine/docker.go, dockerServiceNameRE.
    service_name=r"[a-z][a-z0-9-]{0,62}",
    service_advice="use lower-case letters, digits and `-`, a letter first",
)

# Upstream agent/internal/engine/kubernetes_services.go, k8sServiceNameRE.
_POD_NAME: Final = r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?"
_POD_ADVICE: Final = "use at most 32 lower-case letters, digits and `-`, a letter first, no `-` last"
_TCP: Final = "tcp://0.0.0.0:2375"

K8S_SHARED: Final = Mode(
    name="k8s-shared",
    transform="shared",
    checkout=WORKSPACE + "/{run}/{job}/src/{material}",
    daemon={"DOCKER_HOST": "tcp://localhost:2375", "DOCKER_TLS_CERTDIR": ""},
    sidecar=Sidecar(listens=(_TCP, f"unix://{SOCKET}")),
    services="run",
    service_name=_POD_NAME,
    service_advice=_POD_ADVICE,
    is_kubernetes=True,
)

K8S_ISOLATED: Final = replace(
    K8S_SHARED,
    name="k8s-isolated",
    transform="isolated",
    checkout=WORKSPACE + "/src/{material}",
    output_directory=0o777,
    output_file=0o666,
    daemon={"DOCKER_HOST": "unix:///run/dind/docker.sock", "DOCKER_TLS_CERTDIR": ""},
    sidecar=Sidecar(
        listens=(_TCP, f"unix://{SOCKET}", "unix:///run/dind/docker.sock"),
        shared="/run/dind",
    ),
)

MODES: Final[Mapping[ModeName, Mode]] = {each.name: each for each in (DOCKER, K8S_SHARED, K8S_ISOLATED)}
