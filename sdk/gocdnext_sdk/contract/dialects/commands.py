"""Commands that a CI system reads in a job's log, and how a tool's output is kept from giving any.

A builder prints what `RUN` prints, and so does anything that echoes what it was given. Which of these marks
the reader of a log knows cannot be told from inside a container: `docker run` in a step hands no variable of
the system over. So all of them are taken for one, wherever it is not gocdnext that reads.

A mark gets a blank before its last character, which stays readable and which no parser passes over. Zero-
width characters would not do: .NET compares texts by culture, and takes them for nothing. `::stop-commands::`
was weighed and left: it ends only where the same step says so, which a killed one does not, it would silence
the rest of a step that calls `docker run`, and it helps nobody whose reader is GitLab.

Source: actions/runner `ActionCommand.cs` (`::` begins a line, leading blanks left out; `##[` is anywhere),
whose reader ends lines at carriage returns too; azure-pipelines-agent `Command.cs` (`##vso[`); TeamCity's
service messages (`##teamcity[`); gitlab `lib/gitlab/ci/ansi2json` (`section_start:`, `section_end:`
anywhere).
"""

from __future__ import annotations

import re

_BLANKS = "\\s\u00ad\u200b-\u200f\u2060\ufeff"
"""Blanks as .NET trims them, and what it compares as nothing."""

_MARK = re.compile(rf"(?:(?:^|(?<=[\n\r]))[{_BLANKS}]*::|##[A-Za-z]{{0,16}}\[|section_(?:start|end):)")

_LEADING = re.compile(rf"^[{_BLANKS}]+")

_KEPT = 64
"""Characters of a line that decide whether what follows completes a mark."""


class CommandBreaker:
    """Breaks the marks in a log, which may come in pieces and from several tools at once.

    There is one for each log, not for each stream: half a mark may come on either.
    """

    def __init__(self) -> None:
        self._line = ""

    @property
    def in_line(self) -> bool:
        """Whether the last line has no end yet."""
        return bool(self._line)

    def decode(self, text: str) -> str:
        """Return `text` without a mark, told together with what came before. Nothing is held back."""
        before = len(self._line)
        whole = self._line + text

        def broken(match: re.Match[str]) -> str:
            return match[0] if match.end() <= before else f"{match[0][:-1]} {match[0][-1]}"

        line = whole[max(whole.rfind("\n"), whole.rfind("\r")) + 1 :]
        # What is left out of a long line begins none: the letter stands for it.
        bare = _LEADING.sub("", line) or line[-1:]
        self._line = bare if len(bare) <= _KEPT else f"x{bare[-_KEPT:]}"
        return _MARK.sub(broken, whole)[before:]
