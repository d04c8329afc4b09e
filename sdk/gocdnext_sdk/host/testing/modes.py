"""The ways to run a plugin once."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.plugin import Plugin, execute

if TYPE_CHECKING:
    from gocdnext_sdk.host.harness import Session

_HOST_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to run, and in which surroundings.

    Args:
        folder: the plugin's.
        workspace: the checkout.
        private: where a run on this machine gets its home and its place for temporary files.
        environ: the job's variables.
        files: variables that name a file below the workspace.
        path: folders in which tools are looked for first.
        docker: whether it gets the engine.
    """

    folder: Path
    workspace: Path
    private: Path
    environ: Mapping[str, str] = field(repr=False)
    files: Mapping[str, str]
    path: tuple[Path, ...]
    docker: bool

    def host_environ(self) -> dict[str, str]:
        """Return the whole environment of a run on this machine: as little as in a fresh container."""
        environ = {name: os.environ[name] for name in _HOST_VARIABLES if name in os.environ}
        for name, folder in self.left.items():
            folder.mkdir(parents=True, exist_ok=True)
            environ[name] = str(folder)
        environ["PATH"] = os.pathsep.join([*map(str, self.path), os.environ.get("PATH", os.defpath)])
        if self.docker:
            from gocdnext_sdk.host.harness.engine.docker import endpoint

            environ["DOCKER_HOST"] = endpoint()
        environ |= {name: str(self.workspace / path) for name, path in self.files.items()}
        return environ | dict(self.environ)

    @property
    def left(self) -> dict[str, Path]:
        """The folders beside the workspace in which a run on this machine may leave something."""
        return {"HOME": self.private / "home", "TMPDIR": self.private / "tmp"}


@dataclass(frozen=True)
class Ended:
    """A run that is over.

    Args:
        exit_code: its exit code.
        log: all it printed.
        left: folders it may have left something in, beside the workspace.
    """

    exit_code: int
    log: str
    left: Mapping[str, Path] = field(default_factory=dict)


def in_function(job: Job, plugin: type[Plugin[Any]]) -> Ended:
    """Run it in this process, which for that time has the job's environment and directory."""
    log = io.BytesIO()
    with (
        _environment(job.host_environ()),
        contextlib.chdir(job.workspace),
        _printing_to(log),
    ):
        exit_code = execute(plugin(), dict(os.environ))
    return Ended(exit_code, log.getvalue().decode(errors="replace"), job.left)


def in_process(job: Job) -> Ended:
    """Run ``plugin.py`` as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "gocdnext_sdk.host.harness.start", str(job.folder)],
        cwd=job.workspace,
        env=job.host_environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    # A shell reports a process that died of signal n as 128 + n; so does a container.
    exit_code = 128 - done.returncode if done.returncode < 0 else done.returncode
    return Ended(exit_code, done.stdout.decode(errors="replace"), job.left)


def in_image(job: Job, plugin: type[Plugin[Any]], session: Session, image: str | None, network: str) -> Ended:
    """Run it in a fresh container, as the harness runs a job.

    Raises:
        ToolError: the image cannot be built.
        DaemonError: the engine cannot run it.
    """
    from gocdnext_sdk.host.harness.engine.interface import Pull
    from gocdnext_sdk.host.harness.job import WORKSPACE, JobRunner, RunningContainers
    from gocdnext_sdk.host.harness.report.interface import NullListener, Status
    from gocdnext_sdk.host.harness.snapshot import Snapshot
    from gocdnext_sdk.host.harness.writeback import WriteBack
    from gocdnext_sdk.host.pipeline.resolve import ResolvedJob

    resolved = ResolvedJob(
        name=plugin.name,
        stage="test",
        image=image or _built(job.folder, plugin.name),
        script=None,
        env={name: f"{WORKSPACE}/{path}" for name, path in job.files.items()} | dict(job.environ),
        masks=(),  # the platform's masking would hide what the plugin's own has to
        docker=job.docker,
        outputs={},
        services=(),
    )
    with Snapshot(job.workspace) as snapshot:
        runner = JobRunner(
            session=session,
            snapshot=snapshot,
            write_back=WriteBack(snapshot),
            running=RunningContainers(session.engine),
            network=network,
            pull=Pull.MISSING,
            listener=NullListener(),
        )
        report = runner.run(resolved, secrets={})
    if report.status is Status.ERROR or report.exit_code is None:
        raise DaemonError(report.reason)
    return Ended(report.exit_code, report.text.partition("\n")[2])


@cache
def _built(folder: Path, name: str) -> str:
    """Build the image, once in a test run; BuildKit's own cache makes the next run's quick."""
    from gocdnext_sdk.host.harness.build import build_contexts, build_image

    image = f"localhost/{name}:test"
    build_image(folder, image, build_contexts())
    return image


@contextlib.contextmanager
def _environment(environ: Mapping[str, str]) -> Iterator[None]:
    """Have `environ` and nothing else; also where one of its variables is refused, all is as before."""
    before = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(environ)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _printing_to(log: io.BytesIO) -> Iterator[None]:
    stream = io.TextIOWrapper(log, encoding="utf-8", write_through=True)
    try:
        with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
            yield
    finally:
        stream.detach()
