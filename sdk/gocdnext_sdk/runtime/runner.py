"""How tools are started: the protocol, and the runner of real runs.

A `Tool` is an argv, an environment and a `Runner`. The runner of a job starts processes (`ProcessRunner`);
that of a plan records what would be started (`host/planning`); `RecordingRunner` logs the starts of another
one.

Public through `gocdnext_sdk` (docs/api.md).
"""

from __future__ import annotations

import os
import selectors
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal, Protocol

from gocdnext_sdk.errors import Cancelled, Misuse, ToolError
from gocdnext_sdk.runtime.log import MaskedText, MaskedWriter, Sink
from gocdnext_sdk.runtime.masking import Masker
from gocdnext_sdk.runtime.secret_files import SecretFiles
from gocdnext_sdk.runtime.signals import Signals

_CHUNK = 65536

_PIPE = 1 << 20
"""Bytes a pipe may hold (Linux's `pipe-max-size`), and so at most left of what an ended tool wrote."""

_TAIL = 64 * 1024
"""Bytes of standard error that are kept: enough to see why a tool failed."""

_SHOWN = 4096
"""Bytes of captured standard output that are shown of a tool that failed without another word."""

TRACE_VARIABLE = "GOCDNEXT_TRACE_FILE"
"""Names the file in which `runtime.recording` notes each start."""


@dataclass(frozen=True)
class Completed:
    """How a tool ended.

    Args:
        exit_code: its exit code; minus n if signal n ended it.
        stdout: its standard output, if captured.
        stderr: the end of its standard error, to distinguish failures. It is not masked.
    """

    exit_code: int
    stdout: bytes = field(default=b"", repr=False)
    stderr: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Command:
    """One start of a tool.

    Args:
        path: the executable.
        argv: its arguments.
        environ: its complete environment.
        ok: the exit codes that are not a failure.
        watch: gets standard error as it comes, not masked.
        logged: when standard error is in the log: as it comes, or its end if the tool fails.
    """

    path: str
    argv: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)
    ok: frozenset[int] = frozenset({0})
    watch: Callable[[bytes], object] | None = None
    logged: Literal["always", "on failure"] = "always"

    @property
    def name(self) -> str:
        """The tool's name."""
        return Path(self.path).name


class Runner(Protocol):
    """Starts tools. `Tool` documents what each way of running means."""

    def run(self, command: Command) -> Completed:
        """Run to the end, with the output in the log."""

    def capture(self, command: Command, assumed: bytes | None) -> Completed:
        """Run to the end, with standard output in the result; `assumed` is for runners that start nothing."""

    def capture_each(
        self, commands: Sequence[Command], assumed: bytes | None = None
    ) -> list[Completed | ToolError]:
        """Run all at the same time to the end; one that fails is its error, and ends no other."""

    def running(self, command: Command) -> AbstractContextManager[None]:
        """Run while the block does something else."""


class ProcessRunner:
    """Starts processes, masks what they print, and forwards signals.

    Args:
        masker: hides secrets in everything they print.
        files: the job's secret files; a tool inherits those that its argv or its environment names.
        signals: cancel them.
        workspace: their working directory.
    """

    def __init__(self, masker: Masker, files: SecretFiles, signals: Signals, workspace: Path) -> None:
        self._masker = masker
        self._files = files
        self._signals = signals
        self._workspace = workspace

    def run(self, command: Command) -> Completed:
        """Run to the end, with the output in the log."""
        with self._started(command) as process:
            return self._finish(command, process, None)

    def capture(self, command: Command, assumed: bytes | None = None) -> Completed:
        """Run to the end, with standard output in the result."""
        with self._started(command) as process:
            return self._finish(command, process, [])

    def capture_each(
        self, commands: Sequence[Command], assumed: bytes | None = None
    ) -> list[Completed | ToolError]:
        """Run all at the same time to the end, with standard output in the results."""
        with ExitStack() as running:
            streams = [
                _Streams(running.enter_context(self._started(each)), self._masker, each, [])
                for each in commands
            ]
            _pump(streams, self._signals)
            return [self._outcome(*each) for each in zip(commands, streams, strict=True)]

    def _outcome(self, command: Command, streams: _Streams) -> Completed | ToolError:
        try:
            return self._judged(command, streams)
        except ToolError as error:
            return error

    @contextmanager
    def running(self, command: Command) -> Iterator[None]:
        """Run while the block does something else."""
        with self._started(command) as process:
            streams = _Streams(process, self._masker, command)
            try:
                with self._signals.meanwhile():
                    yield
            except Cancelled:
                _pump([streams], self._signals)  # it has the signal too, and is given time
                raise
            _pump([streams], self._signals)
            self._judged(command, streams)

    @contextmanager
    def _started(self, command: Command) -> Iterator[subprocess.Popen[bytes]]:
        self._signals.check()
        if not self._signals.reach_this_thread:
            raise Misuse(
                "a tool is started in a thread, where no signal ends it",
                "start several at once by `capture_each`",
            )
        print(f"$ {shlex.join([command.name, *command.argv])}")
        with self._signals.child(lambda: self._start(command)) as process:
            yield process

    def _finish(
        self, command: Command, process: subprocess.Popen[bytes], captured: list[bytes] | None
    ) -> Completed:
        streams = _Streams(process, self._masker, command, captured)
        _pump([streams], self._signals)
        return self._judged(command, streams)

    def _judged(self, command: Command, streams: _Streams) -> Completed:
        """Return how a tool ended whose streams are read.

        Raises:
            ToolError: it failed.
        """
        code = streams.process.wait()
        self._signals.check()
        captured, stderr = streams.captured, bytes(streams.tail)
        if code not in command.ok:
            how = f"ended by signal {-code}" if code < 0 else f"failed with exit code {code}"
            if command.logged == "on failure":
                self._show_end(stderr)
            said = captured is None or bool(stderr.strip()) or self._show_end(b"".join(captured).strip())
            if said:
                raise ToolError(f"{command.name} {how}", "its own message is above", said=stderr)
            raise ToolError(f"{command.name} {how} and printed nothing")
        return Completed(code, b"".join(captured or ()), stderr)

    def _show_end(self, captured: bytes) -> bool:
        """Log the end of what a tool printed and nobody has seen; return whether there was any."""
        masked = self._masker.mask_bytes(captured)  # before it is cut: half a secret is not known as one
        end = masked[-_SHOWN:]
        if len(end) < len(masked):
            end = "…\n".encode() + (end.partition(b"\n")[2] or end)
        log = MaskedWriter(self._masker, _raw(sys.stderr))
        log.write(end)
        log.finish()
        log.end_line()
        return bool(end)

    def _start(self, command: Command) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [command.path, *command.argv],
                cwd=self._workspace,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(command.environ),
                pass_fds=self._files.named_in((*command.argv, *command.environ.values())),
                process_group=0,
            )
        except FileNotFoundError:  # the tool was found; what starts it was not
            raise ToolError(
                f"{command.path} cannot be started: its interpreter or loader is not in this image",
                "take a static build of the tool",
            ) from None
        except ValueError:
            raise ToolError(
                f"{command.path} cannot be started: an argument or a variable holds a NUL or half a character"
            ) from None
        except OSError as error:  # another architecture, too long an argv
            raise ToolError(f"{command.path} cannot be started: {error.strerror}") from None


class _Streams:
    """The two streams of a tool, which go to the log, masked.

    Args:
        process: the tool.
        masker: hides secrets.
        command: says what becomes of standard error.
        captured: gets standard output instead of the log.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        masker: Masker,
        command: Command,
        captured: list[bytes] | None = None,
    ) -> None:
        if process.stdout is None or process.stderr is None:
            raise AssertionError("both streams are pipes")
        self.process = process
        self.captured = captured
        self.tail = bytearray()
        """The end of standard error."""
        self._command = command
        self._out = MaskedWriter(masker, _raw(sys.stdout))
        self._err = MaskedWriter(masker, _raw(sys.stderr))
        take = self._out.write if captured is None else captured.append
        self.open: dict[IO[bytes], Callable[[bytes], object]] = {
            process.stdout: take,
            process.stderr: self._log_error,
        }
        """What is read, and what gets what is read."""
        self.has_ended = False
        """Whether the tool had, before the last round."""
        self.rounds_left = _PIPE // _CHUNK

    def _log_error(self, data: bytes) -> None:
        if self._command.logged == "always":
            self._err.write(data)
        self.tail.extend(data)
        del self.tail[:-_TAIL]
        if self._command.watch is not None:
            self._command.watch(data)

    def finish(self) -> None:
        """Write what is left, to the end of a line."""
        for writer in (self._out, self._err):
            writer.finish()
            writer.end_line()


def _pump(all_streams: Sequence[_Streams], signals: Signals) -> None:
    """Read the streams of tools until each tool has closed its own or has ended."""
    with selectors.DefaultSelector() as selector:
        for streams in all_streams:
            for stream in streams.open:
                selector.register(stream, selectors.EVENT_READ, streams)
        while selector.get_map():
            ready = selector.select(timeout=0.5)
            for key, _ in ready:
                data = os.read(key.fd, _CHUNK)
                if data:
                    key.data.open[key.fileobj](data)
                else:
                    selector.unregister(key.fileobj)
                    del key.data.open[key.fileobj]
            for streams in all_streams:
                if not streams.open or streams.process.poll() is None:
                    continue
                signals.end_group(streams.process.pid)
                # A process that left the group may hold the pipes open, and even go on writing. What the tool
                # itself wrote before its end was there to be read in a round that began after it.
                ended, streams.has_ended = streams.has_ended, True
                streams.rounds_left -= 1
                is_quiet = ended and not any(key.data is streams for key, _ in ready)
                if not streams.rounds_left or is_quiet:
                    for stream in streams.open:
                        selector.unregister(stream)
                    streams.open.clear()
    for streams in all_streams:
        streams.finish()


def _raw(stream: object) -> Sink:
    """Return the bytes below a text stream; a tool's output has its own masked writer."""
    if isinstance(stream, MaskedText):
        return stream.sink
    return stream.buffer  # type: ignore[attr-defined,no-any-return]
