"""What one run of a plugin may touch: tools, registries, secret files, outputs and the log.

What not every job uses is imported where it is used: each start pays for the rest.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gocdnext_sdk.errors import DaemonError, ToolError
from gocdnext_sdk.oci.reference import Registry, is_digest
from gocdnext_sdk.runtime.masking import Masker
from gocdnext_sdk.runtime.outputs import OutputFile
from gocdnext_sdk.runtime.pieces import Pieces
from gocdnext_sdk.runtime.runner import TRACE_VARIABLE, ProcessRunner, Runner
from gocdnext_sdk.runtime.secret_files import SecretFiles
from gocdnext_sdk.runtime.signals import Signals
from gocdnext_sdk.runtime.tool import Tool, find_tool, home, tool_environ
from gocdnext_sdk.secret import Secret

if TYPE_CHECKING:
    from gocdnext_sdk.contract.dialects.base import Dialect
    from gocdnext_sdk.oci.client import RegistryClient
    from gocdnext_sdk.oci.credentials import Credentials
    from gocdnext_sdk.runtime.ci import Ci
    from gocdnext_sdk.runtime.daemon import Daemon
    from gocdnext_sdk.runtime.git import Git
    from gocdnext_sdk.runtime.http import HttpResponse, Sender


def warn(message: str) -> None:
    """Print a warning to the log."""
    print(f"warning: {message}", file=sys.stderr)


class Job:
    """One run of a plugin.

    Args:
        environ: the job's environment.
        workspace: the checkout, which is the working directory.
        masker: hides secrets in everything printed.
        files: where secret files live.
        signals: what cancels the job.
        outputs: where outputs are collected.
        warn: prints a warning, if not as ``warning: …``.
        dialect: the rules of the CI system, where it is another than gocdnext.
        command: gives that system a command.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        workspace: Path,
        masker: Masker,
        files: SecretFiles,
        signals: Signals,
        outputs: OutputFile,
        *,
        warn: Callable[[str], object] = warn,
        dialect: Dialect | None = None,
        command: Callable[[str], object] | None = None,
    ) -> None:
        self.environ = {**environ, "HOME": home(environ, workspace)}
        self.workspace = workspace
        self._masker = masker
        self._pieces = Pieces(masker, self.environ)
        self._files = files
        self._signals = signals
        self._outputs = outputs
        self._warn = warn
        self._dialect = dialect
        self._command = command
        self._groups = 0
        self.roots: Path | None = None
        """The file of all authorities that are trusted, the public ones too; where `trust` was called."""
        self._certificates: str | None = None
        self._clients: dict[object, RegistryClient] = {}

    @cached_property
    def ci(self) -> Ci:
        """What is known of the run: commit, branch, tag, pull request …"""
        from gocdnext_sdk.runtime.ci import Ci

        return Ci.of(self.environ, self.workspace)

    def say(self, message: str) -> None:
        """Print a line to the log."""
        print(f"==> {self._pieces.hide(message)}")

    def warn(self, message: str) -> None:
        """Print a warning to the log."""
        self._warn(self._pieces.hide(message))

    def excerpt(self, text: str) -> str:
        """Return what a service has said as a message may quote it: one line, without a piece of a secret.

        Args:
            text: as it came; more than 300 characters are cut off.
        """
        return self._pieces.excerpt(text)

    @contextlib.contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Fold what the block prints under a title, where the CI system's log can be folded.

        Elsewhere the title is a line of the log. Groups do not nest, as GitHub's do not.
        """
        self._groups += 1
        title = self._pieces.hide(title)
        dialect, command, number = self._dialect, self._command, self._groups
        marks = dialect.group(title, number, int(time.time())) if dialect else None
        if dialect is None or command is None or marks is None:
            self.say(title)
            yield
            return
        command(marks[0])
        try:
            yield
        finally:
            ended = dialect.group(title, number, int(time.time()))
            command((ended or marks)[1])

    def mask(self, value: str | Secret) -> None:
        """Mask `value` in everything printed from now on. Secret inputs are masked automatically."""
        self._masker.add(value.reveal() if isinstance(value, Secret) else value)

    def output(self, **values: str) -> None:
        """Set outputs during the work, so that they are written even if a later step fails."""
        for name, value in values.items():
            self._outputs.set(name, value)

    def tool(
        self,
        name: str,
        *,
        env: Mapping[str, str | Secret] | None = None,
        inherit: Iterable[str] = (),
    ) -> Tool:
        """Return a tool ready to run.

        Args:
            name: of the executable.
            env: variables for this tool; secrets among them are masked.
            inherit: names of further variables of the job that it may see. It sees no others.

        Raises:
            ToolError: it is not installed.
        """
        given = env or {}
        for value in given.values():
            if isinstance(value, Secret):
                self.mask(value)
        path = find_tool(name, self.environ, self.workspace)
        environ = tool_environ(self.environ, self.workspace, given, inherit)
        return Tool(path, environ, self._runner())

    def trust(self, certificates: str | None) -> None:
        """Let this program and every tool started from now on trust further certificate authorities.

        They are trusted beside the public ones, for every host that is spoken to in TLS.

        Args:
            certificates: as PEM; None: nothing changes.
        """
        if certificates is None:
            return
        import ssl

        given = self.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().openssl_cafile
        known = Path(given).read_text() if Path(given).is_file() else ""
        self.roots = self.scratch() / "roots.pem"
        self.roots.write_text(f"{known}\n{certificates}")
        self.environ["SSL_CERT_FILE"] = str(self.roots)
        self._certificates = certificates

    def _runner(self) -> Runner:
        runner = ProcessRunner(self._masker, self._files, self._signals, self.workspace)
        if path := self.environ.get(TRACE_VARIABLE):
            from gocdnext_sdk.runtime.recording import RecordingRunner

            return RecordingRunner(runner, path)
        return runner

    def identity_token(self, audience: str) -> Secret | None:
        """Return an identity token that this CI system hands out on request; None if it does not.

        Where a system hands a token over in a variable, as gocdnext does, that is where to look first.

        Args:
            audience: whom it is for.

        Raises:
            ToolError: the system's endpoint refused, or cannot be reached.
        """
        request = self._dialect.token_request(self.environ, audience) if self._dialect else None
        if request is None:
            return None
        from gocdnext_sdk.runtime.identity import fetch

        token = fetch(request, self.environ)
        self.mask(token)
        return token

    def registry(
        self, credentials: Credentials, insecure: Iterable[Registry] = (), *, for_tool: str = ""
    ) -> RegistryClient:
        """Return a registry client that logs in with `credentials`, or with the user's own.

        Who asks again with the same gets the same one, with its connections and tokens.

        Args:
            credentials: the logins.
            insecure: registries that may speak plain http, by the user's word.
            for_tool: the tool whose look-ups it makes, which it then names in its `User-Agent`: Harbor lets
                only what calls itself cosign read what is not signed, where a project demands signatures.
        """
        from gocdnext_sdk.oci.client import AGENT, RegistryClient
        from gocdnext_sdk.oci.credentials import Credentials

        roots, plain = self._certificates, frozenset(insecure)
        agent = f"{AGENT} ({for_tool})" if for_tool else AGENT
        key = (frozenset(credentials), plain, roots, agent)
        if key not in self._clients:
            self._mask_logins(credentials)
            self._clients[key] = RegistryClient(
                credentials or Credentials.ambient(self.environ),
                insecure=plain,
                roots=roots,
                agent=agent,
                quote=self.excerpt,
            )
        return self._clients[key]

    def _mask_logins(self, credentials: Credentials) -> None:
        for secret in (secret for credential in credentials for secret in credential.secrets):
            self.mask(secret)

    def daemon(self) -> Daemon:
        """Return the Docker daemon, once it answers. What killed jobs left there is removed first.

        Raises:
            DaemonError: there is none.
        """
        from gocdnext_sdk.runtime.daemon import DockerDaemon
        from gocdnext_sdk.runtime.orphans import remove_orphans

        daemon = DockerDaemon(self.environ)
        try:
            daemon.ping()
        except DaemonError:
            self.say(f"waiting for the Docker daemon at {daemon.address}")
            daemon.wait()
        for builder in remove_orphans(daemon):
            self.say(f"removed the BuildKit {builder}, which a killed job had left")
        return daemon

    def http(
        self,
        method: str,
        url: str | Secret,
        *,
        json: object = None,
        body: str | bytes | Path | None = None,
        headers: Mapping[str, str | Secret] | None = None,
        bearer: Secret | None = None,
        ok: Container[int] = range(200, 300),
        seconds: float = 120,
        assumed: object = None,
    ) -> HttpResponse:
        """Send a request to a web service, and return its answer.

        Args:
            method: such as POST.
            url: absolute; a `Secret` if it is one, as a webhook's is.
            json: what to send, as JSON.
            body: what to send instead, or the file that holds it.
            headers: header fields; a `Secret` among them goes to no other host that a redirect names.
            bearer: a token for `Authorization: Bearer`.
            ok: the statuses that are no failure.
            seconds: for all of it, with redirects and retries.
            assumed: what `gocdnext-plugin plan`, which sends nothing, takes for the JSON of the answer.
                Without it a plan ends where the answer's content is looked at.

        Raises:
            HttpError: the service cannot be reached, or answered with another status.
        """
        from gocdnext_sdk.runtime.http import Http

        return Http(self._sender(), self.mask, self.excerpt).request(
            *(method, url),
            json=json,
            body=body,
            headers=headers,
            bearer=bearer,
            ok=ok,
            seconds=seconds,
            assumed=assumed,
        )

    def _sender(self) -> Sender:
        from gocdnext_sdk.runtime.http import WebSender

        if path := self.environ.get(TRACE_VARIABLE):
            from gocdnext_sdk.runtime.recording import RecordingSender

            return RecordingSender(WebSender(), path, self._masker.mask)
        return WebSender()

    def report(self, path: str | Path, content: str | bytes) -> None:
        """Write a file into the checkout, with secrets masked; directories that are not there are made.

        A warning says if something was: what a secret looks like may be a word that the file is about.

        Args:
            path: relative to the checkout.
            content: text, or bytes.

        Raises:
            OutputError: the path leaves the checkout, or cannot be written.
        """
        data = content.encode(errors="surrogateescape") if isinstance(content, str) else content
        masks: list[bytes] = []
        masked = self._masker.mask_bytes(data, masks.append)
        if masks:
            self.warn(f"{path}: {_times(masks)}, what is secret in this job was masked")
        self._write(path, masked)

    def write(self, path: str | Path, content: bytes) -> None:
        """Write a file into the checkout as it is, such as a signed one, which a mask would break.

        A warning says if it holds a secret. Else as `report`.
        """
        held: list[bytes] = []
        self._masker.mask_bytes(content, held.append)
        if held:
            self.warn(f"{path} holds what is secret in this job, {_times(held)}: masked, it would be broken")
        self._write(path, content)

    def _write(self, path: str | Path, content: bytes) -> None:
        from gocdnext_sdk.runtime.reports import write_report

        write_report(self.workspace, path, content)

    def summary(self, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Show a table where the CI system shows a job's summary, and in the log where it has none.

        Args:
            header: the columns' names.
            rows: one value for each column.
        """
        from gocdnext_sdk.runtime.reports import as_markdown, as_text, code

        cells = [[self._pieces.hide(self._masker.mask(str(value))) for value in row] for row in rows]
        if not self._outputs.summarize(as_markdown([header, *([*map(code, row)] for row in cells)])):
            for line in as_text([header, *cells]):
                print(line)

    @cached_property
    def git(self) -> Git:
        """The checkout's history: commits, tags, changed files. No git is needed for it."""
        from gocdnext_sdk.runtime.git import Git

        return Git(self.workspace)

    def secret_file(self, content: Secret | str | bytes, name: str = "secret") -> str:
        """Return a path from which a tool can read `content`; in memory, gone when the job ends."""
        if isinstance(content, Secret):
            self.mask(content)
        return self._files.file(content, name)

    def secret_folder(self, contents: Mapping[str, Secret | str | bytes]) -> str:
        """Return a private directory with files that a tool can read if it gets the directory's name.

        Args:
            contents: what each file holds, by its name; in memory, gone when the job ends.
        """
        for content in contents.values():
            if isinstance(content, Secret):
                self.mask(content)
        return str(self._files.folder(contents))

    def reach(self, place: str, connect: Callable[[], None]) -> None:
        """Try a connection that is no registry's and no daemon's; a plan only shows the place.

        Args:
            place: where to, such as `tcp://buildkit:1234`.
            connect: tries it, and raises an error that says what is wrong.
        """
        connect()

    def docker_config(self, credentials: Credentials, folder: Path | None = None) -> dict[str, str]:
        """Return the environment that gives a tool exactly these registry logins.

        Without any, it is empty, and the tool uses what it finds by itself.

        Args:
            credentials: the logins.
            folder: a new directory for them, below `scratch`, instead of anonymous memory; for a tool that
                would pass the memory's descriptor on to foreign programs.
        """
        if not credentials:
            return {}
        self._mask_logins(credentials)
        content = credentials.docker_config()
        if folder is None:
            return {"DOCKER_CONFIG": str(self._files.named("config.json", content))}
        self._files.stored(folder, "config.json", content)
        return {"DOCKER_CONFIG": str(folder)}

    def digest(self, subject: object, read: Callable[[], str | None]) -> str:
        """Return the digest of what a tool has just made.

        Args:
            subject: what was made, for messages; a plan shows `<digest of SUBJECT>`.
            read: finds the digest, such as in a file that the tool wrote; None or OSError if there is none.

        Raises:
            ToolError: there is none.
        """
        return digest_left_by_tool(subject, read)

    def temporary(self) -> Path:
        """Return the directory in which tools make large temporary files: TMPDIR, else /tmp.

        Raises:
            ContainerError: it cannot be written, as on a read-only root file system.
        """
        from gocdnext_sdk.runtime.temporary import temporary

        return temporary(self.environ)

    def scratch(self) -> Path:
        """Return a private directory that is removed when the job ends."""
        return self._files.directory()

    @contextlib.contextmanager
    def cleanup(self) -> Iterator[None]:
        """Run the steps in the block even after a signal; keep them short."""
        with self._signals.shield():
            yield


def _times(found: Sequence[object]) -> str:
    return "once" if len(found) == 1 else f"{len(found)} times"


def digest_left_by_tool(subject: object, read: Callable[[], str | None]) -> str:
    """Return the digest that a tool has reported; see `Job.digest`.

    Raises:
        ToolError: there is none.
    """
    try:
        digest = read()
    except OSError:
        digest = None
    if digest is None or not is_digest(digest):
        raise ToolError(f"the tool succeeded but reported no digest for {subject}")
    return digest
