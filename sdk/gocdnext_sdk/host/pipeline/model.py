"""A pipeline as values: what one `.gocdnext/*.yaml` says, checked, before anything runs.

`parse` makes these. Templates and `extends:` are resolved by then, references are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Self, TypeAlias

from gocdnext_sdk.host.pipeline.errors import Diagnostic, Mark


@dataclass(frozen=True, slots=True)
class Value:
    """A text of the file and where it stands."""

    text: str
    mark: Mark
    key: Mark | None = field(default=None, compare=False)
    """Where the key of a map's value stands."""


GIVEN: Final = Mark("--var", 1, 1)
"""Where a variable stands that no file says."""

NOTIFICATION_STAGE: Final = "_notifications"
"""The stage of the jobs that the platform makes of notifications (docs/contract.md §10)."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A job that runs an image's own entrypoint, by `uses:`/`with:` or `image:`/`settings:`."""

    image: str
    inputs: Mapping[str, Value]
    """The `with:` map, unresolved."""
    uses: Value
    """The reference as written."""


@dataclass(frozen=True, slots=True)
class Script:
    """A job that runs shell lines."""

    image: str
    """Empty: the runner profile's default image, which only the platform knows."""
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The one script the platform makes of all lines: it stops at the first failure."""
        return "\n".join(("set -e", *self.lines))


@dataclass(frozen=True, slots=True)
class Approval:
    """A manual gate: nothing runs, the platform waits for people."""

    approvers: tuple[str, ...] = ()
    approver_groups: tuple[str, ...] = ()
    required: int = 1
    """How many different people have to approve."""
    quorum_by_label: Mapping[str, int] = field(default_factory=dict)
    """Pull request label to number of approvals."""
    description: str = ""
    timeout: str = ""
    """How long the gate waits, as written; empty is the server's default."""


@dataclass(frozen=True, slots=True)
class Output:
    """A declared output."""

    key: str
    """The name in the outputs file."""
    masked: bool = False
    """Hidden in the logs of jobs that need this one, whatever its length."""


@dataclass(frozen=True, slots=True)
class Cache:
    """Folders kept between runs."""

    key: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Files kept after the job."""

    paths: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    when: Literal["on_success", "on_failure", "always"] = "on_success"


@dataclass(frozen=True, slots=True)
class NeededArtifacts:
    """Files of another job, unpacked before this one starts."""

    from_job: str
    from_pipeline: str = ""
    paths: tuple[str, ...] = ()
    dest: str = ""


@dataclass(frozen=True, slots=True)
class CoverageReport:
    """A coverage file the platform reads after the job."""

    path: str
    format: str
    fail_under: float = 0.0
    """Per cent; 0 is no limit."""


@dataclass(frozen=True, slots=True)
class DeployTarget:
    """The Argo CD application a deploy job stands for."""

    cluster: str
    application: str
    sync_mode: str
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Deploy:
    """Marks a job as a deployment to an environment."""

    environment: str
    version: str = ""
    revision: str = ""
    target: DeployTarget | None = None


@dataclass(frozen=True, slots=True)
class Quantities:
    """Compute amounts in Kubernetes' notation, e.g. `500m` and `256Mi`."""

    cpu: str = ""
    memory: str = ""


Action: TypeAlias = Plugin | Script | Approval | None
"""What a job does. None: it declares nothing to run, which the platform accepts."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What jobs get from the runner profile that their `agent.profile` names."""

    image: str = ""
    """For scripts that name none."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """The lowest layer of variables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job, `extends:` resolved."""

    name: str
    stage: str
    mark: Mark
    """Where the job's name stands."""
    action: Action
    needs: tuple[str, ...] = ()
    variables: Mapping[str, Value] = field(default_factory=dict)
    """The job's own; the pipeline's come in at resolution."""
    secrets: tuple[str, ...] = ()
    """Names of the secrets this job may see."""
    docker: bool = False
    """Whether the job gets a Docker daemon."""
    outputs: Mapping[str, Output] = field(default_factory=dict)
    """Alias to what is read from the outputs file."""
    matrix: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Dimension to its values; empty without a matrix."""
    id_tokens: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Variable to the audiences of the token it will hold."""
    cache: tuple[Cache, ...] = ()
    artifacts: Artifacts | None = None
    needs_artifacts: tuple[NeededArtifacts, ...] = ()
    test_reports: tuple[str, ...] = ()
    coverage_report: CoverageReport | None = None
    tags: tuple[str, ...] = ()
    profile: str = ""
    """Runner profile."""
    requests: Quantities = Quantities()
    limits: Quantities = Quantities()
    cluster: str = ""
    environment: str = ""
    deploy: Deploy | None = None
    marks: Mapping[str, Mark] = field(default_factory=dict)
    """Where each key of the job stands, and each entry of `secrets` and `outputs`, as `secrets.NAME`, and of
    `script`, as `script.0`.
    """

    def at(self, key: str) -> Mark:
        """Where a key of this job stands; the job itself when it is not written."""
        return self.marks.get(key, self.mark)


@dataclass(frozen=True, slots=True)
class Toleration:
    """A Kubernetes toleration of a service's pod."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""
    seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A container that runs beside every job of the pipeline, reached by its name."""

    name: str
    image: str
    mark: Mark
    env: Mapping[str, str] = field(default_factory=dict)
    """Handed over as written: no reference is resolved here."""
    command: tuple[str, ...] = ()
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()


@dataclass(frozen=True, slots=True)
class Notification:
    """A plugin that runs after the pipeline."""

    on: Literal["failure", "success", "always", "canceled"]
    plugin: Plugin
    secrets: tuple[str, ...]
    mark: Mark


@dataclass(frozen=True, slots=True)
class Material:
    """A source whose changes start the pipeline."""

    kind: Literal["git", "upstream", "cron", "manual"]
    settings: Mapping[str, str]
    mark: Mark


@dataclass(frozen=True, slots=True)
class Trigger:
    """Which changes of the project's own repository start the pipeline; empty is the default."""

    events: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """One pipeline file."""

    name: str
    mark: Mark
    stages: tuple[str, ...]
    jobs: tuple[Job, ...]
    """In the file's order, without templates."""
    variables: Mapping[str, Value] = field(default_factory=dict)
    services: tuple[Service, ...] = ()
    notifications: tuple[Notification, ...] | None = None
    """None: the project's are used."""
    materials: tuple[Material, ...] = ()
    trigger: Trigger = Trigger()
    concurrency: Literal["parallel", "serial"] = "parallel"
    supersede: Literal["off", "branch", "pipeline"] = "off"
    notices: tuple[Diagnostic, ...] = ()
    """What the platform accepts and then ignores, for people to know."""

    def with_variables(self, variables: Mapping[str, str]) -> Self:
        """Return the pipeline with `variables` in place of its own of the same name."""
        given = {name: Value(text, GIVEN) for name, text in variables.items()}
        return replace(self, variables={**self.variables, **given})

    def job(self, name: str) -> Job:
        """Return the job of that name.

        Raises:
            KeyError: there is none.
        """
        for job in self.jobs:
            if job.name == name:
                return job
        raise KeyError(name)
