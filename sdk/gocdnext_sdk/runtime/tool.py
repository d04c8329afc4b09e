"""Run a wrapped tool: an argv and never a shell, an environment it is given and never the job's."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from gocdnext_sdk.errors import ToolError
from gocdnext_sdk.runtime.runner import Command, Completed, Runner
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


@dataclass(frozen=True)
class Tool:
    """A tool that is ready to run. `Job.tool` makes it.

    It can read the secret files that its arguments or its variables name, and no other of the job.

    Args:
        path: the executable.
        environ: everything the tool's environment holds.
        runner: starts it.
    """

    path: str
    environ: Mapping[str, str] = field(repr=False)
    runner: Runner = field(repr=False)

    def run(
        self, *argv: object, ok: Iterable[int] = (0,), watch: Callable[[bytes], object] | None = None
    ) -> Completed:
        """Run the tool, its output going to the job's log as it comes.

        Args:
            argv: its arguments; none is secret.
            ok: the exit codes that are no failure.
            watch: gets standard error as it comes, not masked.

        Raises:
            TypeError: an argument is a `Secret`.
            ToolError: it ended with another code.
            Cancelled: a signal came before or while it ran.
        """
        return self.runner.run(replace(self._command(argv, ok), watch=watch))

    def capture(self, *argv: object, ok: Iterable[int] = (0,), assumed: bytes | None = None) -> Completed:
        """As `run`, with standard output in the result instead of the log.

        If the tool fails and wrote nothing to standard error, the end of its standard output is logged.

        Args:
            argv: its arguments.
            ok: the exit codes that are no failure.
            assumed: what `gocdnext-plugin plan`, which runs nothing, takes for the output. Without it a plan
                ends where the output is looked at.
        """
        return self.runner.capture(self._command(argv, ok), assumed)

    def capture_each(self, argvs: Iterable[Sequence[object]]) -> list[Completed | ToolError]:
        """Run the tool with each of several argvs at the same time, as `capture` does with one.

        Args:
            argvs: their arguments.

        Returns:
            How each ended, in the order of `argvs`, with its error where it failed.
        """
        return self.runner.capture_each([self._command(argv, (0,)) for argv in argvs])

    def quietly_each(
        self, argvs: Iterable[Sequence[object]], ok: Iterable[int] = (0,), assumed: bytes | None = None
    ) -> list[Completed | ToolError]:
        """As `capture_each`, with standard error in the log only of those that fail.

        Args:
            argvs: their arguments.
            ok: the exit codes that are no failure.
            assumed: as for `capture`, of each of them.
        """
        commands = [replace(self._command(argv, ok), logged="on failure") for argv in argvs]
        return self.runner.capture_each(commands, assumed)

    def quietly(self, *argv: object, ok: Iterable[int] = (0,), assumed: bytes | None = None) -> Completed:
        """As `capture`, with standard error in the log only if the tool fails.

        For tools that have much to say when all is well, and for questions whose answer no log needs.

        Args:
            argv: its arguments.
            ok: the exit codes that are no failure.
            assumed: as for `capture`.
        """
        return self.runner.capture(replace(self._command(argv, ok), logged="on failure"), assumed)

    def running(self, *argv: object, ok: Iterable[int] = (0,)) -> AbstractContextManager[None]:
        """As `run`, with the block done while the tool works; an error in the block ends the tool.

        What the tool prints is in the log at the end of the block.

        Args:
            argv: its arguments.
            ok: the exit codes that are no failure.
        """
        return self.runner.running(self._command(argv, ok))

    def _command(self, argv: Iterable[object], ok: Iterable[int]) -> Command:
        name = Path(self.path).name
        if isinstance(argv, str):
            raise TypeError(f"{name}: {argv!r} is a text, where a list of arguments is needed")
        words = tuple(argv)
        for word in words:
            if isinstance(word, Secret):
                raise TypeError(
                    f"{name}: a Secret is no argument, which every process on the host can read; "
                    "give it by `env` of `Job.tool`, or by `Job.secret_file`"
                )
            if word is None or (isinstance(word, Iterable) and not isinstance(word, str)):
                raise TypeError(
                    f"{name}: a {type(word).__name__} is no argument; "
                    "leave out what is not given, and write `*` before a list"
                )
        return Command(self.path, tuple(map(str, words)), self.environ, frozenset(ok))


def find_tool(name: str, environ: Mapping[str, str], workspace: Path) -> str:
    """Return the path of a tool, never one from the workspace: what is checked out must not run.

    Raises:
        ToolError: it is not there.
    """
    for folder in tool_path(environ, workspace).split(os.pathsep):
        candidate = Path(folder) / name
        if "/" in name and _within(candidate, workspace.resolve()):
            continue
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return str(candidate)
    raise ToolError(f"{name} is not installed", "add it to the plugin's image or, outside an image, to PATH")


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

    Raises:
        TypeError: a value is neither text nor a `Secret`, or `inherit` is a text.
    """
    if isinstance(inherit, str):
        raise TypeError(f"inherit: {inherit!r} is a text, where a list of names is needed")
    allowed = INHERITED.union(inherit)
    result = {name: value for name, value in environ.items() if name in allowed}
    result["PATH"] = tool_path(environ, workspace)
    for name, value in given.items():
        text = value.reveal() if isinstance(value, Secret) else value
        if not isinstance(text, str):
            raise TypeError(
                f"env: {name} is a {type(text).__name__}, and not a text; leave out what is not given"
            )
        result[name] = text
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
