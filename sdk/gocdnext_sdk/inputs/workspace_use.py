"""Whether a plugin that reads the checkout has one."""

from __future__ import annotations

from pathlib import Path

from gocdnext_sdk.errors import InputError, Problem
from gocdnext_sdk.inputs.facts import ReadsWorkspace, When
from gocdnext_sdk.inputs.model import PluginInputs, as_text
from gocdnext_sdk.workspace import holds_no_files


def check_workspace(use: ReadsWorkspace | None, inputs: PluginInputs, workspace: Path) -> None:
    """Refuse an empty checkout: nothing that is found there says anything of the repository.

    Args:
        use: what the plugin declares; None: it does not read the checkout.
        inputs: the job's.
        workspace: the working directory.

    Raises:
        InputError: it reads the checkout, and there is no file in it, or in the directory an input names.
    """
    if use is None or not _holds(use.when, inputs) or (use.unless and _holds(use.unless, inputs)):
        return
    named = _text(inputs, use.path) if use.path else ""
    folder = workspace / named if "\0" not in named else workspace
    if folder.is_dir() and holds_no_files(folder):
        part = named not in ("", ".")
        what = f'"{named}"' if part else f"the workspace {workspace}"
        raise InputError(
            Problem(
                use.path if part else "",
                f"{what} holds no files, so there is nothing to work on",
                "does the pipeline have a checkout, with files?",
            )
        )


def _holds(when: When, inputs: PluginInputs) -> bool:
    return all(
        _text(inputs, key) in ((wanted,) if isinstance(wanted, str) else wanted)
        for key, wanted in when.items()
    )


def _text(inputs: PluginInputs, key: str) -> str:
    value = getattr(inputs, key.replace("-", "_"))
    return "" if value is None else as_text(value)
