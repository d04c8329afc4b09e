"""Run a plugin once: in this process, as a process of its own, or in its image. One call, one result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from gocdnext_sdk.contract.dialects import dialect, dialects
from gocdnext_sdk.contract.keys import MARK, variable
from gocdnext_sdk.errors import InputError, Problem, UsageError
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.testing.leaks import find_leaks
from gocdnext_sdk.host.testing.result import Argv, Call, HttpCall, Result
from gocdnext_sdk.inputs.model import as_text, is_secret, with_key

if TYPE_CHECKING:
    from gocdnext_sdk.host.harness import Session
    from gocdnext_sdk.host.harness.invocation.interface import Invoke
    from gocdnext_sdk.plugin import Plugin

YamlValue: TypeAlias = str | int | float | bool | None
"""A single value, as a `with:` map holds it."""


class Mode(StrEnum):
    """Where a plugin runs."""

    FUNCTION = "function"
    """In this process: the quickest, and a debugger can step through it. Its tools are real processes."""

    PROCESS = "process"
    """As ``python plugin.py``."""

    IMAGE = "image"
    """In a fresh container of its image, on a Docker engine."""


@dataclass
class PluginRunner:
    """Runs plugins in one workspace.

    Args:
        workspace: the checkout; what plugins write stays there.
        private: a folder for what a fresh container has: a home, a place for temporary files.
        session: gives the session that owns containers; asked only in mode "image".
        path: folders in which tools are looked for before those of `PATH`; not in containers.
    """

    workspace: Path
    private: Path
    session: Callable[[], Session]
    path: tuple[Path, ...] = ()

    def __call__(
        self,
        folder: Path | str,
        with_: Mapping[str, YamlValue] | None = None,
        *,
        env: Mapping[str, YamlValue] | None = None,
        secrets: Mapping[str, str] | None = None,
        mode: Mode | str = Mode.PROCESS,
        docker: bool = False,
        network: str = "bridge",
        image: str | None = None,
        as_: str = "docker",
    ) -> Result:
        """Run the plugin of `folder` once.

        The values of its secret inputs and of `secrets` are then looked for in all it printed, wrote and
        started: `Result.leaks`.

        Args:
            folder: the plugin's, with its ``plugin.py``.
            with_: the `with:` map; a value is its text, or what YAML writes alike: a number, a boolean, null.
            env: variables of the job, with such values too.
            secrets: the job's secrets, which are variables too.
            mode: where it runs.
            docker: the job's `docker:`, which gives it the engine.
            network: the container's, such as that of a test registry.
            image: the image; built from `folder` when not given.
            as_: who hands the inputs over, as `exec --as` takes it: a mode of the platform's agent, or a CI
                system (docs/ci-systems.md). What is known of a run there, such as `GITHUB_OUTPUT`, is given
                in `env`.

        Raises:
            InputError: a value is a list or a map, which the platform does not take.
            Error: it could not be run at all.
        """
        from gocdnext_sdk.host.harness.invocation.interface import Invocation

        folder = Path(folder).resolve()
        plugin = load_plugin(folder)
        inputs, variables, hidden = _texts("with", with_), _texts("variables", env), dict(secrets or {})
        invocation = Invocation(
            name=plugin.name,
            folder=folder,
            workspace=self.workspace.resolve(),
            environ=_handed_over(inputs, as_) | hidden | variables,
            docker=docker,
            home=self.private,
            path=self.path,
        )
        before = _state(invocation.workspace)
        outcome = self._way(Mode(mode), plugin, folder, image, network)(invocation)
        after = _state(invocation.workspace)
        result = Result(
            exit_code=outcome.exit_code,
            log=outcome.log,
            outputs=outcome.outputs,
            calls=tuple(Call(each.tool, Argv(each.argv), each.environ) for each in outcome.starts),
            requests=tuple(
                HttpCall(each.method, each.url, each.headers, each.body) for each in outcome.requests
            ),
            changed=frozenset(path for path in after if after[path] != before.get(path)),
        )
        hunted = [*hidden.values(), *(text for key, text in inputs.items() if _holds_secret(plugin, key))]
        return find_leaks(result, hunted, {"workspace": invocation.workspace, **outcome.left})

    def _way(
        self, mode: Mode, plugin: type[Plugin[Any]], folder: Path, image: str | None, network: str
    ) -> Invoke:
        from gocdnext_sdk.host.harness.invocation.process import captured, in_function

        match mode:
            case Mode.FUNCTION:
                return in_function
            case Mode.PROCESS:
                return captured
            case Mode.IMAGE:
                from gocdnext_sdk.host.harness.invocation.container import InContainer

                return InContainer(self.session(), image or _built(folder, plugin.name), network)


def _handed_over(inputs: Mapping[str, str], as_: str) -> dict[str, str]:
    """Return the variables by which the platform or a CI system hands inputs over.

    Raises:
        UsageError: no such system is known.
    """
    from gocdnext_sdk.host.pipeline.modes import MODES

    for each in MODES.values():
        if each.name == as_:
            return {MARK: "true"} | {variable(key, each.transform): text for key, text in inputs.items()}
    try:
        system = dialect(as_)
    except KeyError:
        names = ", ".join((*MODES, *(each.name for each in dialects())))
        raise UsageError(f'"{as_}" is no CI system that is known', f"choose one of {names}") from None
    return {**system.marks, **system.hand_over(inputs)}


@cache
def _built(folder: Path, name: str) -> str:
    """Build the image, once in a test run; BuildKit's own cache makes the next run's quick."""
    from gocdnext_sdk.host.harness.build import build_contexts, build_image

    image = f"localhost/{name}:test"
    build_image(folder, image, build_contexts())
    return image


def _texts(where: str, values: Mapping[str, YamlValue] | None) -> dict[str, str]:
    """Return a map of the pipeline as the platform hands it on: text only, null as the empty text."""
    given = dict(values or {})
    wrong = {key: value for key, value in given.items() if not isinstance(value, YamlValue)}
    if wrong:
        raise InputError(
            Problem(
                "",
                f"{where}.{key}: is a {type(value).__name__}, but the platform takes a single value",
                "write its text",
            )
            for key, value in wrong.items()
        )
    return {key: "" if value is None else as_text(value) for key, value in given.items()}


def _holds_secret(plugin: type[Plugin[Any]], key: str) -> bool:
    fields = {with_key(name): field for name, field in plugin.inputs.model_fields.items()}
    return key in fields and is_secret(fields[key])


def _state(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return what tells whether a file has changed, by path."""
    found = {}
    for path in folder.rglob("*"):
        relative = path.relative_to(folder).as_posix()
        if path.is_symlink() or path.is_file():
            status = path.lstat()
            found[relative] = (status.st_mode, status.st_size, status.st_mtime_ns)
    return found
