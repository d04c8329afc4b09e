"""Run a wrapped tool: an argv and never a shell, an environment it is given and never the job's."""

from __future__ import annotations

import json
import os
import pwd
import selectors
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from gocdnext_sdk.errors import Cancelled, ToolError
from gocdnext_sdk.runtime.log import MaskedText, MaskedWriter
from gocdnext_sdk.runtime.masking import Masker
from gocdnext_sdk.runtime.secret_files import SecretFiles
from gocdnext_sdk.runtime.signals import Signals, end_group
from gocdnext_sdk.secret import Secret

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

INHERITED = frozenset(
    (
        *("HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
        *("http_proxy", "https_proxy", "no_proxy", "all_proxy"),
    )
)
"""Variables any tool may need: where home is, which CAs to trust, how to get out."""

TRACE_VARIABLE = "GOCDNEXT_TRACE_FILE"
"""Names the file that tells tests which tools were started, how."""

_CHUNK = 65536

_PIPE = 1 << 20
"""Bytes a pipe may hold (Linux's `pipe-max-size`), and so at most left of what an ended tool wrote."""

_TAIL = 64 * 1024
"""Bytes of standard error that are kept: enough to tell why a tool failed."""

_SHOWN = 4096
"""Bytes of captured standard output that are shown of a tool that failed without another word."""


@dataclass(frozen=True)
class Completed:
    """How a tool ended.

    Args:
        exit_code: its own; minus n if signal n ended it.
        stdout: what it wrote there, when captured.
        stderr: the end of what it wrote there, to tell one failure from another. It is not masked.
    """

    exit_code: int
    stdout: bytes = field(default=b"", repr=False)
    stderr: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Tool:
    """A tool that is ready to run. `Job.tool` makes it.

    Args:
        path: the executable.
        environ: everything the tool's environment holds.
        masker: hides secrets in all it prints.
        files: the secret files it may read.
        signals: what cancels it.
        trace: a file that gets one JSON line for each start (tool, argv, names of its variables); for tests.
    """

    path: str
    environ: Mapping[str, str] = field(repr=False)
    masker: Masker = field(repr=False)
    files: SecretFiles = field(repr=False)
    signals: Signals = field(repr=False)
    trace: str | None = field(default=None, repr=False)

    def run(self, *argv: object, ok: Iterable[int] = (0,)) -> Completed:
        """Run the tool, its output going to the job's log as it comes.

        Args:
            argv: its arguments.
            ok: the exit codes that are no failure.

        Raises:
            ToolError: it ended with another code.
            Cancelled: a signal came before or while it ran.
        """
        return self._run(argv, frozenset(ok), None)

    def capture(self, *argv: object, ok: Iterable[int] = (0,), assumed: bytes | None = None) -> Completed:
        """As `run`, with standard output in the result instead of the log.

        If the tool fails and wrote nothing to standard error, the end of its standard output is logged.

        Args:
            argv: its arguments.
            ok: the exit codes that are no failure.
            assumed: what `gocdnext-plugin plan`, which runs nothing, takes for the output. Without it a plan
                ends where the output is looked at.
        """
        return self._run(argv, frozenset(ok), [])

    @contextmanager
    def running(self, *argv: object, ok: Iterable[int] = (0,)) -> Iterator[None]:
        """As `run`, with the block done while the tool works; an error in the block ends the tool.

        What the tool prints is in the log at the end of the block.

        Args:
            argv: its arguments.
            ok: the exit codes that are no failure.
        """
        with self._started(argv) as process:
            try:
                with self.signals.meanwhile():
                    yield
            except Cancelled:
                self._pump(process, None)  # it has the signal too, and is given time
                raise
            self._finish(process, frozenset(ok), None)

    def _run(self, argv: Iterable[object], ok: frozenset[int], captured: list[bytes] | None) -> Completed:
        with self._started(argv) as process:
            return self._finish(process, ok, captured)

    @contextmanager
    def _started(self, argv: Iterable[object]) -> Iterator[subprocess.Popen[bytes]]:
        self.signals.check()
        command = [self.path, *map(str, argv)]
        name = Path(self.path).name
        print(f"$ {shlex.join([name, *command[1:]])}")
        if self.trace:
            line = {"tool": name, "argv": command[1:], "environ": sorted(self.environ)}
            with open(self.trace, "a", encoding="utf-8") as stream:  # noqa: PTH123
                stream.write(json.dumps(line) + "\n")
        with self.signals.child(lambda: self._start(command)) as process:
            yield process

    def _finish(
        self, process: subprocess.Popen[bytes], ok: frozenset[int], captured: list[bytes] | None
    ) -> Completed:
        stderr = self._pump(process, captured)
        code = process.wait()
        self.signals.check()
        if code not in ok:
            how = f"ended by signal {-code}" if code < 0 else f"failed with exit code {code}"
            said = captured is None or bool(stderr.strip()) or self._show_end(b"".join(captured).strip())
            why = "; its own message is above" if said else " and printed nothing"
            raise ToolError(f"{Path(self.path).name} {how}{why}")
        return Completed(code, b"".join(captured or ()), stderr)

    def _show_end(self, captured: bytes) -> bool:
        """Log the end of what a tool said on standard output only; return whether it said anything."""
        masked = self.masker.mask_bytes(captured)  # before it is cut: half a secret is not known as one
        end = masked[-_SHOWN:]
        if len(end) < len(masked):
            end = "…\n".encode() + (end.partition(b"\n")[2] or end)
        log = MaskedWriter(self.masker, _raw(sys.stderr))
        log.write(end)
        log.finish()
        log.end_line()
        return bool(end)

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(self.environ),
                pass_fds=self.files.fds,
                process_group=0,
            )
        except FileNotFoundError:  # the tool was found; what starts it was not
            raise ToolError(
                f"{self.path} cannot be started: its interpreter or loader is not in this image; "
                "take a static build of the tool"
            ) from None
        except OSError as error:  # another architecture, too long an argv
            raise ToolError(f"{self.path} cannot be started: {error.strerror}") from None

    def _pump(self, process: subprocess.Popen[bytes], captured: list[bytes] | None) -> bytes:
        """Copy both streams to the log, masked, until the tool has closed them or has ended.

        Returns:
            The end of its standard error.
        """
        if process.stdout is None or process.stderr is None:
            raise AssertionError("both streams are pipes")
        with selectors.DefaultSelector() as selector:
            out = MaskedWriter(self.masker, _raw(sys.stdout))
            err = MaskedWriter(self.masker, _raw(sys.stderr))
            tail = bytearray()

            def log_error(data: bytes) -> None:
                err.write(data)
                tail.extend(data)
                del tail[:-_TAIL]

            selector.register(
                process.stdout, selectors.EVENT_READ, captured.append if captured is not None else out.write
            )
            selector.register(process.stderr, selectors.EVENT_READ, log_error)
            rounds_left = _PIPE // _CHUNK
            while selector.get_map():
                ready = selector.select(timeout=0.5)
                for key, _ in ready:
                    data = os.read(key.fd, _CHUNK)
                    if data:
                        key.data(data)
                    else:
                        selector.unregister(key.fileobj)
                if process.poll() is not None:
                    end_group(process.pid)
                    # A process that left the group may hold the pipes open, and even go on writing.
                    rounds_left -= 1
                    if not ready or not rounds_left:
                        break
            for writer in (out, err):
                writer.finish()
                writer.end_line()
            return bytes(tail)


def find_tool(name: str, environ: Mapping[str, str], workspace: Path) -> str:
    """Return the path of a tool, never one from the workspace: what is checked out must not run.

    Raises:
        ToolError: it is not there.
    """
    for folder in tool_path(environ, workspace).split(os.pathsep):
        candidate = Path(folder) / name
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return str(candidate)
    raise ToolError(f"{name} is not installed; put it into the plugin's image, or outside of that into PATH")


def tool_path(environ: Mapping[str, str], workspace: Path) -> str:
    """Return a search path of the absolute folders outside the workspace, the system's ones last."""
    given = [Path(entry) for entry in environ.get("PATH", "").split(os.pathsep) if entry]
    root = workspace.resolve()
    safe = [str(entry) for entry in given if entry.is_absolute() and not _within(entry, root)]
    return os.pathsep.join(dict.fromkeys([*safe, *DEFAULT_PATH.split(os.pathsep)]))


def tool_environ(
    environ: Mapping[str, str],
    workspace: Path,
    given: Mapping[str, str | Secret],
    inherit: Iterable[str],
) -> dict[str, str]:
    """Return a tool's environment: what any tool needs, what is named, and what is given; nothing else.

    Args:
        environ: the job's environment.
        workspace: the checkout.
        given: variables for this tool.
        inherit: further variables of the job that this tool may see.
    """
    allowed = INHERITED.union(inherit)
    result = {name: value for name, value in environ.items() if name in allowed}
    result["PATH"] = tool_path(environ, workspace)
    result.update((k, v.reveal() if isinstance(v, Secret) else v) for k, v in given.items())
    return result


def home(environ: Mapping[str, str], workspace: Path) -> str:
    """Return the home directory of tools, never one in the workspace.

    What is there configures them: which registry helper, which credential process and which keys to trust.
    """
    given = environ.get("HOME", "")
    if given and not _within(Path(given), workspace.resolve()):
        return given
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:  # a user that the image does not know
        return "/"


def _within(path: Path, root: Path) -> bool:
    # A checkout at / would exclude every folder; there the workspace is the whole image.
    return root != Path("/") and path.resolve().is_relative_to(root)


def _raw(stream: object) -> BinaryIO:
    """Return the bytes below a text stream; a tool's output has its own masked writer."""
    if isinstance(stream, MaskedText):
        return stream.sink
    return stream.buffer  # type: ignore[attr-defined,no-any-return]
