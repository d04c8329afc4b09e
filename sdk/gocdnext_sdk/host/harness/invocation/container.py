"""Run a plugin in a fresh container of its image, as the harness runs a job."""

from __future__ import annotations

from dataclasses import dataclass, field

from gocdnext_sdk.errors import Cancelled, DaemonError
from gocdnext_sdk.host.harness.artifacts import ArtifactStore
from gocdnext_sdk.host.harness.engine.interface import Pull
from gocdnext_sdk.host.harness.invocation.interface import Invocation, Outcome
from gocdnext_sdk.host.harness.job import JobRunner
from gocdnext_sdk.host.harness.options import MANY_FILES
from gocdnext_sdk.host.harness.report.interface import Listener, NullListener, Status
from gocdnext_sdk.host.harness.session import Session
from gocdnext_sdk.host.harness.snapshot import Snapshot
from gocdnext_sdk.host.harness.stopping import RunningContainers
from gocdnext_sdk.host.harness.workspaces import Workspaces
from gocdnext_sdk.host.harness.writeback import WriteBack
from gocdnext_sdk.host.pipeline.resolve import ResolvedJob

DEFAULT_NETWORK = "bridge"
"""The engine's default network, which does not reach a registry on this machine's loopback."""


@dataclass(frozen=True)
class InContainer:
    """Runs an image on a copy of the workspace; what it writes comes back.

    Args:
        session: owns the containers.
        image: the plugin's image.
        network: of the container: a network's name, or ``container:NAME``.
        listener: receives its lines.
    """

    session: Session
    image: str
    network: str = DEFAULT_NETWORK
    listener: Listener = field(default_factory=NullListener)

    def __call__(self, invocation: Invocation) -> Outcome:
        """Run it once.

        Raises:
            DaemonError: the engine cannot run it.
            Cancelled: the session was asked to stop before it ran.
        """
        job = ResolvedJob(
            name=invocation.name,
            stage="",
            image=self.image,
            script=None,
            env=invocation.environ,
            masks=invocation.masks,
            docker=invocation.docker,
            outputs={},
            services=(),
        )
        with (
            Snapshot(invocation.workspace, invocation.private) as snapshot,
            RunningContainers(self.session, self.listener) as running,
            ArtifactStore() as artifacts,
        ):
            for text in snapshot.notices:
                self.listener.notice(text)
            report = JobRunner(
                session=self.session,
                workspaces=Workspaces(self.session, snapshot, MANY_FILES, self.listener),
                write_back=WriteBack(snapshot),
                artifacts=artifacts,
                running=running,
                network=self.network,
                pull=Pull.MISSING,
                listener=self.listener,
            ).run(job, secrets={}, files=invocation.files)
        if report.exit_code is None and report.status is Status.CANCELED:
            raise Cancelled(self.session.stop.signum)
        if report.status is Status.ERROR or report.exit_code is None:
            raise DaemonError(report.reason)
        return Outcome.of(report.exit_code, report.text.partition("\n")[2], report.files)
