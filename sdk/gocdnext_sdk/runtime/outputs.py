"""The outputs of a job, written as the platform reads them (docs/contract.md §8)."""

from __future__ import annotations

from collections.abc import Mapping

from gocdnext_sdk.contract.outputs import render
from gocdnext_sdk.errors import OutputError

VARIABLE = "GOCDNEXT_OUTPUT_FILE"
"""Set by the platform only when the job declares outputs; without it there is nobody to tell."""


class OutputFile:
    """Collects outputs and writes them once.

    Args:
        environ: the job's environment.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._path = environ.get(VARIABLE) or None
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

    def write(self) -> None:
        """Write everything. Does nothing when the job declares no outputs.

        Raises:
            OutputError: a value cannot be carried (a line break, over 64 KiB), or the file cannot be written.
        """
        if self._path is None:
            return
        try:
            text = render(self._values)
            with open(self._path, "w", encoding="utf-8", newline="") as stream:  # noqa: PTH123
                stream.write(text)
        except ValueError as error:
            raise OutputError(f"outputs: {error}") from None
        except OSError as error:
            raise OutputError(f"outputs: {self._path} cannot be written: {error.strerror}") from None
