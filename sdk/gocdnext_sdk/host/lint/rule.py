"""What a rule is, and how one is added: a function with a docstring, and two samples beside it.

```python
@rule("GP107", Severity.WARNING)
def no_version(view: View) -> Iterator[Diagnostic]:
    \"\"\"A plugin without a version.

    One paragraph: why it matters, and what to do.
    \"\"\"
```

``samples/GP107/wrong.yaml`` breaks the rule, ``samples/GP107/right.yaml`` is the same without it: the jobs of
a pipeline, or the whole of one. Docstring and samples are what `lint --explain` prints and what the
documentation is made of; the tests run the samples.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gocdnext_sdk.host.pipeline.errors import Diagnostic

if TYPE_CHECKING:
    from gocdnext_sdk.host.lint.view import View

_SAMPLES: Final = Path(__file__).parent / "samples"


class Severity(StrEnum):
    """How bad a finding is, by the words of SARIF."""

    ERROR = "error"
    """The job fails, or does what it must not."""
    WARNING = "warning"
    """The job may well fail or surprise; what decides is not in the file."""
    NOTE = "note"
    """It works; there is a better way."""


@dataclass(frozen=True)
class Rule:
    """One thing to look for.

    Args:
        id: `GP` and three digits, the first of which is the theme.
        severity: of its findings.
        check: yields them.
    """

    id: str
    severity: Severity
    check: Callable[[View], Iterator[Diagnostic]]

    @property
    def title(self) -> str:
        """A few words for it."""
        return self._text.partition("\n")[0].rstrip(".")

    @property
    def explanation(self) -> str:
        """Why it matters and what to do, as one paragraph."""
        return " ".join(self._text.partition("\n\n")[2].partition("\n\n")[0].split())

    @property
    def wrong(self) -> str:
        """YAML that has a finding."""
        return self._sample("wrong")

    @property
    def right(self) -> str:
        """The same without it."""
        return self._sample("right")

    @cached_property
    def _text(self) -> str:
        return inspect.cleandoc(self.check.__doc__ or "")

    def _sample(self, name: str) -> str:
        return (_SAMPLES / self.id / f"{name}.yaml").read_text("utf-8")


@dataclass(frozen=True)
class Finding:
    """One place where a rule is broken."""

    rule: Rule
    problem: Diagnostic

    def __str__(self) -> str:
        advice = f"; {self.problem.advice}" if self.problem.advice else ""
        mark = self.problem.mark
        return f"{mark}: {self.rule.severity}: {self.problem.what}{advice} [{self.rule.id}]"


RULES: Final[dict[str, Rule]] = {}
"""All rules, by id. Filled by importing `gocdnext_sdk.host.lint.rules`."""

_Check = Callable[["View"], Iterator[Diagnostic]]


def rule(id: str, severity: Severity) -> Callable[[_Check], _Check]:  # noqa: A002 - the field's name
    """Register a function as a rule.

    Raises:
        ValueError: the id is taken.
    """

    def register(check: _Check) -> _Check:
        if id in RULES:
            raise ValueError(f"{id} is already the rule {RULES[id].title!r}")
        RULES[id] = Rule(id, severity, check)
        return check

    return register
