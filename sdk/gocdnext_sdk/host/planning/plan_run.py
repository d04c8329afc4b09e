"""The plan of one run of a plugin."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gocdnext_sdk.contract.masks import REPLACEMENT
from gocdnext_sdk.errors import Error, InputError
from gocdnext_sdk.host.planning.guard import PlanEnds, guard
from gocdnext_sdk.host.planning.job import PlanningJob
from gocdnext_sdk.host.planning.model import Notes, RunPlan
from gocdnext_sdk.host.planning.placeholders import Placeholders
from gocdnext_sdk.inputs.model import PluginInputs, as_text, is_secret, with_key
from gocdnext_sdk.inputs.reader import env_names, read_inputs
from gocdnext_sdk.plugin import Plugin, outputs_of, place_in
from gocdnext_sdk.runtime.secret_files import SecretFiles
from gocdnext_sdk.workspace import is_promised, promising


def plan_run(
    plugin: type[Plugin[Any]],
    environ: Mapping[str, str],
    workspace: Path,
    shown: Placeholders,
    promised: Iterable[str] = (),
) -> RunPlan:
    """Call the plugin's `run` with a job that does nothing, and return what it would do.

    Args:
        plugin: the plugin.
        environ: the job's environment, with its `PLUGIN_*` variables.
        workspace: the checkout; its files are read, none is written.
        shown: the placeholders and their names; the run adds to them.
        promised: paths in the checkout that the job gets from another one.

    Raises:
        InputError: the inputs are wrong.
    """
    notes, ends = Notes(), ""
    promised = [str(workspace / each) for each in promised]
    printed = io.StringIO()
    with (
        SecretFiles() as files,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        _temporary_files_in(str(files.directory())),
        shown.aliased(str(files.directory()), "<scratch>"),
        promising(map(Path, promised)),
    ):
        shown.alias(str(workspace), "/workspace")
        given: dict[str, str] = {}
        try:
            inputs = read_inputs(
                plugin.inputs,
                environ,
                lambda text: shown.secret(text, "secret"),
                notes.warnings.append,
                workspace=workspace,
            )
            given = _given(inputs, shown)
            job = PlanningJob(environ, workspace, files, notes, shown)
            with guard(str(workspace)):
                planned = plugin()
                job.output(**outputs_of(planned, planned.run(inputs.prepared(job), job)))
        except PlanEnds as end:
            ends = str(end)
        except InputError as error:
            ends = _unknown(error, shown)
            given = given or _raw(plugin.inputs, environ, shown)
        except Error as error:
            handed = [each for each in promised if each in str(error) and is_promised(each)]
            ends = _missing(handed[0], workspace, shown) if handed else ""
            ends = ends or f"with what is known here the run would fail: {shown.show(str(error))}"
        except FileNotFoundError as error:
            ends = _missing(str(error.filename), workspace, shown)
        except ImportError as error:
            if not (place := place_in(plugin, error)):
                raise
            ends = f"the plugin needs what is not installed here: {place}: {shown.show(str(error))}"
    return RunPlan(
        plugin=plugin.name,
        inputs=given,
        logins=tuple(notes.logins),
        steps=tuple(notes.steps),
        outputs=notes.outputs,
        unknown=tuple(name for name in plugin.outputs if name not in notes.outputs) if ends else (),
        warnings=tuple(notes.warnings),
        ends=ends,
        values=notes.values,
    )


def _missing(path: str, workspace: Path, shown: Placeholders) -> str:
    """Return why the plan ends at a file that is not there."""
    if not Path(path).is_absolute() and (workspace / path).exists():
        return f'run() opens "{shown.show(path)}" in the current directory; open it below job.workspace'
    return f"what follows depends on {shown.show(path)}, which only a run writes"


@contextlib.contextmanager
def _temporary_files_in(folder: str) -> Iterator[None]:
    before, tempfile.tempdir = tempfile.tempdir, folder
    try:
        yield
    finally:
        tempfile.tempdir = before


def _unknown(error: InputError, shown: Placeholders) -> str:
    """Return why the plan ends if all mistakes are about placeholders.

    Raises:
        InputError: with the other mistakes, if there are any.
    """
    mistakes = [problem for problem in error.problems if not shown.has_word(str(problem))]
    if mistakes:
        raise InputError(mistakes) from None
    keys = dict.fromkeys(f"with.{problem.key}" for problem in error.problems)
    return f"what follows depends on {', '.join(keys)}, which only a run knows"


def _raw(model: type[PluginInputs], environ: Mapping[str, str], shown: Placeholders) -> dict[str, str]:
    """Return the inputs as written, in the model's order."""
    secrets = {with_key(name) for name, field in model.model_fields.items() if is_secret(field)}
    found = {}
    for variable, key in env_names(model).items():
        if text := environ.get(variable, "").strip():
            shown_text = shown.show(text)
            found[key] = REPLACEMENT if key in secrets and shown_text == text else shown_text
    return found


def _given(inputs: Any, shown: Placeholders) -> dict[str, str]:
    fields = type(inputs).model_fields
    found = {}
    for name in fields:
        value = getattr(inputs, name)
        if name in inputs.model_fields_set and value is not None:
            text = shown.show(as_text(value))
            found[with_key(name)] = (
                REPLACEMENT if is_secret(fields[name]) and text == as_text(value) else text
            )
    return found
