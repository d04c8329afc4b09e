"""Looking for mistakes in a Dockerfile without building it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gocdnext_sdk import Findings, Tool, ToolError, doing
from gocdnext_sdk.tools.buildkit.builders import Builder

if TYPE_CHECKING:
    from .plugin import BuildxBuild


def check(build: BuildxBuild, buildx: Tool, builder: Builder) -> None:
    """Let BuildKit check the Dockerfile, and say what it found.

    Raises:
        Findings: there are mistakes.
        ToolError: it could not be checked.
    """
    argv = (*build.definition(builder), "--call", "check,format=json")
    with doing(f"checking {build.inputs.dockerfile}"):
        done = buildx.capture(*argv, ok=(0, 1), assumed=b"{}")
        try:
            found = list(_mistakes(json.loads(done.stdout)))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ToolError("buildx reported no result", "its own message is above") from None
    for each in found:
        build.job.say(f"{build.inputs.dockerfile}:{each}")
    if found:
        count = "1 mistake" if len(found) == 1 else f"{len(found)} mistakes"
        raise Findings(f"{count} in {build.inputs.dockerfile}", "each is above, with a page about it")
    build.job.say(f"nothing is wrong with {build.inputs.dockerfile}")


def _mistakes(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield `LINE: what is wrong`."""
    for each in report.get("warnings") or ():
        yield f"{_line(each)}: {each['ruleName']}: {each['detail']}; {each['url']}"
    if error := report.get("buildError"):
        yield f"{_line(error)}: {error['message']}"


def _line(found: Mapping[str, Any]) -> int:
    ranges = (found.get("location") or {}).get("ranges") or [{"start": {"line": 1}}]
    return int(ranges[0]["start"]["line"])
