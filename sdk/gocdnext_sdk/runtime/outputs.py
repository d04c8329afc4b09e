"""The outputs of a job, written as the platform reads them (docs/contract.md §8)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gocdnext_sdk.contract.outputs import VARIABLE, render
from gocdnext_sdk.errors import OutputError

if TYPE_CHECKING:
    from gocdnext_sdk.contract.dialects.base import OutputTarget


class OutputFile:
    """Collects outputs and writes them once.

    Args:
        environ: the job's environment.
        targets: where other CI systems take them from.
        summary: a file that takes a summary in Markdown.
        mask: hides secrets in that.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        targets: tuple[OutputTarget, ...] = (),
        summary: str | None = None,
        mask: Callable[[str], str] = str,
    ) -> None:
        self._path = environ.get(VARIABLE) or None
        self._targets = targets
        self._summary = summary
        self._mask = mask
        self._values: dict[str, str] = {}

    @property
    def values(self) -> Mapping[str, str]:
        """What has been collected."""
        return self._values

    def set(self, name: str, value: str) -> None:
        """Remember an output; a later value replaces an earlier one.

        Raises:
            TypeError: it is no text, which is a bug of the plugin.
        """
        if not isinstance(value, str):
            raise TypeError(f"output {name} must be text, not {type(value).__name__}")
        self._values[name] = value

    def summarize(self, markdown: str) -> bool:
        """Append to the system's summary, and tell whether it has one."""
        if self._summary is None:
            return False
        try:
            _append(Path(self._summary), markdown)
        except OSError:
            return False
        return True

    def write(self) -> None:
        """Write everything. Does nothing when the job declares no outputs.

        Raises:
            OutputError: a value cannot be carried (a line break, over 64 KiB), or a file cannot be written.
        """
        targets, self._targets = self._targets, ()  # what is appended is appended once
        if self._path is None and not targets:
            return
        where = self._path
        try:
            text = render(self._values)
            if self._path is not None:
                with open(self._path, "w", encoding="utf-8", newline="") as stream:  # noqa: PTH123
                    stream.write(text)
            for target in targets:
                where = target.path
                _hand_over(self._values, target)
            if self._summary is not None and self._values:
                with suppress(OSError):  # a convenience of the system's page, no reason to fail
                    masked = {name: self._mask(value) for name, value in self._values.items()}
                    _append(Path(self._summary), _table(masked))
        except ValueError as error:
            raise OutputError(f"outputs: {error}") from None
        except OSError as error:
            raise OutputError(f"outputs: {where} cannot be written: {error.strerror}") from None


def _hand_over(values: Mapping[str, str], target: OutputTarget) -> None:
    """Write the outputs to one place.

    Raises:
        OSError: it cannot be written.
        OutputError: it leads out of the checkout by now, or is no regular file.
        ValueError: they are more than it takes.
    """
    size = sum(len(_bytes(value)) for value in values.values())
    if target.limit is not None and size > target.limit:
        raise ValueError(f"{size} bytes; {target.path} takes {target.limit}")
    path = Path(target.path)
    # Unlike gocdnext's reader, nobody here takes quotes off.
    lines = "".join(f"{name}={value}\n" for name, value in values.items())
    match target.form:
        case "appended":
            _append(path, lines)
        case "dotenv":
            _append(path, "".join(f"{name}={_dotenv(value)}\n" for name, value in values.items()))
        case "file":
            from gocdnext_sdk.runtime.reports import write_report

            write_report(Path(), path, _bytes(lines))
        case "directory":
            for name, value in values.items():
                (path / name).write_bytes(_bytes(value))


def _dotenv(value: str) -> str:
    """Return a value as godotenv, by which Harness reads `DRONE_OUTPUT`, gives it back; bare where it can be.

    Source: harness/lite-engine `fetchExportedVarsFromEnvFile`; godotenv 1.4.0 and 1.5.1, which find no end of
    a quoted value behind a backslash or a quote.
    """
    if not re.search(r"[#$]|^[\s'\"]|\s$", value):
        return value
    if "'" not in value and not value.endswith("\\"):
        return f"'{value}'"
    if not value.endswith(("\\", '"')):
        return '"' + re.sub(r'(["\\$])', r"\\\1", value) + '"'
    return value  # nothing carries it whole


def _append(path: Path, text: str) -> None:
    """Append lines to a file, whose last line may lack its end."""
    with open(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644), "rb+") as stream:  # noqa: PTH123
        end = stream.seek(0, os.SEEK_END)
        if end:
            stream.seek(end - 1)
            text = text if stream.read(1) == b"\n" else f"\n{text}"
        stream.write(_bytes(text))


def _table(values: Mapping[str, str]) -> str:
    """Return the outputs as Markdown, whose values are shown as they are."""
    from gocdnext_sdk.runtime.reports import as_markdown, code

    return as_markdown([["output", "value"], *([name, code(value)] for name, value in values.items())])


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
