"""The tables of inputs and outputs in a plugin's README, between markers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gocdnext_sdk.host.manifest.load import FolderError
from gocdnext_sdk.host.manifest.model import InputSpec, Manifest


def render_readme(text: str, manifest: Manifest) -> str:
    """Return the README `text` with its tables renewed.

    Raises:
        FolderError: it has no markers to put one between.
    """
    inputs = _table(("Input", "Default", "Description"), map(_input_row, manifest.inputs))
    text = _between(text, "inputs", inputs)
    if manifest.outputs:
        rows = ((f"`{name}`", description) for name, description in manifest.outputs.items())
        text = _between(text, "outputs", _table(("Output", "Description"), rows))
    return text


def _input_row(spec: InputSpec) -> tuple[str, str, str]:
    default = f"`{spec.default}`" if spec.default is not None else "**required**" if spec.required else ""
    notes = []
    if spec.choices:
        notes.append("One of " + ", ".join(f"`{choice}`" for choice in spec.choices) + ".")
    if spec.secret:
        notes.append("Secret.")
    return f"`{spec.name}`", default, " ".join((spec.description, *notes))


def _table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    def lines() -> Iterator[str]:
        yield _row(heading)
        yield _row("---" for _ in heading)
        yield from map(_row, rows)

    return "\n".join(lines())


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _between(text: str, name: str, table: str) -> str:
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    renewed, count = pattern.subn(lambda _: f"{begin}\n{table}\n{end}", text)
    if count != 1:
        raise FolderError(f"README.md needs the lines {begin} and {end} once, where the table belongs")
    return renewed
