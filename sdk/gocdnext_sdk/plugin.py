"""What an author subclasses, and the life of one run.

environment → typed inputs → `run` → outputs → secrets wiped → exit code.

Public through `gocdnext_sdk` (docs/api.md).
"""

from __future__ import annotations

import contextlib
import gc
import os
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, TypeVar
from urllib.parse import unquote

from gocdnext_sdk.contract.keys import MARK
from gocdnext_sdk.errors import Bug, Error, Misuse, report
from gocdnext_sdk.inputs.model import PluginInputs
from gocdnext_sdk.inputs.reader import read_inputs
from gocdnext_sdk.runtime.job import Job
from gocdnext_sdk.runtime.job import warn as print_warning
from gocdnext_sdk.runtime.log import MaskedText, MaskedWriter
from gocdnext_sdk.runtime.masking import Masker
from gocdnext_sdk.runtime.outputs import OutputFile
from gocdnext_sdk.runtime.pieces import Pieces
from gocdnext_sdk.runtime.secret_files import SecretFiles
from gocdnext_sdk.runtime.signals import Signals
from gocdnext_sdk.secret import holds_secret

if TYPE_CHECKING:
    from gocdnext_sdk.inputs.facts import (
        DaemonUse,
        Downloads,
        Gates,
        Publishes,
        Reads,
        ReadsWorkspace,
        Signs,
        Writes,
    )
    from gocdnext_sdk.inputs.surroundings import System

_URL_PASSWORD = re.compile(r"://[^\s/:@]*:([^\s/]+)@")
"""The password in a URL."""
_PROXY_LOGIN = re.compile(r"(?s)(?:.*?://)?(.+)@")
"""What stands before the host in a proxy's address, with or without a scheme, and whatever is in it."""

Inputs = TypeVar("Inputs", bound=PluginInputs)


class Plugin(ABC, Generic[Inputs]):
    """Base of a plugin: a typed `Inputs` model and a `run`.

    ```python
    class Hadolint(Plugin[HadolintInputs]):
        \"\"\"Lint a Dockerfile.\"\"\"

        name = "gocdnext-plugin-hadolint"
        inputs = HadolintInputs

        def run(self, inputs: HadolintInputs, job: Job) -> dict[str, str]:
            job.tool("hadolint").run(inputs.dockerfile)
            return {}


    if __name__ == "__main__":
        Hadolint.main()
    ```
    """

    name: ClassVar[str]
    """The image's last path segment; the platform looks a manifest up by it (docs/contract.md §1.3)."""

    category: ClassVar[str] = ""
    """The group in the server's catalog: build, security, registry …"""

    image_tag: ClassVar[str] = "v1"
    """The channel on which the image is published."""

    inputs: ClassVar[type[PluginInputs]]
    """The model of the `with:` map."""

    outputs: ClassVar[Mapping[str, str]] = {}
    """What `run` may return: variable name to description."""

    # What lint and plan know of the plugin; see `gocdnext_sdk.inputs.facts`.

    publishes: ClassVar[Publishes | None] = None
    """The image it pushes."""

    writes: ClassVar[tuple[Writes, ...]] = ()
    """Where else in registries it writes. A local run asks before it does so."""

    reads: ClassVar[tuple[Reads, ...]] = ()
    """The images it takes from a registry."""

    signs: ClassVar[tuple[Signs, ...]] = ()
    """How it signs."""

    gates: ClassVar[Gates | None] = None
    """Whether its verdict can fail the job."""

    daemon: ClassVar[DaemonUse | None] = None
    """Whether it uses the Docker daemon; None: that is not said."""

    workspace: ClassVar[ReadsWorkspace | None] = None
    """What it reads of the checkout, which must then hold files; None: nothing that it would miss."""

    downloads: ClassVar[Downloads | None] = None
    """A database that it downloads, if nobody keeps it."""

    caches: ClassVar[tuple[str, ...]] = ()
    """Inputs that take caches in BuildKit's form, `type=…,key=value`, one a line."""

    keeps: ClassVar[tuple[str, ...]] = ()
    """Inputs whose values stay in what is published, for everybody to read: no secret belongs there."""

    variables: ClassVar[tuple[str, ...]] = ()
    """Beginnings of the names of job variables that its tools look up by themselves."""

    @abstractmethod
    def run(self, inputs: Inputs, job: Job) -> Mapping[str, str]:
        """Do the work.

        Args:
            inputs: validated.
            job: tools, registries, secret files and printing.

        Returns:
            The outputs by variable name, one line each.

        Raises:
            Error: with a message for the user; its class decides the exit code.
        """

    @classmethod
    def main(cls) -> NoReturn:
        """Run as the image's entrypoint: read the environment, work, exit."""
        _conceal()
        # What is imported by now stays; the image's launcher has kept the collector off until here.
        gc.freeze()
        gc.enable()
        sys.exit(execute(cls(), dict(os.environ), Path.cwd()))


def _conceal() -> None:
    """Let no other process read this one's environment, not even one of the same user: PR_SET_DUMPABLE.

    It holds all of the job's secrets, and what runs beside it may come out of the checkout: a step that
    kaniko runs, a link to /proc/1/environ that a tool follows.
    """
    import ctypes

    with contextlib.suppress(AttributeError):  # not Linux
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)


def execute(plugin: Plugin[Inputs], environ: Mapping[str, str], workspace: Path) -> int:
    """Run `plugin` once in this process and return its exit code.

    Args:
        plugin: what to run.
        environ: the job's environment.
        workspace: the checkout.
    """
    masker = Masker()
    system = _system(environ, masker)
    sinks = (system.out, system.err) if system else (sys.stdout.buffer, sys.stderr.buffer)
    writers = [MaskedWriter(masker, sink) for sink in sinks]
    bare = (sys.stdout, sys.stderr)
    masked = tuple(MaskedText(writer) for writer in writers)
    sys.stdout, sys.stderr = masked
    _log_to(dict(zip(bare, masked, strict=True)))
    try:
        return _execute(plugin, environ, workspace, masker, system)
    finally:
        sys.stdout, sys.stderr = bare
        _log_to(dict(zip(masked, bare, strict=True)))
        for writer in writers:
            writer.finish()


def _log_to(streams: Mapping[object, object]) -> None:
    """Let `logging` write to other streams than those with which a plugin has set it up on its import."""
    if logging := sys.modules.get("logging"):
        for handler in logging.root.handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream in streams:
                handler.setStream(streams[handler.stream])


def _system(environ: Mapping[str, str], masker: Masker) -> System | None:
    """Return the CI system that started this process; None if it is gocdnext, which costs no import."""
    if environ.get(MARK) == "true":
        return None
    from gocdnext_sdk.contract.dialects import detect
    from gocdnext_sdk.inputs.surroundings import System

    dialect = detect(environ)
    return System.behind(dialect, masker, sys.stdout.buffer, sys.stderr.buffer) if dialect else None


def _execute(
    plugin: Plugin[Inputs],
    environ: Mapping[str, str],
    workspace: Path,
    masker: Masker,
    system: System | None,
) -> int:
    for name, value in environ.items():
        # A job's secrets are also there under their own names, and may be part of other inputs.
        if holds_secret(name, value):
            masker.add(value)
        for part in _logins_in(name, value):
            masker.add(part)
            masker.add(unquote(part))
    show = partial(system.show, "error") if system else _error
    place = "the inputs" if system else "`with:`"
    warn = partial(system.show, "warning") if system else print_warning
    outputs = OutputFile(environ)
    # The signals' block is the outermost: secrets are wiped before a signal can end the process.
    with Signals() as signals, SecretFiles() as files:
        try:
            with signals.cancelling():
                if system:
                    given = system.surroundings(plugin.inputs, environ, workspace)
                    environ, workspace = given.environ, given.workspace
                    outputs = OutputFile(environ, given.targets, given.summary, masker.mask)
                hidden = Pieces(masker, environ).hide
                inputs = read_inputs(
                    *(plugin.inputs, environ, masker.add),
                    lambda line: warn(hidden(line)),
                    workspace=workspace,
                )
                if plugin.workspace:
                    from gocdnext_sdk.inputs.workspace_use import check_workspace

                    check_workspace(plugin.workspace, inputs, workspace)
                dialect = system.dialect if system else None
                command = system.command if system else None
                job = Job(
                    *(environ, workspace, masker, files, signals, outputs),
                    warn=warn,
                    dialect=dialect,
                    command=command,
                )
                if environ.get("HOME") and environ["HOME"] != job.environ["HOME"]:
                    job.warn(f"HOME is in the workspace and not used; tools get {job.environ['HOME']}")
                with signals.limited(inputs.seconds):
                    job.output(**outputs_of(plugin, plugin.run(inputs.prepared(job), job)))  # type: ignore[arg-type]
                outputs.write()
        except SystemExit as end:  # an author may end the process
            if end.code is None or isinstance(end.code, int):
                return end.code or 0
            print(Pieces(masker, environ).hide(str(end.code)), file=sys.stderr)  # as Python would, masked
            return 1
        except BaseException as raised:  # noqa: BLE001 - the last line of defence: a message, never a traceback
            error = raised
            if isinstance(raised, ImportError) and (place := place_in(type(plugin), raised)):
                error = Bug(raised, place)
            # What is known is written after a failure too; the platform reads it only after exit 0.
            with contextlib.suppress(Error):
                outputs.write()
            return report(error, environ, sys.stderr, show, place, Pieces(masker, environ).hide)
    return 0


def _logins_in(name: str, value: str) -> Iterator[str]:
    """Yield the passwords in a variable's value; of a proxy, which no tool shows as such, the user too.

    A proxy's password is often written as it is, so it may hold anything, and be no URL's.
    """
    if not name.lower().endswith("_proxy"):
        yield from _URL_PASSWORD.findall(value)
    elif login := _PROXY_LOGIN.match(value):
        yield login[1]
        if password := login[1].partition(":")[2]:
            yield password


def place_in(plugin: type[Plugin[Any]], error: BaseException) -> str:
    """Return file and line of the last step to an error in the plugin's own directory; empty if none is."""
    folder = Path(plugin.run.__code__.co_filename).parent
    place, step = "", error.__traceback__
    while step:
        file = step.tb_frame.f_code.co_filename
        if not file.startswith("<") and Path(file).is_relative_to(folder):
            place = f"{file}:{step.tb_lineno}"
        step = step.tb_next
    return place


def outputs_of(plugin: Plugin[Inputs], returned: object) -> Mapping[str, str]:
    """Return what `run` has returned, if that can be outputs.

    Raises:
        Misuse: it cannot.
    """
    code = type(plugin).run.__code__
    place = f"{code.co_filename}:{code.co_firstlineno}: run()"
    if not isinstance(returned, Mapping):
        what = "nothing" if returned is None else f"a {type(returned).__name__}"
        raise Misuse(f"{place} returned {what}", "let it return its outputs by name; {} if there are none")
    for name, value in returned.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise Misuse(f"{place} returned {name!r} as {type(value).__name__}", "an output is a text")
    return returned


def _error(line: str) -> None:
    print(f"error: {line}", file=sys.stderr)
