"""Comments that suppress rules: `# gocdnext: ignore=GP101,GP202 reason`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gocdnext_sdk.host.lint.rule import RULES, Finding
from gocdnext_sdk.host.pipeline.errors import Diagnostic, Mark

_COMMENT = re.compile(r"(?:^|\s)#\s*gocdnext:\s*ignore=(?P<ids>[^\s]+)[^\S\n]*(?P<reason>.*)$")
_ID = re.compile(r"GP[0-9]{3}")


@dataclass(frozen=True)
class Comment:
    """One such comment.

    Args:
        mark: where it stands.
        line: the line it is about.
        ids: the rules it suppresses.
        reason: why.
    """

    mark: Mark
    line: int
    ids: tuple[str, ...]
    reason: str


def comments(text: str, file: str) -> list[Comment]:
    """Find the comments in a file. One alone on its line is about the next line that says something."""
    found: list[Comment] = []
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        match = _COMMENT.search(line) if "gocdnext:" in line else None
        if match is None:
            continue
        about = number
        if line.lstrip().startswith("#"):
            said = (
                n
                for n, each in enumerate(lines[number:], number + 1)
                if each.strip() and each.strip()[0] != "#"
            )
            about = next(said, number)
        mark = Mark(file, number, line.index("#", match.start()) + 1)
        found.append(Comment(mark, about, tuple(match["ids"].strip(",").split(",")), match["reason"].strip()))
    return found


def suppress(findings: Iterable[Finding], comments: Iterable[Comment]) -> Iterator[Finding]:
    """Yield the findings that no comment suppresses, and those about the comments themselves."""
    suppressed = {(id_, each.line): (each, id_) for each in comments for id_ in each.ids}
    useful: set[tuple[Comment, str]] = set()
    for finding in findings:
        place = (finding.rule.id, finding.problem.mark.line)
        if place in suppressed:
            useful.add(suppressed[place])
        else:
            yield finding
    for comment in comments:
        yield from (Finding(RULES["GP003"], problem) for problem in _problems(comment, useful))


def _problems(comment: Comment, useful: set[tuple[Comment, str]]) -> Iterator[Diagnostic]:
    for id_ in comment.ids:
        if id_ not in RULES:
            advice = "see `gocdnext-plugin lint --rules`" if _ID.fullmatch(id_) else "write it like GP101"
            yield Diagnostic(comment.mark, f"there is no rule {id_}", advice)
        elif (comment, id_) not in useful:
            yield Diagnostic(
                comment.mark, f"nothing on line {comment.line} breaks {id_}", "remove the comment"
            )
    if not comment.reason:
        yield Diagnostic(
            comment.mark, "a comment that suppresses a rule gives no reason", "say why after the rule"
        )
