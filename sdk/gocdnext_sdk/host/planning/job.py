"""A `Job` that records requests and does nothing."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gocdnext_sdk.contract.masks import REPLACEMENT
from gocdnext_sdk.errors import ToolError
from gocdnext_sdk.host.planning.guard import PlanEnds
from gocdnext_sdk.host.planning.model import Login, Notes, Step
from gocdnext_sdk.host.planning.placeholders import Placeholders
from gocdnext_sdk.host.planning.registry import PlannedRegistry
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.credentials import Credentials
from gocdnext_sdk.oci.reference import Registry
from gocdnext_sdk.oci.transport import Request, Response
from gocdnext_sdk.runtime.daemon import Daemon
from gocdnext_sdk.runtime.docker_client import VARIABLES
from gocdnext_sdk.runtime.http import Sender
from gocdnext_sdk.runtime.job import Job
from gocdnext_sdk.runtime.masking import Masker
from gocdnext_sdk.runtime.outputs import OutputFile
from gocdnext_sdk.runtime.runner import Command, Completed
from gocdnext_sdk.runtime.secret_files import SecretFiles
from gocdnext_sdk.runtime.signals import Signals
from gocdnext_sdk.runtime.tool import Tool, tool_environ
from gocdnext_sdk.secret import Secret


class PlanningJob(Job):
    """Replaces the job of a real run.

    Args:
        environ: the job's environment.
        workspace: the checkout.
        files: provides scratch directories, for configuration that `run` writes.
        notes: records the requests.
        shown: the placeholders and their names.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        workspace: Path,
        files: SecretFiles,
        notes: Notes,
        shown: Placeholders,
    ) -> None:
        super().__init__(environ, workspace, Masker(), files, Signals(), OutputFile({}))
        self._notes = notes
        self._shown = shown

    def say(self, message: str) -> None:
        """Do nothing: messages are about what a job has done."""

    def warn(self, message: str) -> None:
        """Record the warning."""
        self._notes.warnings.append(self._shown.show(message))

    def output(self, **values: str) -> None:
        """Record the outputs."""
        self._notes.outputs |= {name: self._shown.show(value) for name, value in values.items()}
        self._notes.values |= values

    def tool(
        self, name: str, *, env: Mapping[str, str | Secret] | None = None, inherit: Iterable[str] = ()
    ) -> Tool:
        """Return a tool that records how it would be run. It need not be installed."""
        environ = tool_environ(self.environ, self.workspace, env or {}, inherit)
        return Tool(name, environ, PlannedRunner(self._notes, self._shown))

    def registry(
        self, credentials: Credentials, insecure: Iterable[Registry] = (), *, for_tool: str = ""
    ) -> RegistryClient:
        """Return a registry client that contacts no registry."""
        self._log_in(credentials)
        return PlannedRegistry(self._notes, self._shown).client()

    def daemon(self) -> Daemon:
        """Return a typical daemon."""
        if not self.environ.get("DOCKER_HOST"):
            self.warn("the job needs a Docker daemon and has none; add `docker: true`")
        return PlannedDaemon(self.environ, self._notes)

    def _sender(self) -> Sender:
        return PlannedSender(self._notes, self._shown)

    def _write(self, path: str | Path, content: bytes) -> None:
        """Record the file."""
        self._notes.steps.append(Step("write", (self._shown.show(str(path)),)))

    def summary(self, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Do nothing: a summary is about what a job has done."""

    def secret_file(self, content: Secret | str | bytes, name: str = "secret") -> str:
        """Return a placeholder for the path."""
        return f"<memory: {name}>"

    def secret_folder(self, contents: Mapping[str, Secret | str | bytes]) -> str:
        """Return a placeholder for the path."""
        return f"<memory: {', '.join(contents)}>"

    def reach(self, place: str, connect: Callable[[], None]) -> None:
        """Record the place."""
        self._notes.steps.append(Step("look up", (place,), "assumed to answer"))

    def docker_config(self, credentials: Credentials, folder: Path | None = None) -> dict[str, str]:
        """Record the logins that a tool gets."""
        self._log_in(credentials)
        return {"DOCKER_CONFIG": "<memory: config.json>"} if credentials else {}

    def temporary(self) -> Path:
        """Return the plan's own directory: what a plugin makes there goes with the plan."""
        return self.scratch()

    def digest(self, subject: object, read: Callable[[], str | None]) -> str:
        """Return a placeholder for the digest."""
        return self._shown.digest(subject)

    def _log_in(self, credentials: Credentials) -> None:
        for each in credentials:
            bare = (each.password or each.identity_token or each.registry_token or each.password).reveal()
            named = self._shown.show(bare)
            login = Login(
                str(each.registry), self._shown.show(each.username), REPLACEMENT if named == bare else named
            )
            self._notes.logins.setdefault(login)


class PlannedRunner:
    """Records what would be started.

    Args:
        notes: records the steps.
        shown: the placeholders and their names.
    """

    def __init__(self, notes: Notes, shown: Placeholders) -> None:
        self._notes = notes
        self._shown = shown

    def run(self, command: Command) -> Completed:
        """Record it; assume success."""
        self._note(command)
        return Completed(0)

    def capture(self, command: Command, assumed: bytes | None) -> Completed:
        """Record it; the output is what is assumed. Without that, reading it ends the plan."""
        self._note(command)
        if assumed is None:
            return _Unread(shlex.join([command.name, *command.argv[:1]]))
        return Completed(0, assumed)

    def capture_each(
        self, commands: Sequence[Command], assumed: bytes | None = None
    ) -> list[Completed | ToolError]:
        """Record all, as `capture` does with one."""
        return [self.capture(each, assumed) for each in commands]

    @contextmanager
    def running(self, command: Command) -> Iterator[None]:
        """Record it."""
        self._note(command)
        yield

    def _note(self, command: Command) -> None:
        words = tuple(map(self._shown.show, command.argv))
        step = Step("run", (command.name, *words), environ=tuple(sorted(command.environ)))
        self._notes.steps.append(step)


class PlannedSender:
    """Records what would be sent.

    Args:
        notes: records the steps.
        shown: the placeholders and their names.
    """

    def __init__(self, notes: Notes, shown: Placeholders) -> None:
        self._notes = notes
        self._shown = shown

    def send(self, request: Request, deadline: float, assumed: bytes | None = None) -> Response:
        """Record it; assume success. Without `assumed`, reading the answer ends the plan."""
        words = request.method, self._shown.show(request.url)
        self._notes.steps.append(Step("request", words))
        return _Unanswered(" ".join(words)) if assumed is None else Response(200, body=assumed)


class _Unanswered(Response):
    """An answer that is only known at run time; reading its content ends the plan."""

    def __init__(self, asked: str) -> None:
        super().__init__(200)
        object.__setattr__(self, "asked", asked)

    def __getattribute__(self, name: str) -> Any:
        if name == "body":
            raise PlanEnds(f"what follows depends on the answer to `{self.asked}`")
        return super().__getattribute__(name)


class _Unread(Completed):
    """Output that is only known at run time; reading it ends the plan."""

    def __init__(self, command: str) -> None:
        super().__init__(0)
        object.__setattr__(self, "command", command)

    def __getattribute__(self, name: str) -> Any:
        if name == "stdout":
            raise PlanEnds(f"what follows depends on what `{self.command}` prints")
        return super().__getattribute__(name)


class PlannedDaemon:
    """A typical daemon: its images are in containerd, and it has every image.

    Args:
        environ: the job's environment.
        notes: records the requests.
    """

    has_containerd_store = True

    def __init__(self, environ: Mapping[str, str], notes: Notes) -> None:
        self.environ: Mapping[str, str] = {name: environ[name] for name in VARIABLES if environ.get(name)}
        self._notes = notes

    def has_image(self, name: str) -> bool:
        """Assume that it is there."""
        return True

    def save(self, name: str) -> Iterator[bytes]:
        """Record it."""
        self._notes.steps.append(Step("ask the daemon for", (name,)))
        return iter(())

    def run(self, image: str, argv: Iterable[str] = (), *, privileged: bool = False) -> bytes:
        """Record it."""
        self._notes.steps.append(Step("start a container of", (image, *argv)))
        return b""

    def volumes(self, part: str) -> list[str]:
        """Assume that there are none."""
        return []

    def is_running(self, name: str) -> bool:
        """Take it to be there."""
        return True

    def is_connected(self, name: str) -> bool:
        """Take it to be in use."""
        return True

    def remove_volume(self, name: str) -> None:
        """Do nothing."""

    def remove_container(self, name: str) -> None:
        """Do nothing."""
