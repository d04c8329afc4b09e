"""What one run of a plugin came to."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any


class Argv(tuple[str, ...]):
    """The arguments of a tool. When an assertion compares it, pytest shows both sides next to each other."""

    __slots__ = ()


@dataclass(frozen=True)
class Call:
    """One start of a tool.

    Args:
        tool: its name.
        argv: what followed the name.
        environ: the names of the variables it got, and of no others.
    """

    tool: str
    argv: Argv
    environ: frozenset[str]


@dataclass(frozen=True)
class HttpCall:
    """One request to a web service. Secrets in it are masked.

    Args:
        method: such as POST.
        url: `***` if it is secret.
        headers: the names of its header fields.
        body: what was sent, or the path of the file that was.
    """

    method: str
    url: str
    headers: frozenset[str]
    body: str

    def json(self) -> Any:
        """Return the body, read as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a run ended, whichever way the plugin ran.

    Args:
        exit_code: 0 worked, 1 findings, 2 wrong inputs, 3 tool, daemon or network failure, 128+n signal n.
        log: all it and its tools printed.
        outputs: what it wrote for later jobs.
        calls: every tool it started, in order.
        requests: every request that it sent to a web service, in order.
        changed: paths below the workspace that it added or changed.
        leaks: where a secret was found that must not be there; never the secret itself.
    """

    exit_code: int
    log: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    calls: tuple[Call, ...] = ()
    requests: tuple[HttpCall, ...] = ()
    changed: frozenset[str] = frozenset()
    leaks: tuple[str, ...] = ()

    def passed(self) -> Result:
        """Return the result itself if the plugin exited with 0 and leaked nothing.

        Raises:
            AssertionError: it did not; with the whole log.
        """
        return self.exited(0)

    def exited(self, exit_code: int) -> Result:
        """Return the result itself if the plugin exited with `exit_code` and leaked nothing.

        Raises:
            AssertionError: it did not; with the whole log.
        """
        if self.exit_code != exit_code:
            raise AssertionError(f"exit code {self.exit_code} instead of {exit_code}\n{self.log}")
        if self.leaks:
            raise AssertionError("\n".join(("a secret shows in", *self.leaks)))
        return self

    @property
    def errors(self) -> tuple[str, ...]:
        """The messages after `error: `, in order."""
        return self._after("error: ")

    @property
    def warnings(self) -> tuple[str, ...]:
        """The messages after `warning: `, in order."""
        return self._after("warning: ")

    def call(self, tool: str, *beginning: str) -> Call:
        """Return the only start of `tool` whose arguments begin with `beginning`.

        Raises:
            AssertionError: there was none, or more than one.
        """
        started = [call for call in self.calls if call.tool == tool]
        found = [call for call in started if call.argv[: len(beginning)] == beginning]
        if len(found) == 1:
            return found[0]
        wanted = " ".join((tool, *beginning))
        lines = [" ".join((call.tool, *call.argv)) for call in self.calls]
        raise AssertionError(
            "\n".join((f"{wanted}: started {len(found)} times, not once, of", *lines, self.log))
        )

    def _after(self, prefix: str) -> tuple[str, ...]:
        return tuple(line.removeprefix(prefix) for line in self.log.splitlines() if line.startswith(prefix))


def side_by_side(actual: Sequence[str], expected: Sequence[str]) -> list[str]:
    """Return a table of two argument lists: what differs is marked, what agrees is left out."""
    rows: list[tuple[str, str, str]] = [(" ", "actual", "expected")]
    matcher = SequenceMatcher(None, actual, expected, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            same = shlex.join(actual[a:b]) if b - a < 3 else f"… {b - a} equal …"
            rows.append((" ", same, same))
        else:
            pairs = zip_longest(map(repr, actual[a:b]), map(repr, expected[c:d]), fillvalue="")
            rows += [("!", left, right) for left, right in pairs]
    width = max(len(left) for _, left, _ in rows)
    return [f"{mark} {left:<{width}}  {right}".rstrip() for mark, left, right in rows]
