"""Every error a user can meet, the exit code it ends with, and the one place that reports it.

    Error
    ├── Findings            1   the tool did its work and found what the job forbids
    ├── UsageError          2   what was asked for is wrong
    │   ├── InputError      2   the `with:` map, or a file it names, is wrong; nothing was done
    │   ├── InputMismatch   2   an input does not fit what the run has found, such as an image's platforms
    │   ├── ContainerError  2   the job's container cannot be used: its user, what of it can be written
    │   ├── PipelineError   2   a pipeline file is wrong              (host/pipeline/errors.py)
    │   ├── FolderError     2   a folder holds no usable plugin       (host/manifest/load.py)
    │   ├── NothingToLint   2   there is no pipeline to check         (host/lint/check.py)
    │   └── ScaffoldError   2   a new plugin cannot be made           (host/scaffold)
    ├── ToolError           3   a wrapped tool failed or is missing
    ├── DaemonError         3   the Docker daemon cannot be used
    │   └── NoSuchPath      3   a container has no such path      (host/harness/engine)
    ├── RegistryError       3   a registry cannot be reached or refused
    │   └── NotFound        3   a registry has no such manifest    (oci/connection.py)
    ├── HttpError           3   a web service cannot be reached or refused
    ├── GitError            3   the checkout cannot tell what was asked of it
    ├── OutputError         3   an output cannot be carried or written
    ├── ArtifactError       3   a job's files cannot be handed on     (host/harness/artifacts.py)
    ├── CacheError          3   a job's cache cannot be kept          (host/harness/caches.py)
    ├── Misuse             70   the plugin's code does what it must not
    ├── Bug                70   the plugin or the SDK failed: EX_SOFTWARE of sysexits.h
    └── Cancelled       128+n   the job was stopped by signal n
        └── TimedOut        3   the job took longer than its `timeout`

`Invalid` is what a parser raises: the text is wrong, and the caller knows whose it is. `report` prints an
error and returns its exit code; users see a traceback only with ``GOCDNEXT_DEBUG=1``.

Public through `gocdnext_sdk` (docs/api.md).
"""

from __future__ import annotations

import errno
import re
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

DEBUG_VARIABLE = "GOCDNEXT_DEBUG"

_LOGIN = re.compile(r"://[^/?#\s]*@|[?&][^=&\s]+=")
"""In a URL: a user, or a query."""

_QUOTABLE = 200
"""Characters of a value that a message may quote."""

_EXCERPT = 300
"""Characters of an answer that a message may quote."""


class Error(Exception):
    """Base of all errors that are reported as a message and an exit code.

    Args:
        what: what happened, and where.
        advice: what to do next.
    """

    exit_code: int = 3

    def __init__(self, what: str, advice: str = "") -> None:
        self.what = what
        self.advice = advice
        super().__init__(_joined(what, advice))

    def name(self, doing: str) -> None:
        """Put what was being done in front of what happened."""
        self.what = f"{doing}: {self.what}"
        self.args = (_joined(self.what, self.advice),)

    def lines(self) -> list[str]:
        """Return the message, one line per mistake."""
        return [str(self)]


class Findings(Error):
    """The tool worked and found what the job forbids.

    Args:
        what: what was found.
        advice: what to do next.
        exit_code: the job's own exit code for findings, 1 unless an input says otherwise.
    """

    exit_code = 1

    def __init__(self, what: str, advice: str = "", *, exit_code: int = 1) -> None:
        super().__init__(what, advice)
        self.exit_code = exit_code


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Name what was being done in an error of a tool, a server or the daemon that ends the block.

    ```python
    with doing(f"signing {image}"):
        cosign.run("sign", image)  # signing ghcr.io/org/app: cosign failed with exit code 1; …
    ```

    Args:
        what: the action and its object, registry included.
    """
    try:
        yield
    except (ToolError, DaemonError, RegistryError, HttpError, TimedOut) as error:
        error.name(what)
        raise


class UsageError(Error):
    """What was asked for is wrong: an input, a pipeline, a folder, an option."""

    exit_code = 2


class Invalid(ValueError):
    """A text is not what it should be. Raised by parsers; the caller knows which input the text belongs to.

    Args:
        what: what is wrong.
        advice: what to do next.
    """

    def __init__(self, what: str, advice: str = "") -> None:
        self.what = what
        self.advice = advice
        super().__init__(_joined(what, advice))


@dataclass(frozen=True)
class Problem:
    """One mistake in the inputs.

    Args:
        key: the `with:` key as the user writes it; empty when no single key is to blame.
        what: what is wrong.
        advice: what to do next.
    """

    key: str
    what: str
    advice: str = ""

    @classmethod
    def of(cls, key: str, error: ValueError) -> Problem:
        """Return what a parser found wrong in the value of `key`."""
        if isinstance(error, Invalid):
            return cls(key, error.what, error.advice)
        return cls(key, str(error))

    def __str__(self) -> str:
        where = f"with.{self.key}: " if self.key else ""
        return " ".join(_joined(f"{where}{self.what}", self.advice).splitlines())


class InputError(UsageError):
    """The inputs are wrong, and nothing was done. Carries every mistake, not only the first.

    For `PluginInputs.check` and the SDK; what a run finds out later is an `InputMismatch`.
    """

    def __init__(self, problems: Iterable[Problem] | Problem) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    def lines(self) -> list[str]:
        """Return one line per mistake."""
        return [str(problem) for problem in self.problems]


class InputMismatch(UsageError):
    """An input is right in itself and does not fit what the run has found.

    Only a look at the world can tell: a registry was asked, or outputs were written.

    Args:
        key: the `with:` key as the user writes it.
        what: what does not fit.
        advice: what to do next.
    """

    def __init__(self, key: str, what: str, advice: str = "") -> None:
        super().__init__(f"with.{key}: {what}", advice)
        self.key = key


class ContainerError(UsageError):
    """The container that the job was given lacks what the plugin needs: a user, a directory to write to.

    Starting the job again does not help, so it is no `ToolError`. Raise it before anything is done.

    Args:
        what: what it lacks.
        advice: what to do next.
    """


class ToolError(Error):
    """A wrapped tool failed, or is not there.

    Args:
        what: what happened.
        advice: what to do next.
        said: the end of what the tool wrote to standard error. It is not masked: look into it, never show it.
    """

    def __init__(self, what: str, advice: str = "", *, said: bytes = b"") -> None:
        super().__init__(what, advice)
        self.said = said


class DaemonError(Error):
    """The Docker daemon cannot be reached or refused."""


class RegistryError(Error):
    """A registry cannot be reached, or refused."""


class HttpError(Error):
    """A web service cannot be reached, or has refused.

    Args:
        what: what happened, and where.
        advice: what to do next.
        status: of its answer; None without one.
    """

    def __init__(self, what: str, advice: str = "", *, status: int | None = None) -> None:
        super().__init__(what, advice)
        self.status = status


class GitError(Error):
    """The checkout has no history, or not the part of it that is needed."""


class OutputError(Error):
    """An output cannot be carried to another job, or not be written."""


class Bug(Error):
    """The plugin or the SDK failed in a way that nobody foresaw.

    Args:
        error: what was raised.
        place: file and line, if these and the error say all that there is to know.
    """

    exit_code = 70

    def __init__(self, error: BaseException, place: str = "") -> None:
        what = f"{place or 'internal error'}: {type(error).__name__}: {error}"
        super().__init__(what, "" if place else f"{DEBUG_VARIABLE}=1 shows where")
        self.__cause__ = error


class Misuse(Error):
    """A plugin uses the SDK in a way that cannot work: a bug of the plugin, in one line with its place."""

    exit_code = 70


class Cancelled(Error):
    """The job was stopped by a signal.

    Args:
        signum: the signal's number; the exit code is 128 + signum, as a shell reports it.
    """

    def __init__(self, signum: int) -> None:
        self.signum = signum
        self.exit_code = 128 + signum
        super().__init__(f"stopped by {signal.Signals(signum).name}")


class TimedOut(Cancelled):
    """The job took longer than it may: it is stopped as by a signal, and has failed.

    Args:
        seconds: how long it may take.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(signal.SIGALRM)
        self.exit_code = 3
        self.what = f"stopped after {seconds:g} s, the job's `timeout`"
        self.args = (self.what,)


def quoted(value: object) -> str:
    """Return a value as a message may show it: in quotes and whole, or not at all.

    A piece of a text passes every mask if the text was secret, so nothing is cut. Text of several lines is a
    list or a key, long text no name, and a URL may hold a login or a token.
    """
    text = str(value)
    if len(text) > _QUOTABLE or not text.isprintable() or _LOGIN.search(text):
        return f"the value ({len(text)} characters)"
    return f'"{text}"'


def excerpt(text: str) -> str:
    """Return what a server has said as one printable line of limited length.

    That changes what is secret in it, past every mask: a job's answers go through `runtime.pieces` first.
    """
    return "".join(filter(str.isprintable, " ".join(text.split())))[:_EXCERPT]


def closest(written: str, known: Iterable[str], *, similarity: float = 0.6) -> str | None:
    """Return the known word that was probably meant, None if none is close.

    Args:
        written: the word.
        known: the words that there are.
        similarity: the least that counts, from 0 to 1 for equal words.
    """
    from difflib import get_close_matches

    return next(iter(get_close_matches(written, list(known), n=1, cutoff=similarity)), None)


def report(
    error: BaseException,
    environ: Mapping[str, str],
    stream: TextIO,
    show: Callable[[str], object] | None = None,
    place: str = "`with:`",
    hide: Callable[[str], str] = str,
) -> int:
    """Print what ended a plugin or a command, and return the exit code.

    Args:
        error: any exception; one that is no `Error` is a `Bug`.
        environ: with ``GOCDNEXT_DEBUG=1``, the traceback is printed too.
        stream: the log.
        show: prints a line that says what is wrong, if not as ``error: …``.
        place: where inputs are written, as users know it.
        hide: takes out of a text what it quotes of a secret.
    """
    show = show or (lambda line: print(f"error: {line}", file=stream))
    known = error if isinstance(error, Error) else _full(error) or Bug(error)
    if environ.get(DEBUG_VARIABLE) == "1":
        import traceback

        print(hide("".join(traceback.format_exception(error))), file=stream, end="")
    for line in known.lines():
        show(hide(line))
    if isinstance(known, InputError):
        count = len(known.problems)
        mistakes = "1 mistake" if count == 1 else f"{count} mistakes"
        print(f"error: nothing was done: {mistakes} in {place}", file=stream)
    return known.exit_code


def _full(error: BaseException) -> Error | None:
    """Return what a file system without room, or without writing, means to a user; None for other errors."""
    if not isinstance(error, OSError) or error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        return None
    place = error.filename2 or error.filename or "a file"
    return Error(
        f"{place} cannot be written: {error.strerror}", "give the job a larger /dev/shm, or a writable /tmp"
    )


def _joined(what: str, advice: str) -> str:
    return f"{what}; {advice}" if advice else what
