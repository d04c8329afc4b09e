"""What is wrong in a pipeline file, and where."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from gocdnext_sdk.errors import UsageError, closest


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file. Lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake in a pipeline file."""

    mark: Mark
    what: str
    advice: str = ""
    """What to do next."""

    def __str__(self) -> str:
        advice = f"; {self.advice}" if self.advice else ""
        return " ".join(f"{self.mark}: {self.what}{advice}".splitlines())  # what is quoted may have several


class PipelineError(UsageError):
    """The pipeline is wrong. Carries every mistake, in the file's order."""

    def __init__(self, problems: Iterable[Diagnostic] | Diagnostic) -> None:
        found = (problems,) if isinstance(problems, Diagnostic) else problems
        self.problems = tuple(sorted(found, key=lambda problem: problem.mark))
        super().__init__("\n".join(map(str, self.problems)))

    def lines(self) -> list[str]:
        """Return one line per mistake."""
        return [str(problem) for problem in self.problems]


def suggest(name: str, known: Collection[str], what: str) -> str:
    """Return advice for a name that is not known: the nearest one, or else all there are.

    Args:
        name: as written.
        known: the names there are.
        what: what they are, in the plural.
    """
    if close := closest(name, known, similarity=0.7):
        return f"did you mean `{close}`?"
    return f"the {what} are {', '.join(known)}" if known else f"there are no {what}"
